import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MODULES = fileURLToPath(new URL('node_modules/', import.meta.url))

/** Where npm put Bun: its install script moves the binary of the platform, and without scripts it stays where it was. */
export function bunPath () {
  const installed = `${MODULES}bun/bin/bun.exe`
  if (existsSync(installed) && statSync(installed).size > 1_000_000) return installed // else it is a placeholder
  for (const platform of existsSync(`${MODULES}@oven`) ? readdirSync(`${MODULES}@oven`) : []) {
    const binary = `${MODULES}@oven/${platform}/bin/bun`
    if (existsSync(binary)) return binary
  }
  throw new Error('Bun is not installed; run: npm ci --prefix bench')
}
