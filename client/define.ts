// What a server and its clients share: contracts, and nothing that only a server has. The entry `fastify-rooms/contract`.

export { defineRoom, withTypeProvider } from '../lib/contract.js'
export type * from '../types/contract.js'
