import { wanted } from '../server.js'
import { startRooms } from './rooms-server.js'

await startRooms({ history: wanted.history })
