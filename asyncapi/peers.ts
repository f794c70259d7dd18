import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { errors } from '../lib/errors.js'

/** The React component, built as a script that a page can load as it is. */
export interface Component {
  readonly version: string
  readonly script: string
  readonly style: string
}

type Stringify = (document: unknown) => string

const require = createRequire(import.meta.url)

/** @returns what writes YAML; where it is not installed, what says so: who needs none need not install it */
export function loadYaml (name = 'yaml'): Stringify {
  const yaml = found(() => require(name) as { stringify: (value: unknown, options: object) => string })
  // One schema in two places is written twice, and not as an alias, which not every reader of YAML knows.
  if (yaml !== undefined) return document => yaml.stringify(document, { aliasDuplicateObjects: false })
  return () => { throw new errors.FST_ROOMS_ASYNCAPI_NO_YAML() }
}

/**
 * @param folder of the package
 * @returns undefined where there is none
 */
export function findComponent (folder: string | undefined): Component | undefined {
  return found(() => {
    const manifest = folder === undefined ? require.resolve('@asyncapi/react-component/package.json') : join(folder, 'package.json')
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
    const file = (path: string): string => join(dirname(manifest), path)
    // Without the parser, which compiles code as it runs, and would need `unsafe-eval`.
    return { version, script: file('browser/standalone/without-parser.js'), style: file('styles/default.min.css') }
  })
}

/** What is there and broken is not taken for missing. */
function found<T> (find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (!['MODULE_NOT_FOUND', 'ENOENT'].includes((error as NodeJS.ErrnoException).code as string)) throw error
    return undefined
  }
}
