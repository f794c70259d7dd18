// Members, Redis and attackers have machines of their own, other than the server's. Where they share a few processors, members would
// wait for one of these behind attackers rather than for the server, for up to 10 ms on two of them.
import { execFileSync } from 'node:child_process'
import { constants, setPriority } from 'node:os'

/**
 * Has a process run as soon as it has something to do, but not what it starts.
 * @returns whether that is possible: on Linux, as root
 */
export function runFirst (pid) {
  return chrt('--reset-on-fork', '--fifo', '--pid', '1', pid)
}

/** Has a process get what time nobody else wants. */
export function runLast (pid) {
  // With all its threads, which Node cannot; elsewhere than on Linux the first one has to do.
  if (!chrt('--all-tasks', '--idle', '--pid', '0', pid)) setPriority(pid, constants.priority.PRIORITY_LOW)
}

function chrt (...what) {
  try {
    execFileSync('chrt', what.map(String), { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
