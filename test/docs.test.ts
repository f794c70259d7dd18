import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import t from 'tap'
import type { Test } from 'tap'
import ts from 'typescript'
import { WebSocket } from 'ws'
import { DEFAULTS as CLIENT_DEFAULTS } from '../client/options.js'
import type { ConnectOptions } from '../client/index.js'
import type { RoomsOptions } from '../index.js'
import { errors } from '../lib/errors.js'
import { DEFAULTS } from '../lib/options.js'
import { CAUSES } from '../lib/protocol.js'
import { createApp } from './helpers/app.js'
import { launchBrowser } from './helpers/chromium.js'
import { join as joinRoom } from './helpers/client.js'
import { blocks } from './helpers/docs.js'
import { handmadeToken } from './helpers/token.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DOCS = readdirSync(join(ROOT, 'docs')).map(name => `docs/${name}`)
const EXAMPLES = readdirSync(join(ROOT, 'examples')).map(name => `examples/${name}/README.md`).filter(name => existsSync(join(ROOT, name)))
const EVERYTHING = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...DOCS]

/** Options that have no default value. The compiler sees to it that none is forgotten. */
const WITHOUT_DEFAULT: Record<Exclude<keyof RoomsOptions, keyof typeof DEFAULTS>, true> = {
  redis: true,
  broker: true,
  history: true,
  codec: true,
  onGap: true,
  authenticate: true,
  authorize: true,
  snapshot: true,
  onJoin: true,
  onLeave: true,
  onError: true,
  websocket: true,
  origins: true,
  maxConnections: true,
  maxConnectionsPerUser: true,
  maxConnectionsPerAddress: true,
  acceptRate: true
}
/** Options whose default is a function, which says it in words. */
const USER_HOOKS = { userId: 'user.sub ?? user.id', issuedAt: 'user.iat', expiresAt: 'user.exp' }
const OPTIONS = [...Object.keys(DEFAULTS), ...Object.keys(WITHOUT_DEFAULT)].sort()

/** What a reader has who has followed "Install", and an application to try fragments in. */
const AN_APPLICATION = `
import createFastify from 'fastify'
import jwt from '@fastify/jwt'
const app = createFastify()
await app.register(jwt, { secret: 'a secret of the tests', verify: { algorithms: ['HS256'] } })
`
const WITH_ROOMS = `${AN_APPLICATION}
import rooms from 'fastify-rooms'
await app.register(rooms)
`
// What the documents' programs run is dist/, which is no source to be covered.
process.env._TAPJS_PROCESSINFO_COVERAGE_ = '0'

/** Pages whose fragments are run, too, in an application that has rooms. */
const RUNNING = /^(hooks|commands|contracts|asyncapi|codecs|rooms|typescript|limits)\.md/

const TO_THE_END = `
await app.ready()
await app.close()
`

t.test('the quick start of the README runs as it is printed, and so does its other side in a browser', async t => {
  const [server, page] = blocks('README.md').filter(({ language }) => language === 'js')
  const folder = aProject(t)
  writeFileSync(join(folder, 'server.mjs'), server?.code as string)
  const { REDIS_URL, JWT_SECRET, ...env } = process.env
  const child = spawn(process.execPath, ['server.mjs'], { cwd: folder, env: { ...env, PORT: '0' } })
  t.teardown(() => { child.kill('SIGKILL') })
  const address = await addressOf(child)

  const token = await (await fetch(`${address}/token/ada`)).text()
  const patch = async (authorization: string): Promise<number> => {
    const { status } = await fetch(`${address}/cdr/users/7`, {
      method: 'PATCH', headers: { 'content-type': 'application/json', authorization }, body: '{"paid":true}'
    })
    return status
  }
  const message = { command: 'UPDATE_USER', data: { paid: true, id: '7' } }
  const member = await joinRoom(t, `${address.replace('http', 'ws')}/cdr/users/ws`, token)
  t.equal(await patch('Bearer nonsense'), 401)
  t.equal(await patch(`Bearer ${token}`), 200)
  t.strictSame(await member.next(), message, 'the refused request has told nobody anything')

  const tab = await (await launchBrowser(t)).newPage()
  const said = (what: string) => tab.waitForEvent('console', { predicate: line => line.text().includes(what) })
  await tab.goto(`${address}/token/jeanne`)
  const connected = said('"connected"')
  await tab.evaluate(`(async () => {${page?.code}})()`)
  await connected
  const told = said('UPDATE_USER')
  await patch(`Bearer ${token}`)
  t.strictSame(JSON.parse((await told).text()), message)
  const closed = said('closed with 1006')
  child.kill('SIGKILL')
  await closed
})

