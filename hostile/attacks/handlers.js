function calling (command) {
  return async (stage, count) => {
    const attackers = await stage.enter(count, { room: 'desk' })
    for (const attacker of attackers) attacker.text(stage.say(command, 1))
    await Promise.all(attackers.map(attacker => attacker.read()))
  }
}

export const attacks = [{
  id: 'C18',
  subject: 'handlers',
  what: 'messages that make their handler throw',
  ends: 'are answered, and nothing ends',
  count: 50,
  endings: ['open'],
  run: calling('THROW')
}, {
  id: 'C18',
  subject: 'handlers',
  what: 'messages that make their handler reject',
  ends: 'are answered, and nothing ends',
  count: 50,
  endings: ['open'],
  run: calling('REJECT')
}]
