import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MOST_ROUNDS = 3

/** How long those wait who write such code: types that are inferred from schemas are paid for with each key that is pressed. */
export const name = 'types'

export async function run ({ rounds }) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-types-'))
  try {
    const projects = { docs: writeDocs(folder), ...examples() }
    const values = Object.fromEntries(['slowest', ...Object.keys(projects)].map(name => [name, { compile: [] }]))
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      const taken = Object.entries(projects).map(([name, project]) => [name, secondsFor(project)])
      for (const [name, seconds] of [...taken, ['slowest', Math.max(...taken.map(([, seconds]) => seconds))]]) values[name].compile.push(seconds)
    }
    const titles = Object.fromEntries(Object.keys(values).map(name => [name, name === 'docs' ? 'docs/typescript.md' : name === 'slowest' ? 'the slowest' : `examples/${name}`]))
    return [{ id: 'types', title: 'the types of the examples are checked', titles, values }]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Those that have types to check. */
function examples () {
  const folders = readdirSync(join(ROOT, 'examples')).filter(name => existsSync(join(ROOT, 'examples', name, 'tsconfig.json')))
  return Object.fromEntries(folders.map(name => [name, join(ROOT, 'examples', name)]))
}

/** What stands in the page, as files of a project that has everything installed. */
function writeDocs (folder) {
  const page = readFileSync(join(ROOT, 'docs/typescript.md'), 'utf8')
  for (const [, code] of page.matchAll(/^```ts\n(.*?)^```$/gms)) {
    writeFileSync(join(folder, /^\/\/ (\w+\.mts)\n/.exec(code)?.[1] ?? `${readdirSync(folder).length}.mts`), code)
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, noEmit: true, skipLibCheck: true, types: ['node'], paths: { 'fastify-rooms': [join(ROOT, 'dist/index.d.ts')] } },
    include: ['*.mts']
  }))
  return folder
}

/** @throws where the types are wrong */
function secondsFor (project) {
  const said = execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project, '--noEmit', '--extendedDiagnostics'], { encoding: 'utf8' })
  return Number(/^Total time: +([\d.]+)s$/m.exec(said)[1])
}
