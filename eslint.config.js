import neostandard, { plugins } from 'neostandard'

export default [
  ...neostandard({ ts: true, filesTs: ['**/*.{cts,mts}'], ignores: ['dist/**', '.tap/**'] }),
  {
    files: ['**/*.{cts,mts,ts}'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: { '@typescript-eslint/no-explicit-any': 'error' }
  }
]
