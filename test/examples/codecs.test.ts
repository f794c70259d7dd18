import { readFileSync } from 'node:fs'
import t from 'tap'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

for (const name of ['state', 'text', 'shared']) {
  t.test(`the codec ${name} of the examples is the one of docs/codecs.md, but for its types`, async t => {
    const printed = new RegExp(`^// ${name}\\.mjs\\n(.*?)^\`\`\``, 'ms').exec(read('docs/codecs.md'))?.[1]
    t.equal(read(`examples/codecs/${name}.js`).replaceAll(/^\/\*\*.*\*\/\n/gm, ''), printed)
  })
}
