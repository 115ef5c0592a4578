import { OptionError } from '@tiny/core'
import { outputTokens } from '../family.js'
import { generatedTokens } from '../inputs/tokens.js'
import { PreTrainedModel, type ModelParts } from '../model.js'
import type { ChatMessage, Tokenizer } from '../tokenizer/index.js'
import { Generation, type FinishReason, type GenerateInputs } from './generation.js'
import { readSettings, type GenerateOptions } from './options.js'
import { compileEncode, compileStep, type Encode, type Step } from './step.js'
import { PieceDecoder, type TextPiece } from './text-pieces.js'

export interface GenerateOutput {
  /** Rows of ids: a decoder's with the prompt as it was given, an encoder–decoder's from its start token on. */
  readonly sequences: number[][]
  /** Why each row ended. */
  readonly finishReasons: FinishReason[]
}

export interface StreamOptions extends GenerateOptions {
  readonly tokenizer: Tokenizer
}

/** A model that writes: a decoder or an encoder–decoder with its language-model head. */
export class GenerativeModel extends PreTrainedModel {
  readonly #step: Step
  readonly #encode: Encode | undefined

  /** @internal Use `fromPretrained` or `fromConfig`. */
  constructor(parts: ModelParts) {
    super(parts)
    this.#step = compileStep(parts.network, `${this.className}.generate`)
    this.#encode = compileEncode(parts.network, `${this.className}.encode`)
  }

  /**
   * Continues prompts, greedily: each row by its most likely token until one of `eosTokenId`, a stop string, or as
   * many tokens as it may have. A row's tokens are the same alone and in company.
   *
   * @throws OptionError, IndexError and the like for inputs that cannot be; UnsupportedError for options that are not
   *   there yet; `signal.reason` when aborted, unless `onAbort` is 'return'.
   */
  async generate(inputs: GenerateInputs, options: GenerateOptions = {}): Promise<GenerateOutput> {
    this.requireAlive()
    return this.track(this.#generate(inputs, options))
  }

  /**
   * The continuation of a text, or the answer to messages by the tokenizer's chat template, as it is written, piece by
   * piece. Leaving the loop stops it; an abort gives what there is, then throws the signal's reason.
   */
  async *stream(
    messagesOrText: string | readonly ChatMessage[],
    options: StreamOptions,
  ): AsyncGenerator<TextPiece> {
    this.requireAlive()
    if (typeof messagesOrText !== 'string' && !Array.isArray(messagesOrText)) {
      throw new OptionError('stream takes a text or messages', { argument: 'text' })
    }
    if (options?.tokenizer === undefined) {
      throw new OptionError('stream needs the tokenizer', { option: 'tokenizer' })
    }
    const { tokenizer } = options
    const pieces = new PieceDecoder(tokenizer)
    const prompt =
      typeof messagesOrText === 'string'
        ? await tokenizer.encode(messagesOrText)
        : await tokenizer.applyChatTemplate(messagesOrText, { addGenerationPrompt: true })
    this.requireAlive()
    try {
      for await (const chosen of this.#begin({ inputIds: [prompt] }, options)) {
        const piece = await pieces.add(chosen[0]!.id)
        if (piece !== undefined) yield piece
      }
    } catch (error) {
      const rest = await pieces.end()
      if (rest !== undefined) yield rest
      throw error
    }
    const rest = await pieces.end()
    if (rest !== undefined) yield rest
  }

  protected override releasePlans(): void {
    super.releasePlans()
    this.#step.dispose()
    this.#encode?.dispose()
  }

  async #generate(inputs: GenerateInputs, options: GenerateOptions): Promise<GenerateOutput> {
    const generation = this.#begin(inputs, options)
    try {
      for await (const _ of generation);
    } catch (error) {
      if (options.signal?.aborted !== true || options.onAbort !== 'return') throw error
    }
    const { sequences, finishReasons } = generation
    return { sequences, finishReasons }
  }

  #begin(inputs: GenerateInputs, options: GenerateOptions): Generation {
    const tokens = this.family.tokens(this.config)
    const { backbone } = this.network
    const read = outputTokens(this.family, this.config)
    const output = 'encoder' in backbone ? read : generatedTokens(read)
    const settings = readSettings(options, this.generationConfig, this.config, output.vocabSize)
    if (options.decoderStartTokenId !== undefined && !('encoder' in backbone)) {
      throw new OptionError(
        'decoderStartTokenId is for encoder–decoders; a decoder goes on from its prompt',
        {
          option: 'decoderStartTokenId',
        },
      )
    }
    const track = (call: Promise<unknown>): void => void this.track(call)
    return new Generation(
      { backbone, tokens, output, step: this.#step, encode: this.#encode, track },
      inputs,
      settings,
    )
  }
}
