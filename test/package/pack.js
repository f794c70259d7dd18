import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/**
 * @typedef {object} Packed
 * @property {string} temporary the folder that all of it is in, for the caller to remove
 * @property {string} project an empty project that has the package, and nothing else yet, in its node_modules
 * @property {string} folder the unpacked package
 * @property {string} tarball
 */

/** @returns {Packed} */
export function packAndUnpack () {
  const temporary = mkdtempSync(join(realpathSync(tmpdir()), 'fastify-rooms-package-'))
  execute('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', temporary], REPOSITORY)
  const tarball = join(temporary, readdirSync(temporary)[0])
  const project = join(temporary, 'project')
  const folder = join(project, 'node_modules', 'fastify-rooms')
  mkdirSync(folder, { recursive: true })
  execute('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'], temporary)
  return { temporary, project, folder, tarball }
}

/**
 * Runs a program to its end.
 * @throws with all that the program has printed, when it fails
 */
export function execute (program, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`)
}
