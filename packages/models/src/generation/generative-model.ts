import { checkOptions, OptionError, type Tensor } from '@tiny/core'
import type { Backbone } from '../blocks/stack.js'
import { toIntegerRows, type IntegerRows, type RowsInput } from '../inputs/rows.js'
import { packTokens } from '../inputs/tokens.js'
import { PreTrainedModel, type ModelParts } from '../model.js'
import { toInputs } from '../outputs/run.js'
import type { Tokenizer } from '../tokenizer/index.js'
import { Decoding, type Cross } from './decode.js'
import { defaultNewTokens, readSettings, type GenerateOptions, type Settings } from './options.js'
import { compileEncode, compileStep, type Encode, type Step } from './step.js'
import { StopStrings } from './stop-strings.js'
import { PieceDecoder, type TextPiece } from './text-pieces.js'

export interface GenerateInputs {
  /** Prompts; an encoder–decoder's source. Rows may be ragged. */
  readonly inputIds: RowsInput
  /** 1 for tokens, 0 for padding on either side. */
  readonly attentionMask?: RowsInput | undefined
}

export type FinishReason = 'eos' | 'length' | 'stop' | 'abort'

export interface GenerateOutput {
  /** Rows of ids: a decoder's with the prompt as it was given, an encoder–decoder's from its start token on. */
  readonly sequences: number[][]
  /** Why each row ended. */
  readonly finishReasons: FinishReason[]
}

export interface StreamOptions extends GenerateOptions {
  readonly tokenizer: Tokenizer
}

/** A row while it is generated. */
interface Row {
  readonly ids: number[]
  reason: FinishReason | undefined
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
   * The continuation of a text as it is written, piece by piece. Leaving the loop stops it; an abort gives what there
   * is, then throws the signal's reason.
   */
  async *stream(text: string, options: StreamOptions): AsyncGenerator<TextPiece> {
    this.requireAlive()
    if (typeof text !== 'string') {
      throw new OptionError('stream takes a text; messages need a chat template, which is not there yet', {
        argument: 'text',
      })
    }
    if (options?.tokenizer === undefined)
      throw new OptionError('stream needs the tokenizer', { option: 'tokenizer' })
    const { tokenizer } = options
    const settings = this.#settings(options)
    let ended!: () => void
    // Until the loop is left, dispose() waits.
    void this.track(new Promise<void>((resolve) => (ended = resolve)))
    try {
      const pieces = new PieceDecoder(tokenizer)
      const prompt = await tokenizer.encode(text)
      const run = await this.#start({ inputIds: [prompt] }, settings)
      try {
        for await (const chosen of run.decoding) {
          await run.take(chosen)
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
    } finally {
      ended()
    }
  }

  protected override releasePlans(): void {
    super.releasePlans()
    this.#step.dispose()
    this.#encode?.dispose()
  }

  #settings(options: GenerateOptions): Settings {
    return readSettings(options, this.generationConfig, this.config)
  }

  async #generate(inputs: GenerateInputs, options: GenerateOptions): Promise<GenerateOutput> {
    const settings = this.#settings(options)
    const run = await this.#start(inputs, settings)
    try {
      for await (const chosen of run.decoding) await run.take(chosen)
    } catch (error) {
      const aborted = settings.signal?.aborted === true && settings.onAbort === 'return'
      if (!aborted) throw error
    }
    return {
      sequences: run.rows.map(({ ids }, i) => [...run.before[i]!, ...ids]),
      finishReasons: run.rows.map(
        ({ reason }) => reason ?? (settings.signal?.aborted === true ? 'abort' : 'length'),
      ),
    }
  }

