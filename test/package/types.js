import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { execute, REPOSITORY } from './pack.js'

const ATTW = join(REPOSITORY, 'node_modules/@arethetypeswrong/cli/dist/index.js')

export const types = {
  'its types resolve in every mode, of ES modules, CommonJS and bundlers' ({ tarball, temporary }) {
    // That require() gives an ES module is on purpose: every Node that `engines` admits can do that.
    execute(process.execPath, [ATTW, tarball, '--profile', 'strict', '--ignore-rules', 'cjs-resolves-to-esm', '--no-definitely-typed', '--no-emoji', '--no-color'], temporary)
  },

  'its public types have no `any`' ({ folder }) {
    const files = new Set()
    for (const entry of entries(folder)) declarations(join(folder, entry), files)
    const found = [...files].flatMap(file => anyIn(file).map(line => `${relative(folder, file)}:${line}`))
    if (found.length > 0) throw new Error(`${found.join(', ')}\nSay what it is, or \`unknown\`; where it comes from an inferred type, write the type out.`)
  }
}

/** @returns {string[]} the declaration file of each entry point */
export function entries (folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return Object.values(exports).map(({ types }) => types).filter(types => types !== undefined)
}

/** Adds a declaration file, and those that it imports or exports from, as far as they are in the package. */
export function declarations (file, found) {
  if (found.has(file)) return
  found.add(file)
  for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
    if (fileName.startsWith('.')) declarations(join(dirname(file), fileName.replace(/\.js$/, '.d.ts')), found)
  }
}

/** @returns {number[]} lines */
function anyIn (file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
  const lines = []
  const visit = node => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) lines.push(source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return lines
}
