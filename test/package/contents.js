import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { REPOSITORY } from './pack.js'
import { declarations, entries } from './types.js'

const MAX_SIZE = 150_000 // bytes, compressed

/** The pages of docs/ are read in the repository: they are longer than the plugin. */
const DOCUMENTS = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md']

export const contents = {
  'it holds what belongs there, and nothing else' ({ folder }) {
    const expected = new Set(['package.json', ...compiled('.js'), ...declared(), ...DOCUMENTS.filter(file => existsSync(join(REPOSITORY, file)))])
    const packed = new Set(filesIn(folder))
    const missing = [...expected].filter(file => !packed.has(file))
    const unwanted = [...packed].filter(file => !expected.has(file) && !compiled('.d.ts').includes(file))
    if (missing.length === 0 && unwanted.length === 0) return
    throw new Error([
      ...missing.map(file => `${file} is missing: run \`npm run build\`, then look at "files" in package.json`),
      ...unwanted.map(file => `${file} is not to be published: if its source is gone, remove dist and build again; otherwise narrow "files" in package.json`)
    ].join('\n'))
  },

  'it is small' ({ tarball }) {
    const { size } = statSync(tarball)
    if (size >= MAX_SIZE) throw new Error(`${size} bytes are too many, ${MAX_SIZE} is the limit: find what has grown with \`npm pack --dry-run\``)
  }
}

/** Declarations that an entry point leads to. Others are of no use: nobody can import what they declare. */
function declared () {
  const found = new Set()
  for (const entry of entries(REPOSITORY)) declarations(join(REPOSITORY, entry), found)
  return [...found].map(file => relative(REPOSITORY, file).replaceAll('\\', '/'))
}

/** What the compiler makes of each source. A file in dist without one is left over from an older build. */
function compiled (extension) {
  const folders = ['asyncapi', 'client', 'lib', 'testing'].flatMap(folder => filesIn(join(REPOSITORY, folder)).map(file => `${folder}/${file}`))
  const types = filesIn(join(REPOSITORY, 'types')).filter(file => /(?<!\.tst)\.ts$/.test(file)).map(file => `types/${file}`)
  const sources = ['index.ts', ...types, ...folders]
  return sources.map(source => `dist/${source.replace(/\.ts$/, extension)}`)
}

/** @returns {string[]} relative to the folder, with slashes */
function filesIn (folder) {
  return readdirSync(folder, { recursive: true })
    .filter(file => statSync(join(folder, file)).isFile())
    .map(file => file.replaceAll('\\', '/'))
}
