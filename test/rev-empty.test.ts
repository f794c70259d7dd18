import t from 'tap'
import { createApp, until } from './helpers/app.js'
import { open } from './helpers/client.js'

t.test('a socket that ends while it is let in is not looked after any more, whichever turn it ends in', async t => {
  const sweeps = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  t.teardown(() => Object.assign(globalThis, { setInterval, clearInterval }))
  Object.assign(globalThis, {
    setInterval (work: () => void, ms: number) {
      const timer = setInterval(work, ms)
      if (ms === 500) sweeps.add(timer)
      return timer
    },
    clearInterval (timer: NodeJS.Timeout) {
      sweeps.delete(timer)
      clearInterval(timer)
    }
  })
  for (const path of ['/none', '/one', '/two']) {
    for (let n = 0; n < 10; n++) {
      const { app, url, token } = await createApp(t, {
        setup (app) {
          const expiresAt = () => {
            let turn: Promise<unknown> = Promise.resolve()
            for (let i = 0; i < n; i++) turn = turn.then(() => {})
            turn.then(() => { app.ws.disconnectUser('jeanne') })
            return Date.now() / 1_000 + 60
          }
          app.get('/none', { websocket: true }, app.manageWebsocket([], { expiresAt }))
          app.get('/one', { websocket: true }, app.manageWebsocket('one', { expiresAt }))
          app.get('/two', { websocket: true }, app.manageWebsocket(['one', 'two'], { expiresAt }))
        }
      })
      const client = await open(t, url.replace('/cdr/users/ws', path))
      client.send({ token: token({ sub: 'jeanne', iat: Math.floor(Date.now() / 1_000) - 5 }) })
      const { code } = await client.closed
      await until(() => app.ws.stats().connections === 0)
      t.match(app.ws.stats(), { waiting: 0, members: 0 })
      t.equal(sweeps.size, 0, `${path} ${n}: ${code} ${client.frames.map(({ data }) => data?.status)}`)
      await app.close()
    }
  }
})
