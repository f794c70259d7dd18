const REQUEST = 'GET /rooms/room HTTP/1.1\r\nHost: localhost\r\n'

/** Node looks every so often for requests that take too long, and its defaults are a minute and half of one. */
const SOON = { fastify: { http: { headersTimeout: 300, connectionsCheckingInterval: 100 } } }

export const attacks = [{
  id: 'C10',
  subject: 'upgrade',
  what: 'upgrades whose headers come one by one and never end',
  ends: 'are answered with 408',
  count: 50,
  wanted: SOON,
  measured: false,
  endings: ['HTTP 408'],
  async run (stage, count) {
    const attackers = await stage.connect(count)
    for (const attacker of attackers) attacker.write(Buffer.from(REQUEST))
    stage.repeat(50, attacker => attacker.write(Buffer.from('X-More: and more\r\n')))
    await stage.ends()
  }
}, {
  id: 'C10',
  subject: 'upgrade',
  what: 'connections on which nothing is said',
  ends: 'are answered with 408',
  count: 50,
  wanted: SOON,
  measured: false,
  endings: ['HTTP 408'],
  async run (stage, count) {
    await stage.connect(count)
    await stage.ends()
  }
}, {
  id: 'C10',
  subject: 'upgrade',
  what: 'upgrades with a header of 100 KB',
  ends: 'are answered with 431',
  count: 50,
  endings: ['HTTP 431'],
  async run (stage, count) {
    await stage.upgrade(count, { headers: [`X-Long: ${'x'.repeat(100 * 1_024)}`] })
    await stage.ends()
  }
}, {
  id: 'C10',
  subject: 'upgrade',
  what: 'members whose upgrade had 1,000 headers',
  ends: 'are let in like any other, and hold no more',
  count: 50,
  endings: ['open'],
  async run (stage, count) {
    const attackers = await stage.enter(count, { headers: Array.from({ length: 1_000 }, (_, number) => `X-${number}: x`) })
    await Promise.all(attackers.map(attacker => attacker.read()))
  }
}]
