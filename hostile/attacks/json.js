const DEPTH = 30_000

export const attacks = [{
  id: 'C15',
  subject: 'json',
  what: `JSON that is nested ${DEPTH.toLocaleString('en')} deep, to a handler that answers with what it got,`,
  ends: 'is not taken',
  count: 50,
  endings: ['open'],
  async run (stage, count) {
    const attackers = await stage.enter(count, { room: 'desk' })
    const nested = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`
    for (const attacker of attackers) attacker.text(stage.say('ECHO', null).replace('null', nested))
    await Promise.all(attackers.map(attacker => attacker.read()))
  }
}]
