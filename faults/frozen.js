// A client in a process of its own, for SIGSTOP: it comes in, says so, and that is all.
import { contenders } from './contenders.js'

const { contender, port } = JSON.parse(process.argv[2])
const { Member } = contenders[contender]
const member = new Member({ id: 'frozen', room: 'room', doors: [{ name: 'a', port }], retry: { least: 1_000, most: 1_000, next: () => 1_000 } })
await member.journal.until(({ type }) => type === 'connected')
process.send('in')
process.on('disconnect', () => process.exit())
