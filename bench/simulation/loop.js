/** How many messages a turn of Redis's loop has when it is under load: that many connections were measured at once. */
export const UNDER_LOAD = 16
const STEPS = 200

/**
 * Writes for each message, where so many messages of one turn go to so many processes each, never the same ones: a process
 * is written to once in a turn, whatever the number of messages that it gets.
 */
export function writesFor (subscribed, together, processes) {
  if (processes === 0) return 0
  return processes / together * (1 - (1 - subscribed / processes) ** together)
}

/**
 * What a Redis has to do whose loop carries out what has come, writes to everybody, and looks again at what has come
 * meanwhile. The more there is to do, the more comes together in a turn, and the less each costs.
 * @param rate commands per second
 * @param command microseconds of one, without what goes to subscribers
 * @param fanOut how many processes a command's message goes to, on average of all commands
 * @param copy microseconds for each of those
 * @param write microseconds for each process that is written to in a turn
 * @param wake microseconds for each time that it has slept
 */
export function loopLoad ({ rate, command, fanOut, processes, copy, write, wake }) {
  const turn = together => together * (command + fanOut * copy + writesFor(fanOut, together, processes) * write) / 1_000_000
  let together = 1
  for (let step = 0; step < STEPS; step++) {
    const arrive = rate * turn(together)
    together += (Math.max(1, arrive + Math.exp(-arrive)) - together) / 2
  }
  const work = rate * turn(together) / together
  const sleeps = rate / together * Math.exp(-rate * turn(together))
  return {
    /** Share of a core that one sees. It is near 1 long before there is nothing left. */
    shown: Math.min(1, work + sleeps * wake / 1_000_000),
    /** Share of a core that the same would take if it came in turns of many. */
    underLoad: rate * turn(UNDER_LOAD) / UNDER_LOAD,
    together
  }
}
