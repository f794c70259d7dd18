import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'

/** Bytes, minified and compressed. */
const MAX_SIZE = 4_096

async function bundle (entry: string): Promise<{ size: number, inputs: string[] }> {
  const { outputFiles: [output], metafile } = await build({
    entryPoints: [entry], bundle: true, minify: true, write: false, metafile: true, format: 'esm', platform: 'browser', target: 'es2022'
  })
  return { size: gzipSync(output?.contents as Uint8Array, { level: 9 }).length, inputs: Object.keys(metafile.inputs) }
}

t.test('the client is at most 4 KB, minified and compressed, and consists of itself', async t => {
  const { size, inputs } = await bundle('client/index.ts')
  t.ok(size <= MAX_SIZE, `${size} bytes`)
  t.strictSame(inputs.filter(input => !input.startsWith('client/')), [])
})

t.test('a contract brings nothing of the server into a page', async t => {
  const { inputs } = await bundle('client/define.ts')
  t.strictSame(inputs.sort(), ['client/define.ts', 'lib/contract.ts', 'lib/name.ts', 'lib/naming-errors.ts'])
})
