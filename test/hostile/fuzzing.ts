import fc from 'fast-check'
import type { Test } from 'tap'

/** How many cases both fuzzers have together; `npm run test:fuzz` takes more. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000)

export const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000)

/** Half of the cases. What fails is made smaller until nothing can be left out, and printed. */
export async function fuzz<Case> (t: Test, arbitrary: fc.Arbitrary<Case>, run: (one: Case) => Promise<void>): Promise<void> {
  const { failed, numRuns, counterexample, counterexamplePath, errorInstance } = await fc.check(fc.asyncProperty(arbitrary, run), {
    seed: SEED,
    numRuns: RUNS / 2,
    ...process.env.FUZZ_PATH !== undefined && { path: process.env.FUZZ_PATH }
  })
  if (failed) t.fail(`again by FUZZ_SEED=${SEED} FUZZ_PATH=${counterexamplePath}, with ${fc.stringify(counterexample)?.slice(0, 4_000)}: ${(errorInstance as Error | null)?.stack}`)
  t.equal(numRuns, RUNS / 2, `${numRuns} cases with FUZZ_SEED=${SEED}`)
}

const KEYS = ['command', 'data', 'id', 'room', 'token', 'recover', '__proto__', 'constructor', 'prototype', 'toString', 'toJSON', 'then', 'length', '', 'polluted', 'epoch', 'seq', 'mid']
const WORDS = ['ECHO', 'SAY', 'WSPing', 'WSPong', 'WSStatus', 'WSError', 'WSSnapshot', 'WSPresence', 'N', 'connected', 'resync', 'epoch', 'left', '__proto__', 'toString', 'x'.repeat(200), '\ud800', '\0', '\n!seq 1 1 a\n']

/** Values as JSON has them, with the names that mean something. As text, so that `__proto__` is a key like any other. */
export const { value: nastyJson } = fc.letrec<{ value: string, member: string }>(tie => ({
  value: fc.oneof({ maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(...WORDS).map(word => JSON.stringify(word)),
    fc.json({ maxDepth: 2 }),
    fc.string({ unit: 'binary', maxLength: 30 }).map(text => JSON.stringify(text)),
    fc.constantFrom('null', 'true', '0', '-0', '1e999', '-1', '9007199254740993', '0.1', '{}', '[]', '""'),
    fc.array(tie('value'), { maxLength: 4 }).map(values => `[${values.join()}]`),
    fc.array(tie('member'), { maxLength: 5 }).map(members => `{${members.join()}}`)
  ),
  member: fc.tuple(fc.constantFrom(...KEYS), tie('value')).map(([key, value]) => `${JSON.stringify(key)}:${value}`)
}))

/** Deep, long, or cut short: what no generator of values comes to by itself. */
export const nastyText = fc.oneof(
  { arbitrary: nastyJson, weight: 4 },
  fc.tuple(nastyJson, fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1))),
  fc.tuple(fc.constantFrom('[', '{"a":', '[{"__proto__":'), fc.integer({ min: 1, max: 5_000 })).map(([open, times]) => open.repeat(times)),
  fc.string({ unit: 'binary', maxLength: 100 })
)

export const bytes = fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array))
