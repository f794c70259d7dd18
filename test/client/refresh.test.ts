import t from 'tap'
import { startCounterpart } from '../helpers/counterpart.js'
import { follow } from '../helpers/room-client.js'

const EXPIRING = { expiresIn: 30_000 }

t.test('a token that is about to expire is replaced on the open socket', async t => {
  const server = await startCounterpart(t)
  let asked = 0
  const follower = follow(t, 'cdr', { url: server.url, token: async () => `token ${++asked}` })
  const { peer } = await server.admitted()
  for (const expected of [2, 3]) {
    peer.status('token_expiring', EXPIRING)
    peer.status('token_expiring', EXPIRING) // a word too many
    const { token, id } = await peer.next()
    t.equal(token, `token ${expected}`)
    t.type(id, 'string')
    peer.send({ command: 'WSStatus', data: { status: 'refreshed', expiresIn: 3_600_000 }, id })
  }
  follower.room.send('LAST').catch(() => {})
  t.match(await peer.next(), { command: 'LAST' })
  t.strictSame(follower.told, [['state', 'connected', { connection: 'x' }], ['resync', { room: 'cdr', reason: 'new' }]])
})

t.test('where that fails, it is tried again, and the application hears of it', async t => {
  const server = await startCounterpart(t)
  const tokens = ['a', new Error('no network'), 'a', 'b', 'b']
  const follower = follow(t, 'cdr', {
    url: server.url,
    token: () => {
      const token = tokens.shift()
      if (token instanceof Error) throw token
      return token as string
    }
  })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  peer.status('token_expiring', EXPIRING)
  const { token, id } = await peer.next()
  t.equal(token, 'a', 'whoever has none but the old one sends that, once nothing else is known')
  peer.send({ command: 'WSError', data: { code: 'FST_ROOMS_REFRESH_FAILED', message: 'The token could not be checked.' }, id })
  t.match(await peer.next(), { token: 'b' })
  peer.send({ command: 'WSStatus', data: { status: 'refreshed' }, id })
  peer.status('token_expiring', EXPIRING)
  await follower.until(() => follower.news.length === 4)
  t.match(follower.news.slice(1), [
    ['error', { message: 'no network' }],
    ['error', { name: 'RoomsError', code: 'FST_ROOMS_REFRESH_FAILED', message: 'The token could not be checked.' }],
    ['error', { name: 'RoomsError', code: 'SAME_TOKEN' }]
  ])
  t.equal(follower.room.state, 'connected')
})

t.test('once the token has been replaced, the next failure is a first one again', async t => {
  const server = await startCounterpart(t)
  let asked = 0
  let failing = 0
  const follower = follow(t, 'cdr', {
    url: server.url,
    firstDelay: 1,
    maxDelay: 2 ** 31 - 1, // nobody waits for what 31 failures in a row lead to
    token: () => {
      if (failing-- > 0) throw new Error('no network')
      return `token ${++asked}`
    }
  })
  const { peer } = await server.admitted()
  for (const [chance, failures] of [[0, 31], [0.5, 1]] as const) {
    t.intercept(Math, 'random', { value: () => chance, configurable: true })
    failing = failures
    peer.status('token_expiring', EXPIRING)
    const { token, id } = await peer.next()
    t.equal(token, `token ${asked}`)
    peer.send({ command: 'WSStatus', data: { status: 'refreshed' }, id })
  }
  t.equal(asked, 3)
  t.equal(follower.news.filter(([event]) => event === 'error').length, 32)
})

t.test('a token that comes when the connection has ended is not sent', async t => {
  const server = await startCounterpart(t)
  const pending: Array<PromiseWithResolvers<string>> = []
  const tokens = ['first', undefined, 'second', undefined, 'third']
  const follower = follow(t, 'cdr', {
    url: server.url,
    token: () => {
      const token = tokens.shift()
      if (token !== undefined) return token
      const waiting = withResolvers<string>()
      pending.push(waiting)
      return waiting.promise
    }
  })
  for (const settle of [({ resolve }: PromiseWithResolvers<string>) => resolve('late'), ({ reject }: PromiseWithResolvers<string>) => reject(new Error('late'))]) {
    const { peer } = await server.admitted()
    await follower.reaches('connected')
    peer.status('token_expiring', EXPIRING)
    peer.status('expired_token')
    peer.socket.terminate()
    t.match(await follower.reaches('waiting'), { code: 4419 }, 'the status counts where the link breaks')
    settle(pending.shift() as PromiseWithResolvers<string>)
  }
  t.match((await server.admitted()).hello, { token: 'third' })
  await follower.reaches('connected')
  t.strictSame(follower.news.filter(([event]) => event === 'error'), [])
})

t.test('a fresh token that is refused ends it as any does: another one is tried, once', async t => {
  const server = await startCounterpart(t)
  const tokens = ['a', 'b', 'b']
  const follower = follow(t, 'cdr', { url: server.url, token: () => tokens.shift() as string })
  const { peer } = await server.admitted()
  peer.status('token_expiring', EXPIRING)
  t.match(await peer.next(), { token: 'b' })
  peer.status('invalid_token')
  peer.socket.close(4401)
  t.match(await follower.reaches('closed'), { code: 4401, error: { code: 'ENDED', closeCode: 4401 } })
  t.equal(server.count, 1)
})

interface PromiseWithResolvers<T> {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
}

function withResolvers<T> (): PromiseWithResolvers<T> {
  const made = {} as PromiseWithResolvers<T>
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
