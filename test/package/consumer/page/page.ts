import { connect, RoomsError } from 'fastify-rooms/client'
import type { RoomClient, State } from 'fastify-rooms/client'

const room: RoomClient = connect('cdr', { url: '/cdr/users/ws', token: () => localStorage.getItem('token') ?? '', WebSocket })
room.on('UPDATE_USER', data => { document.title = String(data) })
room.on('state', (state: State) => { document.title = state })
room.send('CALL_NEXT', { desk: 4 }).catch(error => { if (error instanceof RoomsError) document.title = error.code })
// @ts-expect-error There is nothing of Node in a page.
process.exit()
