// What the harness and the contenders use of others' packages is installed in bench/, where the benchmarks have it from too.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../bench/index.js', import.meta.url))

export const { Cluster, Redis } = require('ioredis')
export const { WebSocket } = require('ws')
export const { Server } = require('socket.io')
export const { io } = require('socket.io-client')
export const { createAdapter: createRedisAdapter } = require('@socket.io/redis-adapter')
export const { createAdapter: createStreamsAdapter } = require('@socket.io/redis-streams-adapter')
export const { createVerifier } = require('fast-jwt')
