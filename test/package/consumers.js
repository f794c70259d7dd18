import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { installationOf } from './dependencies.js'
import { execute, REPOSITORY } from './pack.js'

const CONSUMER = join(REPOSITORY, 'test/package/consumer')
const TSC = join(REPOSITORY, 'node_modules/typescript/bin/tsc')

export const consumers = {
  'an ES module can use it' ({ project, folder }) {
    install(project, folder)
    execute(process.execPath, ['esm.js'], project)
  },

  'a CommonJS script can use it' ({ project, folder }) {
    install(project, folder)
    execute(process.execPath, ['commonjs.cjs'], project)
  },

  'TypeScript knows it, in ES modules and in CommonJS, without @fastify/jwt' ({ project, folder }) {
    install(project, folder)
    execute(process.execPath, [TSC, '--project', 'tsconfig.json'], project)
  },

  'TypeScript knows the client in a page, where there is nothing of Node, and bundlers find it' ({ project, folder }) {
    install(project, folder)
    execute(process.execPath, [TSC, '--project', 'page/tsconfig.json'], project)
    const { metafile } = buildSync({ absWorkingDir: project, entryPoints: ['page/page.ts'], bundle: true, write: false, metafile: true, format: 'esm', platform: 'browser' })
    const foreign = Object.keys(metafile.inputs).filter(input => !/^page\/|^node_modules\/fastify-rooms\/dist\/(client|lib)\/[\w-]+\.js$/.test(input))
    if (foreign.length > 0) throw new Error(`${foreign.join(', ')} is no part of the client: import types only`)
  }
}

/**
 * Makes the project what `npm install fastify fastify-rooms @types/node` would make it, without a network: the packages
 * are copied from the repository. Links would not do, since from there everything else in the repository could be reached.
 */
function install (project, folder) {
  if (existsSync(join(project, 'package.json'))) return
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const path of installationOf(['fastify', '@types/node', ...Object.keys(dependencies)])) {
    cpSync(join(REPOSITORY, path), join(project, path), { recursive: true })
  }
  cpSync(CONSUMER, project, { recursive: true })
}
