import t from 'tap'
import { until } from '../helpers/app.js'
import { arrive, startVictim, tokenOf, unharmed } from './siege.js'

const origins = ['https://app.example', 'http://localhost:3000']

const FOREIGN = [
  'https://evil.example', 'null', 'https://app.example.evil.example', 'https://evil-app.example', 'https://evilapp.example', 'http://app.example', 'https://app.example:8443', 'https://app.example:443',
  'https://app.example/', 'https://APP.example', 'https://app.example@evil.example', '//app.example', 'app.example', 'https://app.example https://evil.example', 'https://app.example,https://evil.example',
  'https://app\u00e9.example', 'file://', 'http://localhost', 'http://localhost:30000', 'http://127.0.0.1:3000', 'https://xn--app.example', '*', 'x'.repeat(5_000)
]

t.test('C9: a page of an origin that is not on the list is answered with 403, whatever it calls itself and its host', async t => {
  const victim = await startVictim(t, { options: { origins } })
  for (const origin of FOREIGN) {
    const attacker = await arrive(t, victim, '/rooms/room', [`Origin: ${origin}`])
    t.equal(await attacker.end(), 'HTTP 403', origin.slice(0, 60))
    t.notMatch(attacker.head, /access-control|app\.example/i, 'and is not told which are')
  }
  for (const headers of [['Origin: http://localhost', 'X-Forwarded-Host: localhost'], ['Origin: https://evil.example', 'Forwarded: host=evil.example'], ['Origin: https://evil.example', 'X-Origin: https://app.example'], ['Origin: https://evil.example', 'Sec-WebSocket-Origin: https://app.example']]) {
    t.equal(await (await arrive(t, victim, '/rooms/room', headers)).end(), 'HTTP 403', headers.join())
  }
  await unharmed(t, victim)
})

t.test('C9: a path that looks like a host does not lead around the list', async t => {
  const victim = await startVictim(t, { options: { origins } })
  for (const path of ['//app.example/rooms/room', '//rooms/room', 'http://app.example/rooms/room', '/rooms/room?origin=https://app.example', '/rooms/room#https://app.example']) {
    const attacker = await arrive(t, victim, path, ['Origin: https://evil.example'])
    t.match(String(await attacker.end()), /^HTTP 40[034]$/, path)
  }
  await unharmed(t, victim)
})

t.test('C9: an origin on the list, and a program that has none, are let in by their token', async t => {
  const victim = await startVictim(t, { options: { origins } })
  for (const headers of [[`Origin: ${origins[0]}`], [`Origin: ${origins[1]}`], []]) {
    const attacker = await arrive(t, victim, '/rooms/room', headers)
    attacker.text(JSON.stringify({ token: tokenOf() }))
    await attacker.until(() => attacker.ended !== undefined || attacker.heard.length > 0)
    t.match(attacker.heard[0], /"connected"/, headers.join())
  }
  await unharmed(t, victim)
})

t.test('C9: a crowd of foreign pages leaves nothing behind, and fills no log', async t => {
  const victim = await startVictim(t, { options: { origins } })
  const connections = await victim.ask<number>('connections')
  for (let pages = 0; pages < 300; pages++) await (await arrive(t, victim, '/rooms/room', ['Origin: https://evil.example'])).until(() => false)
  await unharmed(t, victim)
  await until(async () => await victim.ask('connections') === connections)
})
