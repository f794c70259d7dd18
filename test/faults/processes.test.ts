import t from 'tap'
import type { Test } from 'tap'
import { ServerProcess, until } from '../../faults/shared.js'

const FILE = new URL('server.js', import.meta.url).href

async function start (t: Test): Promise<ServerProcess> {
  const server = new ServerProcess('a', FILE, {})
  t.teardown(() => server.kill())
  return await server.ready()
}

t.test('what a process is asked it answers, or refuses in its own words', async t => {
  const server = await start(t)
  t.equal(await server.ask('members'), 7)
  await t.rejects(server.ask('fail'), { message: 'a: I cannot' })
})

t.test('what a process is asked while it hangs, it answers when it goes on', async t => {
  const server = await start(t)
  server.signal('SIGSTOP')
  const answer = server.ask('members')
  server.signal('SIGCONT')
  t.equal(await answer, 7)
})

t.test('who waits for a process that is killed is told that it has ended, and it is nobody’s fault', async t => {
  const server = await start(t)
  server.signal('SIGSTOP') // so that it cannot answer before
  const answer = server.ask('members')
  server.signal('SIGKILL')
  await t.rejects(answer, { message: 'a has ended' })
  await t.rejects(server.ask('members'), { message: 'a has ended' })
  t.equal(server.death, undefined)
})

t.test('a process that ends though nobody has asked it to is a death', async t => {
  const server = await start(t)
  await t.rejects(server.ask('end'), { message: 'a has ended' })
  t.match(server.death, /^a ended with 3/)
})

t.test('a process that is to go has the time to do so in good order', async t => {
  const server = await start(t)
  await server.terminate()
  t.strictSame([...server.sends.keys()], ['room goodbye:1'])
  t.equal(server.death, undefined)
  await t.resolves(server.terminate(), 'and one that has gone is not waited for')
})

t.test('a process that is to go and does not is killed when its time is over', async t => {
  const server = await start(t)
  server.signal('SIGSTOP')
  await server.terminate(1)
  t.equal(server.running, false)
  t.strictSame([...server.sends.keys()], [])
})

t.test('a condition that never comes true is named', async t => {
  await t.rejects(until(() => false, 1), { message: 'never came true: () => false' })
})
