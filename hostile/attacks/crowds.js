const PADDING = 64_000

export const attacks = [{
  id: 'C8',
  subject: 'crowds',
  what: 'sockets that do not say who they are',
  ends: 'are refused beyond `maxWaiting`, of 5,000',
  count: 5_000,
  // Tests wait for it. Before the upgrade where that can be known by then, and behind it otherwise.
  wanted: { options: { authTimeout: 60_000 } },
  endings: [1013, 'HTTP 503', 'open'],
  async run (stage, count) {
    await stage.upgrade(count)
    await stage.quiet()
  }
}, {
  id: 'B2',
  subject: 'crowds',
  what: 'members of another room who read nothing, while 33 MB are sent to each,',
  ends: 'are cut off',
  count: 20,
  endings: ['cut', 4413],
  async run (stage, count) {
    for (const attacker of await stage.enter(count, { room: 'stalled' })) attacker.socket.pause()
  },
  // One by one: what makes a megabyte into JSON in one turn has everyone wait, whoever reads it, and is the application's own doing.
  async meanwhile (victim) {
    for (let sent = 0; sent < 525; sent++) {
      await victim.ask('send', { name: 'big', room: 'stalled', count: 1, padding: 'x'.repeat(PADDING) })
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  },
  async after (stage) {
    for (const { socket } of stage.attackers) socket.resume()
    await stage.ends()
  }
}]