t.test('the registration of the README names every option with its default, and is accepted', async t => {
  const block = blocks('README.md').find(({ code }) => code.includes("prefix: 'rooms:'"))?.code as string
  const lines = block.split('\n').filter(line => /^ {2}\w/.test(line))
  t.strictSame(lines.map(line => /\w+/.exec(line)?.[0]).sort(), OPTIONS)
  for (const line of lines) {
    const [, name, value, comment] = /^ {2}(\w+): (.*?),? \/\/ (.*)$/.exec(line) as unknown as [string, keyof RoomsOptions, string, string]
    const byDefault = DEFAULTS[name as keyof typeof DEFAULTS]
    if (byDefault === undefined) {
      t.equal(value, 'undefined', name)
      t.match(comment, /^default \w/, name)
    } else if (typeof byDefault === 'function') {
      t.match(comment, /^default this/, name)
      // eslint-disable-next-line no-new-func
      t.ok(agree(new Function(`return ${value}`)(), byDefault as (argument: unknown) => unknown), name)
    } else {
      t.equal(value, literal(byDefault), name)
      t.ok(comment.startsWith(`default ${literal(byDefault)}`), name)
    }
  }
  await run(t, { 'register.mjs': `${AN_APPLICATION}\nimport fastifyRooms from 'fastify-rooms'\n${block}\n${TO_THE_END}` })
})

t.test('the examples of docs/hooks.md are accepted, and those that are whole applications or whole tests run', async t => {
  const files: Record<string, string> = {}
  const documents = DOCS.filter(name => name !== 'docs/migration.md') // whose programs listen: the next test runs them
  for (const { name, code } of documents.flatMap(blocks).filter(({ language }) => language === 'js')) {
    const [, file] = /^\/\/ (\w+\.mjs)\n/.exec(code) ?? [] // where others import it
    if (file !== undefined || /from 'fastify(-rooms\/(testing|asyncapi))?'/.test(code)) files[file ?? `${name}.mjs`] = code
    else if (RUNNING.test(name)) files[`${name}.mjs`] = WITH_ROOMS + code + TO_THE_END
  }
  t.ok(Object.keys(files).length > 10)
  await run(t, files)
})

