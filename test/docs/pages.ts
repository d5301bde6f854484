// The pages of the guide, and the fenced blocks on them.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const root: string = path.join(import.meta.dirname, '..', '..', '..')

/** README and the chapters, without the reference, which is made by a program. */
export const pages: readonly string[] = ['README.md', ...readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`)].filter(
  (file) => file.endsWith('.md'),
)
/** The pages of the reference. */
export const referencePages: readonly string[] = readdirSync(path.join(root, 'docs', 'reference')).map((file) => `docs/reference/${file}`)

export const textOf = (page: string): string => readFileSync(path.join(root, page), 'utf8')

export interface Block {
  readonly page: string
  /** The line of its fence, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
}

const FENCE = /^([ \t]*)```(\w*)[^\n]*\n([\s\S]*?)^\1```[ \t]*$/gm

/** The fenced blocks of a page, without the indentation of the list that they stand in. */
export function blocksOf(page: string): Block[] {
  const text = textOf(page)
  return [...text.matchAll(FENCE)].map(({ 1: indentation, 2: language, 3: code, index }) => ({
    page,
    line: text.slice(0, index).split('\n').length,
    language: language!,
    code: code!.replaceAll(new RegExp(`^${indentation}`, 'gm'), ''),
  }))
}
