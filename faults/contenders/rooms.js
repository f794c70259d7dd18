import { startRooms } from './rooms-server.js'

await startRooms({})
