import type { Tokenizer } from '../tokenizer/index.js'

/** Some text of a stream, and the tokens that it came from. */
export interface TextPiece {
  readonly text: string
  readonly tokenIds: readonly number[]
}

/** What decoders write for bytes that are no character yet. */
const incomplete = '\u{fffd}'

/**
 * Turns tokens into text as they come. A token's text depends on its neighbours (spaces, characters of several
 * tokens), so a window is decoded whose beginning was given out already, and what it has grown by is the piece.
 */
export class PieceDecoder {
  readonly #tokenizer: Tokenizer
  #window: number[] = []
  /** How much of the window's text was given out, and how many of its tokens. */
  #given = ''
  #givenTokens = 0

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  /** The text that this token completes, if it does. */
  async add(id: number): Promise<TextPiece | undefined> {
    this.#window.push(id)
    const text = await this.#decode(this.#window)
    return text.endsWith(incomplete) ? undefined : this.#give(text)
  }

  /** What was held back, at the end. */
  async end(): Promise<TextPiece | undefined> {
    return this.#window.length === this.#givenTokens
      ? undefined
      : this.#give(await this.#decode(this.#window))
  }

  async #give(text: string): Promise<TextPiece | undefined> {
    if (text.length <= this.#given.length) return undefined
    const piece = { text: text.slice(this.#given.length), tokenIds: this.#window.slice(this.#givenTokens) }
    this.#window = this.#window.slice(this.#givenTokens)
    this.#givenTokens = this.#window.length
    this.#given = await this.#decode(this.#window)
    return piece
  }

  #decode(ids: readonly number[]): Promise<string> {
    return this.#tokenizer.decode(ids, { skipSpecialTokens: true })
  }
}
