import type { Tokenizer } from '../tokenizer/index.js'

/** Tokens beyond the longest string's characters that are decoded, so that a token's text has its neighbours. */
const margin = 8

/** Whether a row's new text holds one of some strings, wherever tokens begin and end. */
export class StopStrings {
  readonly #strings: readonly string[]
  readonly #tokenizer: Tokenizer
  readonly #window: number

  constructor(strings: readonly string[], tokenizer: Tokenizer) {
    this.#strings = strings
    this.#tokenizer = tokenizer
    // A token has a character at least, or it is a byte of one.
    this.#window = 4 * Math.max(...strings.map(({ length }) => length)) + margin
  }

  /** @param ids new tokens of a row, the last of which was not looked at before. */
  async endIn(ids: readonly number[]): Promise<boolean> {
    const text = await this.#tokenizer.decode(ids.slice(-this.#window))
    return this.#strings.some((string) => text.includes(string))
  }
}
