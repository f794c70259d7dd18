import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createApp, until } from './helpers/app.js'
import { seen, seesNumbers, send, standingIn } from './helpers/history.js'
import { join as enter, open } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'

const page = readFileSync(fileURLToPath(new URL('../docs/brokers.md', import.meta.url)), 'utf8')
const [, script = ''] = /```lua\n([^]*?)```/.exec(page) ?? []

t.test('the script of docs/brokers.md: another program writes into a history, as the plugin does', async t => {
  const redis = await startRedis(t)
  const file = join(t.testdir(), 'number.lua')
  writeFileSync(file, script)
  const write = (mid: string, data: number): void => {
    const text = JSON.stringify({ command: 'UPDATE', data })
    execFileSync('redis-cli', ['-p', String(redis.port), '--eval', file, '{rooms:cdr}:s', ',', 'rooms:cdr', mid, text, '3', '60000'])
  }
  write('first', 1) // before anybody has come
  const process = await createApp(t, { rooms: { redis: redis.url }, route: { history: { size: 3, ttl: 60_000 } } })
  const member = await enter(t, process.url, process.token())
  const position = standingIn(member.frames[0])
  t.match(position, { seq: 1, mid: 'first' })

  write('second', 2)
  await seesNumbers(member, [2])
  await send(process, 3)
  write('fourth', 4)
  await seesNumbers(member, [2, 3, 4])
  t.strictSame(seen(member), [2, 3, 4])
  t.match(process.app.ws.stats(), { unnumbered: 0, malformed: 0, gaps: 0 })

  const returning = await open(t, process.url)
  const { epoch, seq, mid } = position
  returning.send({ token: process.token(), recover: { cdr: { epoch, seq, mid } } })
  await until(() => seen(returning).length === 3)
  t.match(standingIn(returning.frames[0]), { recovered: true })
  t.strictSame(seen(returning), [2, 3, 4])

  write('fifth', 5)
  t.strictSame((await process.app.ws.history('cdr')).messages.map(({ seq }) => seq), [3, 4, 5], 'no more than the room keeps')
})
