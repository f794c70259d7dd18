import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from './pack.js'

const MAX_DEPENDENCIES = 8

const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'))
const { packages } = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8'))

export const dependencies = {
  'it has few dependencies' () {
    const { length } = Object.keys(manifest.dependencies)
    if (length > MAX_DEPENDENCIES) throw new Error(`${length} dependencies are too many, ${MAX_DEPENDENCIES} is the limit: what is only for development belongs into devDependencies`)
  },

  'C20: every ws that users get has the limits on fragments and buffered chunks' () {
    atLeast('ws', '8.21.1', ({ dev }) => dev !== true)
  },

  'C20: every fast-jwt checks tokens as it should' () {
    atLeast('fast-jwt', '6.3.1')
  },

  'the lockfile names no registry' () {
    const resolved = Object.keys(packages).filter(path => /^\w+:\/\//.test(packages[path].resolved ?? ''))
    if (resolved.length > 0) throw new Error(`"resolved" has a URL for ${resolved.length} packages, such as ${resolved[0]}: remove these lines, and install with the .npmrc of this repository`)
  }
}

/**
 * The folders in node_modules, relative to the repository, that an installation of these packages would bring.
 * @param {string[]} names of packages that the repository depends on
 */
export function installationOf (names) {
  const found = new Set()
  const visit = (name, from) => {
    const path = locate(name, from)
    if (path === undefined || found.has(path)) return
    found.add(path)
    const { dependencies, optionalDependencies } = packages[path]
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) visit(dependency, path)
  }
  for (const name of names) visit(name, '')
  return [...found]
}

/** Where Node finds a package: in the nearest node_modules, upwards. */
function locate (name, from) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder}/node_modules/${name}`.replace(/^\//, '')
    if (path in packages) return path
    if (folder === '') return undefined
  }
}

function atLeast (name, floor, applies = () => true) {
  const copies = Object.entries(packages).filter(([path, copy]) => path.endsWith(`node_modules/${name}`) && applies(copy))
  if (copies.length === 0) throw new Error(`package-lock.json has no ${name}: remove this check if it is not used any more`)
  const old = copies.filter(([, { version }]) => version.localeCompare(floor, 'en', { numeric: true }) < 0)
  if (old.length > 0) throw new Error(`${old.map(([path, { version }]) => `${path} is ${version}`).join(', ')}, which is older than ${floor}: run \`npm update ${name}\``)
}
