// The attackers, in a process of their own: what they cost must not look like what they do to the server.
import { attacks } from './attacks/index.js'
import { endings } from './attacker.js'
import { rooms } from './contenders.js'
import { runLast } from './priority.js'
import { socketio } from './socketio.js'
import { Stage } from './stage.js'

const { contender, number, count, port, patience } = JSON.parse(process.argv[2])
const attack = attacks[number]
const stage = new Stage({ rooms, socketio }[contender], port, patience)

runLast(process.pid)

const steps = {
  run: () => attack.run(stage, count),
  after: () => attack.after?.(stage),
  endings: () => endings(stage.attackers)
}

process.on('message', async step => process.send({ answer: await steps[step]() ?? {} }))
process.on('disconnect', () => process.exit())
process.send({ answer: 'ready' })
