import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import fastifyJwt from '@fastify/jwt'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import fastifyRooms from '../../index.js'
import type { RoomRouteOptions, RoomsOptions } from '../../index.js'

export interface TestApp {
  app: FastifyInstance
  /** Of the route that leads to the room `cdr`. */
  url: string
  http: string
  token: (claims?: object, options?: object) => string
  /** Every line of the log, parsed. */
  logs: Array<Record<string, unknown> & { msg: string }>
}

export interface Settings {
  rooms?: RoomsOptions
  route?: RoomRouteOptions
  fastify?: FastifyServerOptions
  jwt?: object
  /** What is registered before fastify-rooms; its options may come from there. */
  before?: (app: FastifyInstance) => Promise<RoomsOptions>
  /** What the application does before it listens. */
  setup?: (app: FastifyInstance) => void | Promise<void>
}

/** An application as the README has it: @fastify/jwt, fastify-rooms, one room, and a handler that tells it something. */
export async function createApp (t: Test, settings: Settings = {}): Promise<TestApp> {
  const built = await buildApp(settings)
  t.teardown(() => built.app.close())
  await built.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = built.app.server.address() as AddressInfo
  return {
    ...built,
    url: `ws://127.0.0.1:${port}/cdr/users/ws`,
    http: `http://127.0.0.1:${port}`,
    token: (claims = { sub: 'jeanne' }, options = {}) => built.app.jwt.sign(claims, options)
  }
}

export type QuietApp = Pick<TestApp, 'app' | 'logs' | 'token'>

/** The same, for clients that need no port: those of the testing kit. */
export async function createQuietApp (t: Test, settings: Settings = {}): Promise<QuietApp> {
  const built = await buildApp(settings)
  t.teardown(() => built.app.close())
  return { ...built, token: (claims = { sub: 'jeanne' }, options = {}) => built.app.jwt.sign(claims, options) }
}

/** The same, not yet listening. */
export async function buildApp ({ rooms, route, fastify, jwt, before, setup }: Settings = {}): Promise<Pick<TestApp, 'app' | 'logs'>> {
  const logs: TestApp['logs'] = []
  const stream = new Writable({
    write (line, _encoding, callback) {
      logs.push(JSON.parse(line))
      callback()
    }
  })
  const app = Fastify({ logger: { level: 'trace', stream }, ...fastify })
  await app.register(fastifyJwt, { secret: 'a secret of the tests', verify: { algorithms: ['HS256'], requiredClaims: ['iat'] }, ...jwt })
  await app.register(fastifyRooms, await before?.(app) ?? rooms ?? {})
  app.get('/cdr/users/ws', { websocket: true }, app.manageWebsocket('cdr', route))
  app.patch('/cdr/users/:id', async (request, reply) => {
    reply.sendToRoom('cdr', { command: 'UPDATE_USER', data: request.body })
    return request.body
  })
  await setup?.(app)
  return { app, logs }
}

/** Waits for what has no event of its own. */
export async function until (condition: () => unknown | Promise<unknown>, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`never came true: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Waits until an application can send to others: it listens without waiting for its broker. */
export async function untilJoined (...apps: Array<Pick<TestApp, 'app'>>): Promise<void> {
  for (const { app } of apps) await until(async () => await app.ws.count('nobody').then(() => true, () => false))
}
