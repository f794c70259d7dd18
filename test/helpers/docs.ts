import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Block {
  /** Of the file and the line, so that a failure can be found. */
  name: string
  language: string
  code: string
}

/** The fenced blocks of a document, without the indentation of those that stand in a list. */
export function blocks (file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/^( *)```(\w*)\n(.*?)^\1```$/gms)].map(({ 1: indentation, 2: language, 3: code, index }) => ({
    name: `${file.replace('docs/', '')}-${text.slice(0, index).split('\n').length}`,
    language: language as string,
    code: (code as string).replaceAll(new RegExp(`^${indentation}`, 'gm'), '')
  }))
}