  /** Reads and checks the prompts, runs an encoder, and makes ready to decode. */
  async #start(inputs: GenerateInputs, settings: Settings) {
    checkOptions(inputs, ['inputIds', 'attentionMask'], 'the inputs of generate')
    if (inputs.inputIds === undefined) throw new OptionError('inputIds is missing', { input: 'inputIds' })
    const ids = toIntegerRows(inputs.inputIds, 'inputIds')
    const mask =
      inputs.attentionMask === undefined ? undefined : toIntegerRows(inputs.attentionMask, 'attentionMask')
    const { backbone } = this.network
    const pair = 'encoder' in backbone
    const tokens = this.family.tokens(this.config)
    for (const id of settings.eosTokenIds) {
      if (id >= tokens.vocabSize) {
        throw new OptionError(`eosTokenId ${id} is outside the vocabulary of ${tokens.vocabSize}`, {
          option: 'eosTokenId',
        })
      }
    }
    // Positions count real tokens, so columns beyond the table are no error where they are padding.
    const packed = packTokens(
      { ids, mask },
      { ...tokens, maxPositions: pair ? tokens.maxPositions : undefined },
      {
        sizes: { tokens: pair ? 'encoderTokens' : 'tokens' },
      },
    )
    const prompts = pair ? startTokens(settings, ids) : realTokens(ids, mask)
    const limits = prompts.map((prompt, row) => limitOf(settings, prompt.length, row, tokens.maxPositions))
    const cross = pair ? await this.#encodeSource(packed.batch, settings.signal) : undefined
    const decoding = new Decoding({
      step: this.#step,
      cache: cacheOf(backbone),
      vocabSize: tokens.vocabSize,
      prompts,
      cross,
      limits,
      minNewTokens: settings.minNewTokens,
      eosTokenIds: settings.eosTokenIds,
      signal: settings.signal,
    })
    const rows: Row[] = prompts.map(() => ({ ids: [], reason: undefined }))
    const stops =
      settings.stopStrings.length > 0 ? new StopStrings(settings.stopStrings, settings.tokenizer!) : undefined
    const take = async (chosen: readonly { row: number; id: number }[]): Promise<void> => {
      for (const { row, id } of chosen) {
        const { ids: made } = rows[row]!
        made.push(id)
        const reason = settings.eosTokenIds.includes(id)
          ? 'eos'
          : (await stops?.endIn(made))
            ? 'stop'
            : undefined
        if (reason === undefined) continue
        rows[row]!.reason = reason
        decoding.finish(row)
      }
    }
    return {
      decoding,
      rows,
      take,
      before: pair ? prompts.map((prompt) => [...prompt]) : ids.rows.map((row) => [...row]),
    }
  }

  async #encodeSource(
    batch: Parameters<typeof toInputs>[0],
    signal: AbortSignal | undefined,
  ): Promise<Cross> {
    const { keys, values } = await this.#encode!(toInputs(batch) as never, { signal })
    return {
      keys: keys as unknown as Tensor[],
      values: values as unknown as Tensor[],
      offsets: batch.offsets.data as Int32Array,
    }
  }
}

function cacheOf(backbone: Backbone) {
  if (backbone.cache !== undefined) return backbone.cache
  throw new OptionError('an encoder does not generate', {})
}

function startTokens({ decoderStartTokenId }: Settings, { rows }: IntegerRows): Int32Array[] {
  if (decoderStartTokenId !== undefined) return rows.map(() => Int32Array.of(decoderStartTokenId))
  throw new OptionError('the configuration has no decoder_start_token_id: give decoderStartTokenId', {
    option: 'decoderStartTokenId',
  })
}

const realTokens = ({ rows }: IntegerRows, mask: IntegerRows | undefined): Int32Array[] =>
  rows.map((row, i) => (mask === undefined ? row : row.filter((_, column) => mask.rows[i]![column] === 1)))

/** New tokens that a row may have. @throws OptionError where the table of positions has no room for them. */
function limitOf(
  { maxNewTokens, maxLength }: Settings,
  promptLength: number,
  row: number,
  positions: number | undefined,
): number {
  const room = positions === undefined ? Infinity : positions - promptLength
  const asked = maxNewTokens ?? (maxLength === undefined ? undefined : maxLength - promptLength)
  if (asked !== undefined && asked < 1) {
    throw new OptionError(
      `row ${row} has ${promptLength} tokens, as many as maxLength ${maxLength} allows or more`,
      {
        option: 'maxLength',
        row,
      },
    )
  }
  // The last token is chosen, but never looked up: it needs no position.
  if (room + 1 < (asked ?? 1)) {
    throw new OptionError(
      `row ${row} has ${promptLength} tokens: ${asked ?? 1} new ones go beyond the model's ${positions} positions`,
      {
        option: maxNewTokens === undefined ? 'maxLength' : 'maxNewTokens',
        row,
        promptLength,
        maxPositions: positions,
      },
    )
  }
  return asked ?? Math.max(1, Math.min(defaultNewTokens, room))
}
