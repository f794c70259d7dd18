import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import { bunPath } from './bun-path.js'

/** What the numbers depend on. */
export function machine () {
  const cpus = os.cpus()
  return {
    CPU: `${cpus[0].model.trim()}, ${cpus.length} cores`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GB`,
    kernel: `${os.type()} ${os.release().split('-')[0]}`
  }
}

export function versions (redis) {
  const ours = createRequire(new URL('../index.js', import.meta.url))
  const theirs = createRequire(import.meta.url)
  return {
    'fastify-rooms': version(ours, '.'),
    Node: process.version.slice(1),
    Bun: execFileSync(bunPath(), ['--version'], { encoding: 'utf8' }).trim(),
    Redis: redis.version,
    ...Object.fromEntries(['fastify', '@fastify/websocket', '@fastify/jwt', 'ws', 'ioredis', 'socket.io', '@socket.io/redis-adapter'].map(name => [name, version(theirs, name)]))
  }
}

/** What both sides use must be the same, or the comparison is one of something else. */
export function differences () {
  const ours = createRequire(new URL('../index.js', import.meta.url))
  const theirs = createRequire(import.meta.url)
  return ['@fastify/websocket', 'ws', 'ioredis'].flatMap(name => {
    const [one, other] = [version(ours, name), version(theirs, name)]
    return one === other ? [] : [`${name} is ${one} in the plugin and ${other} in its peers`]
  })
}

/** What is installed here. */
export function versionOf (name) {
  return version(createRequire(import.meta.url), name)
}

/** Read from where it is resolved: not every package lets its package.json be required. */
function version (require, name) {
  if (name === '.') return JSON.parse(readFileSync(new URL('../package.json', import.meta.url))).version
  for (const folder of require.resolve.paths(name)) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`)).version
    } catch {}
  }
  throw new Error(`${name} is not installed`)
}
