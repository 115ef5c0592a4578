import type { Attention, Block, Chart, Section, StoryIo, Table } from './story.js'

/** Where a story is told: process.stdout, or anything that takes text. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

const widest = 96

/** Tells a story on a terminal, or into a file without colours, and keeps it for the report. */
export class Terminal implements StoryIo {
  readonly signal: AbortSignal
  readonly #out: Output
  #sections: { heading: string; blocks: Block[] }[] = []

  constructor(out: Output, signal: AbortSignal) {
    this.#out = out
    this.signal = signal
  }

  /** What was told since the last call. */
  takeSections(): Section[] {
    const told = this.#sections
    this.#sections = []
    return told
  }

  /** A line that belongs to no story. */
  line(text = ''): void {
    this.#out.write(`${text}\n`)
  }

  title(text: string): void {
    this.line()
    this.line(this.#bold(text.toUpperCase()))
    this.line('='.repeat(text.length))
  }

  section(heading: string): void {
    this.#sections.push({ heading, blocks: [] })
    this.line()
    this.line(this.#bold(heading))
    this.line('-'.repeat(heading.length))
  }

  say(text: string): void {
    this.#keep({ kind: 'text', text })
    for (const line of wrap(text, this.#width)) this.line(line)
  }

  table(table: Table): void {
    this.#keep({ kind: 'table', table })
    this.line()
    if (table.caption !== '') this.line(`${printable(table.caption)}:`)
    const [head, ...rows] = tableLines(table)
    this.line(this.#bold(head!))
    rows.forEach((row, i) => this.line(i === table.highlight ? this.#bold(row) : row))
    this.line()
  }

  chart(chart: Chart): void {
    this.#keep({ kind: 'chart', chart })
  }

  attention(attention: Attention): void {
    this.#keep({ kind: 'attention', attention })
  }

  async quote(caption: string, pieces: string | AsyncIterable<string>): Promise<string> {
    this.line()
    this.line(this.#bold(caption))
    let text = ''
    for await (const piece of typeof pieces === 'string' ? [pieces] : pieces) {
      const shown = printable(piece)
      this.#out.write(shown)
      text += shown
    }
    this.line()
    this.#keep({ kind: 'quote', caption, text })
    return text
  }

  claim(text: string, holds: boolean): void {
    this.line(`${holds ? this.#coloured(32, 'holds') : this.#coloured(31, 'FAILS')}  ${text}`)
  }

  get #width(): number {
    return Math.min(widest, this.#out.columns ?? widest)
  }

  #keep(block: Block): void {
    const section = this.#sections.at(-1)
    if (section === undefined) throw new Error('a story begins with a section')
    section.blocks.push(block)
  }

  #bold(text: string): string {
    return this.#coloured(1, text)
  }

  #coloured(code: number, text: string): string {
    const plain = this.#out.isTTY !== true || (process.env['NO_COLOR'] ?? '') !== ''
    return plain ? text : `\u001b[${code}m${text}\u001b[0m`
  }
}

/** Breaks at blanks; a word longer than a line stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.trim().split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** The head, then the rows: columns as wide as their widest cell, the first set to the left, the others to the right. */
export function tableLines({ columns, rows }: Table): string[] {
  const all = [columns, ...rows].map((row) => row.map(printable))
  const widths = columns.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** Without control characters but line breaks: what a model or a mail says must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\t/g, ' ').replace(/(?!\n)\p{Cc}/gu, '')
}
