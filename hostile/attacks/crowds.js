export const attacks = [{
  id: 'C8',
  subject: 'crowds',
  what: '5,000 sockets that do not say who they are',
  ends: 'are refused beyond `maxWaiting`',
  count: 5_000,
  // Tests wait for it. Before the upgrade where that can be known by then, and behind it otherwise.
  wanted: { options: { authTimeout: 60_000 } },
  endings: [1013, 'HTTP 503', 'open'],
  async run (stage, count) {
    await stage.upgrade(count)
    await stage.quiet()
  }
}]
