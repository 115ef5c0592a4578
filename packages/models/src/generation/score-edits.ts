import { everyColumn, input, scoreEdit, type Input } from '@tiny/core'

/** Edits of the scores of several rows, row after row, as `editScores` takes them. */
export class EditList {
  #places = new Int32Array(128) // [edits, 2]
  #values = new Float32Array(64)
  #count = 0
  readonly #offsets: number[] = [0]

  get length(): number {
    return this.#count
  }

  add(kind: keyof typeof scoreEdit, column: number | 'every', value: number): void {
    if (this.#count === this.#values.length) this.#grow()
    this.#places[2 * this.#count] = scoreEdit[kind]
    this.#places[2 * this.#count + 1] = column === 'every' ? everyColumn : column
    this.#values[this.#count++] = value
  }

  /** Forbids a token. */
  ban(column: number): void {
    this.add('set', column, -Infinity)
  }

  /** Ends a row: what follows is the next one's. */
  endRow(): void {
    this.#offsets.push(this.#count)
  }

  /** As arguments of a compiled call. @param rows the symbol of the number of rows. */
  inputs(rows: string): { offsets: Input; edits: Input; values: Input } {
    return {
      offsets: input('int32', [`${rows} + 1`], Int32Array.from(this.#offsets)),
      edits: input('int32', ['edits', 2], this.#places.subarray(0, 2 * this.#count)),
      values: input('float32', ['edits'], this.#values.subarray(0, this.#count)),
    }
  }

  #grow(): void {
    const places = new Int32Array(2 * this.#places.length)
    const values = new Float32Array(2 * this.#values.length)
    places.set(this.#places)
    values.set(this.#values)
    this.#places = places
    this.#values = values
  }
}
