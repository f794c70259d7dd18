// A process with one member in it, to be frozen by SIGSTOP: its sockets stay open, and nobody reads or answers.
import { WebSocket } from 'ws'

const [url, token] = process.argv.slice(2)
const socket = new WebSocket(url)
socket.on('open', () => socket.send(JSON.stringify({ token })))
socket.on('message', data => process.stdout.write(`${data}\n`))
socket.on('error', () => {})