t.test('the programs of docs/migration.md do the same', async t => {
  const folder = aProject(t)
  const programs = new Map(blocks('docs/migration.md').map(({ code }) => [/^(?:\/\/|#) (\S+)\n/.exec(code)?.[1] as string, code]))
  for (const [name, code] of programs) writeFileSync(join(folder, name), code)
  withBrowserSocket(t)

  for (const [server, client] of [['rooms', 'rooms-client'], ['socketio', 'socketio-client'], ['by-hand', 'rooms-client']] as const) {
    t.ok(programs.delete(`${server}.mjs`), server)
    const JWT_SECRET = 'a secret of the tests'
    const child = spawn(process.execPath, [`${server}.mjs`], { cwd: folder, env: { PATH: process.env.PATH, JWT_SECRET, PORT: '0', _TAPJS_PROCESSINFO_COVERAGE_: '0' } })
    t.teardown(() => { child.kill('SIGKILL') })
    const address = await addressOf(child)
    const token = handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'ada' }, JWT_SECRET)
    const { join: enter } = await import(pathToFileURL(join(folder, `${client}.mjs`)).href)
    const patch = async (authorization: string): Promise<number> => (await fetch(`${address}/cdr/users/7`, {
      method: 'PATCH', headers: { 'content-type': 'application/json', authorization }, body: '{"paid":true}'
    })).status

    await t.rejects(enter(address, `${token}x`, () => {}), server)
    const told: unknown[] = []
    const members = [await enter(address, token, (user: unknown) => told.push(user)), await enter(address, token, (user: unknown) => told.push(user))]
    t.equal(await patch('Bearer nonsense'), 401)
    t.equal(await patch(`Bearer ${token}`), 200)
    t.strictSame(await members[0].callNext(1), { ticket: 1 }, server)
    t.strictSame(await members[1].callNext(2), { ticket: 2 }, server)
    t.strictSame(told, [{ paid: true, id: '7' }, { paid: true, id: '7' }], server)
    for (const member of members) member.leave()
  }

  programs.delete('rooms-client.mjs')
  programs.delete('socketio-client.mjs')
  const python = [...programs.keys()]
  t.ok(python.length > 0 && python.every(name => name.endsWith('.py')))
  const compiling = spawnSync('python3', ['-m', 'py_compile', ...python], { cwd: folder, encoding: 'utf8' })
  if (compiling.error === undefined) t.equal(compiling.status, 0, compiling.stderr) // where there is no Python, nobody has looked
})

t.test('every example in JavaScript can be parsed', async t => {
  const folder = aProject(t)
  const examples = EVERYTHING.flatMap(blocks).filter(({ language }) => language === 'js')
  t.ok(examples.length > 20)
  await Promise.all(examples.map(async ({ name, code }) => {
    writeFileSync(join(folder, `${name}.mjs`), code)
    await t.resolves(promisify(execFile)(process.execPath, ['--check', join(folder, `${name}.mjs`)]), name)
  }))
})

t.test('every example in TypeScript compiles, and every one in JSON is JSON', async t => {
  const folder = aProject(t)
  const host = ts.createCompilerHost(COMPILER)
  const read = host.getSourceFile
  const sources = new Map<string, ReturnType<typeof read>>() // what the pages have in common is read once
  host.getSourceFile = (name, ...rest) => {
    if (!sources.has(name)) sources.set(name, read(name, ...rest))
    return sources.get(name)
  }
  let before: ts.Program | undefined
  for (const page of EVERYTHING) {
    const examples = blocks(page).filter(({ language }) => language === 'ts')
    for (const { name, code } of blocks(page).filter(({ language }) => language === 'json')) t.doesNotThrow(() => JSON.parse(code), name)
    if (examples.length === 0) continue
    // A program for each page: what one declares for an application is not true of another.
    const own = join(folder, page.replaceAll('/', '-'))
    mkdirSync(own)
    const files = examples.map(({ name, code }) => {
      const file = join(own, /^\/\/ (\w+\.mts)\n/.exec(code)?.[1] ?? `${name}.mts`) // where others import it
      writeFileSync(file, code.replaceAll('@ts-expect-error: ', 'error: '))
      return file
    })
    const program = ts.createProgram(files, COMPILER, host, before)
    before = program
    t.strictSame(ts.getPreEmitDiagnostics(program).flatMap(unannounced), [], page)
    for (const file of files) t.strictSame(announced(file).filter(line => !met.has(`${file}:${line}`)), [], `${file} has the errors that it announces`)
  }
  t.ok(met.size > 5)
})

t.test('the client of docs/protocol.md comes back where it should, and only there', async t => {
  const codes = [1012, 4419, 4403]
  const { app, url, token } = await createApp(t, { route: { onJoin: ({ connection }) => connection.close(codes.shift()) } })
  const folder = aProject(t)
  writeFileSync(join(folder, 'client.mjs'), blocks('docs/protocol.md').find(({ code }) => code.includes('function openRoom'))?.code as string)
  withBrowserSocket(t)
  const { openRoom } = await import(pathToFileURL(join(folder, 'client.mjs')).href)

  let loads = 0
  const end = await new Promise(resolve => openRoom(url, {
    getToken: async () => token(), load: () => { loads++ }, show: () => {}, refused: resolve
  }))
  t.equal(end, 4403)
  t.equal(loads, 3)
  t.match(app.ws.stats().ended, { restarting: 1, expired_token: 1, forbidden: 1 })
})

t.test('the first program of docs/client.md runs as it is printed, in a page that finds its modules as the document says', async t => {
  const folder = aProject(t)
  const [program, map, contract] = ['connect(stand(', 'importmap', '// stand.mts'].map(text => blocks('docs/client.md').find(({ code }) => code.includes(text))?.code as string)
  writeFileSync(join(folder, 'stand.mjs'), contract as string)
  const { stand } = await import(pathToFileURL(join(folder, 'stand.mjs')).href)
  // The page has the client from the package; its schemas are the application's, and come in one file.
  const { outputFiles: [schemas] } = await build({ entryPoints: [join(folder, 'stand.mjs')], bundle: true, write: false, format: 'esm', external: ['fastify-rooms/*'] })
  const served: Record<string, string> = {
    '/page.js': `
      const [loadUsers, showUser, showState] = ['load', 'user', 'state'].map(name => what => console.log(JSON.stringify([name, what])))
      const fetchToken = async () => await (await fetch('/token')).text()
      ${program}
      console.log(JSON.stringify(['ticket', ticket]))`,
    '/stand.mjs': schemas?.text as string
  }
  const { app, http } = await createApp(t, {
    setup: app => {
      app.get('/stands/:standId/ws', { websocket: true }, app.manageWebsocket(stand, { commands: { CALL_NEXT: ({ data }: { data: { desk: number } }) => ({ ticket: data.desk + 40 }) } }))
      app.get('/', async (_request, reply) => reply.type('text/html').send(map))
      app.get('/token', async () => app.jwt.sign({ sub: 'jeanne' }))
      app.get<{ Params: { '*': string } }>('/fastify-rooms/*', async (request, reply) => reply.type('text/javascript').send(readFileSync(join(ROOT, 'dist', request.params['*']))))
      for (const [path, text] of Object.entries(served)) app.get(path, async (_request, reply) => reply.type('text/javascript').send(text))
    }
  })
  const tab = await (await launchBrowser(t)).newPage()
  const said: unknown[] = []
  tab.on('console', line => { if (line.type() === 'log') said.push(JSON.parse(line.text())) })
  const told = tab.waitForEvent('console', { predicate: line => line.text().includes('"user"') })
  const answered = tab.waitForEvent('console', { predicate: line => line.text().includes('"ticket"') })
  await tab.goto(http)
  await answered
  await app.ws.sendToRoom('stand/7', { command: 'UPDATE_USER', data: { id: '1', paid: true } })
  await told
  t.strictSame(said, [['state', 'connected'], ['load', null], ['ticket', 44], ['user', { id: '1', paid: true }]])
})

t.test('docs/options.md has every option, with its default', async t => {
  const described = sections('docs/options.md', 3)
  t.strictSame([...described.keys()].sort(), OPTIONS.map(name => `\`${name}\``).sort())
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const text = described.get(`\`${name}\``) ?? ''
    const expected = typeof value === 'function' ? USER_HOOKS[name as keyof typeof USER_HOOKS] : literal(value)
    t.match(text, `Default: \`${expected}\`.`, name)
  }
  for (const name of Object.keys(WITHOUT_DEFAULT)) t.match(described.get(`\`${name}\``), /Default: /, name)
})

t.test('docs/errors.md has every code, and no other', async t => {
  const described = sections('docs/errors.md', 3)
  t.strictSame([...described.keys()].sort(), Object.keys(errors).map(code => `\`${code}\``).sort())
  for (const [code, text] of described) t.match(text, /What to do: /, code)
})

t.test('docs/client.md has every option of the client, with its default, and every error', async t => {
  const required: Record<Exclude<keyof ConnectOptions, keyof typeof CLIENT_DEFAULTS>, string> = { url: 'must be given', token: 'must be given', protocols: 'none', WebSocket: 'the global one' }
  const defaults = Object.entries(CLIENT_DEFAULTS).map(([name, value]): [string, string] => [name, `\`${literal(value)}\``])
  t.strictSame(rows('docs/client.md', 'Options').map(([name, , byDefault]) => [name, byDefault]).sort(), [...Object.entries(required), ...defaults].map(([name, value]) => [`\`${name}\``, value]).sort())

  const sources = readdirSync(join(ROOT, 'client')).map(file => readFileSync(join(ROOT, 'client', file), 'utf8')).join('\n')
  const codes = new Set([...sources.matchAll(/RoomsError\('(\w+)'/g)].map(([, code]) => `\`${code}\``).concat('`FAILED`'))
  t.strictSame(rows('docs/client.md', 'Errors').map(([code]) => code).filter(code => !code?.includes('FST_ROOMS_')).sort(), [...codes].sort())
})

t.test('docs/protocol.md has every cause with its status and its close code, and no other', async t => {
  const rows = readFileSync(join(ROOT, 'docs/protocol.md'), 'utf8').matchAll(/^\| `(\w+)` \| .* \| (\S+) \| ([^|]+) \| [^|]+ \|$/gm)
  const described = new Map([...rows].map(([, cause, status, code]) => [cause as string, { status, code: code as string }]))
  for (const cause of ['client', 'silent']) t.ok(described.delete(cause), cause) // ends that are not ours
  t.strictSame([...described.keys()].sort(), Object.keys(CAUSES).sort())
  for (const [cause, { code, status }] of Object.entries(CAUSES)) {
    t.equal(described.get(cause)?.status, status === undefined ? '-' : `\`${status}\``, cause)
    t.match(described.get(cause)?.code, new RegExp(`^${code}\\b`), cause)
  }
})

t.test('the tables of docs/scaling.md are what comes of the constants', async t => {
  await t.resolves(promisify(execFile)(process.execPath, [join(ROOT, 'bench/scaling.js'), 'check']))
})

t.test('every link leads somewhere', async t => {
  for (const file of [...EVERYTHING, ...EXAMPLES]) {
    for (const [, target = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const linked = path === '' ? file : join(dirname(file), path)
      t.ok(existsSync(join(ROOT, linked)), `${file}: ${target}`)
      if (anchor !== undefined) t.ok(anchors(linked).has(anchor), `${file}: ${target}`)
    }
  }
})

const COMPILER: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules/@types')]
}

/** Where an error is that the example has announced, in the line above. */
const met = new Set<string>()

/** An error that the example does not tell of, in its words. */
function unannounced ({ file, start, messageText }: ts.Diagnostic): string[] {
  const message = ts.flattenDiagnosticMessageText(messageText, '\n')
  if (file === undefined) return [message]
  const { line } = ts.getLineAndCharacterOfPosition(file, start ?? 0)
  const expected = ERROR.exec(file.text.split('\n')[line - 1] ?? '')?.[1]
  if (expected === undefined || !message.includes(expected)) return [`${file.fileName}:${line + 1} ${message}`]
  met.add(`${file.fileName}:${line}`)
  return []
}

const ERROR = /^ *\/\/ error: (.*)$/

/** The numbers of the lines that announce an error. */
function announced (file: string): number[] {
  return readFileSync(file, 'utf8').split('\n').flatMap((line, index) => ERROR.test(line) ? [index + 1] : [])
}

/** What stands below each heading of one level, up to the next heading of any. */
function sections (file: string, level: number): Map<string, string> {
  const [, ...parts] = readFileSync(join(ROOT, file), 'utf8').split(/^(?=#+ )/m)
  const marks = '#'.repeat(level) + ' '
  return new Map(parts.filter(part => part.startsWith(marks)).map(part => {
    const [heading = '', ...body] = part.slice(marks.length).split('\n')
    return [heading, body.join(' ')]
  }))
}

/** The cells of the table below a heading of the second level, without its head. */
function rows (file: string, heading: string): string[][] {
  const text = readFileSync(join(ROOT, file), 'utf8').split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return text.split('\n').filter(line => line.startsWith('| ')).slice(1).map(line => line.slice(2, -2).split(' | '))
}

/** Of the headings, as GitHub makes them. */
function anchors (file: string): Set<string> {
  const headings = readFileSync(join(ROOT, file), 'utf8').matchAll(/^#+ (.*)$/gm)
  return new Set([...headings].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-')))
}

function literal (value: string | number | boolean): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** Whether two hooks say the same of any user. */
function agree (one: (argument: unknown) => unknown, other: (argument: unknown) => unknown): boolean {
  const users = [null, {}, { sub: 'ada' }, { id: 7 }, { sub: 'ada', id: 7, exp: 8 }]
  return users.every(user => one(user ?? {}) === other(user ?? {}) && one({ user }) === other({ user }))
}

/** An empty folder in which the packages of the README are installed. */
function aProject (t: Test): string {
  if (!existsSync(join(ROOT, 'dist/index.js'))) execFileSync('npm', ['run', 'build'], { cwd: ROOT })
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-docs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  const modules = ['fastify', '@fastify', '@sinclair', 'ioredis', 'socket.io', 'socket.io-client', 'typebox', 'ws', 'zod', 'fastify-type-provider-zod']
  for (const name of modules) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  symlinkSync(ROOT, join(folder, 'node_modules/fastify-rooms'))
  return folder
}

/** Runs modules, one after the other, in a process of their own, which has to end by itself. */
async function run (t: Test, files: Record<string, string>): Promise<void> {
  const folder = aProject(t)
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code)
  writeFileSync(join(folder, 'run.mjs'), Object.keys(files).map(name => `await import('./${name}').catch(cause => { throw new Error('${name}', { cause }) })`).join('\n'))
  const running = promisify(execFile)(process.execPath, ['run.mjs'], { cwd: folder })
  t.teardown(() => { running.child.kill('SIGKILL') })
  await t.resolves(running)
}

/** What Node has from version 22 on. */
function withBrowserSocket (t: Test): void {
  const browsers = globalThis as { WebSocket?: unknown }
  const before = browsers.WebSocket
  browsers.WebSocket = WebSocket
  t.teardown(() => { browsers.WebSocket = before })
}

/** Where an application listens, by its log. */
async function addressOf (child: ChildProcessWithoutNullStreams): Promise<string> {
  let complaints = ''
  child.stderr.on('data', text => { complaints += text })
  const address = new Promise<string>(resolve => {
    createInterface({ input: child.stdout }).on('line', line => {
      const found = /Server listening at (http:[^"]+)/.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
  })
  const ended = once(child, 'exit').then(() => { throw new Error(`It ended before it listened: ${complaints}`) })
  return await Promise.race([address, ended])
}
