import { checkOptions, OptionError, UnsupportedError, type Tensor } from '@tiny/core'
import type { Backbone, CacheShape } from '../blocks/stack.js'
import type { Batch, HostArray } from '../inputs/batch.js'
import { companions } from '../inputs/pack.js'
import { columnPositions } from '../inputs/positions.js'
import { toIntegerRows, type IntegerRows, type RowsInput } from '../inputs/rows.js'
import { packTokens, roomOf, type TokenSpec } from '../inputs/tokens.js'
import { toInputs } from '../outputs/run.js'
import { Decoding, type Chosen, type Cross } from './decode.js'
import { RowProcessors } from './decode-processors.js'
import { defaultNewTokens, type Settings } from './options.js'
import type { Encode, Step } from './step.js'
import { StopStrings } from './stop-strings.js'

export interface GenerateInputs {
  /** Prompts; an encoder–decoder's source. Rows may be ragged. */
  readonly inputIds: RowsInput
  /** 1 for tokens, 0 for padding on either side. */
  readonly attentionMask?: RowsInput | undefined
  // Of encodeBatch's result; see ModelInputs.
  readonly offsets?: unknown
  readonly sequenceIds?: unknown
  readonly overflowToSampleMapping?: unknown
}

export type FinishReason = 'eos' | 'length' | 'stop' | 'abort'

/** What a generation needs of a model. */
export interface Generator {
  readonly backbone: Backbone
  readonly tokens: TokenSpec
  /** What a language model writes: an encoder–decoder may have another vocabulary for that. */
  readonly output: TokenSpec
  readonly step: Step
  /** Of encoder–decoders. */
  readonly encode: Encode | undefined
  /** Told of every call into native code, so that the model is not freed under it. */
  readonly track: (call: Promise<unknown>) => void
}

/** A row while it is generated. */
interface Row {
  readonly ids: number[]
  reason: FinishReason | undefined
}

/**
 * One call of `generate`: prompts that were read and checked, and the tokens that they have got. Iterating it decodes;
 * leaving the loop frees the cache.
 */
export class Generation implements AsyncIterable<Chosen[]> {
  readonly #generator: Generator
  readonly #settings: Settings
  readonly #source: Batch<HostArray>
  readonly #prompts: readonly Int32Array[]
  readonly #limits: readonly number[]
  readonly #given: readonly Int32Array[]
  readonly #before: readonly (readonly number[])[]
  readonly #rows: readonly Row[]
  readonly #stops: StopStrings | undefined

  /** @throws OptionError, IndexError and the like, naming the input, its row and its column. */
  constructor(generator: Generator, inputs: GenerateInputs, settings: Settings) {
    checkOptions(inputs, ['inputIds', 'attentionMask', ...companions], 'the inputs of generate')
    if (inputs.inputIds === undefined) throw new OptionError('inputIds is missing', { input: 'inputIds' })
    const ids = toIntegerRows(inputs.inputIds, 'inputIds')
    const mask =
      inputs.attentionMask === undefined ? undefined : toIntegerRows(inputs.attentionMask, 'attentionMask')
    const { tokens, output } = generator
    const pair = 'encoder' in generator.backbone
    // Prompts' positions count real tokens, so columns beyond the table are no error where they are padding.
    const spec = pair ? tokens : { ...tokens, maxPositions: undefined }
    this.#source = packTokens({ ids, mask }, spec, { sizes: { tokens: 'encoderTokens' } }).batch
    this.#prompts = pair ? startTokens(settings, ids, output.vocabSize) : realTokens(ids, mask)
    this.#limits = this.#prompts.map(({ length }, row) => limitOf(settings, length, row, roomOf(output)))
    this.#given = ids.rows
    this.#before = pair ? this.#prompts.map((prompt) => [...prompt]) : ids.rows.map((row) => [...row])
    this.#rows = this.#prompts.map(() => ({ ids: [], reason: undefined }))
    this.#generator = generator
    this.#settings = settings
    const { stopStrings, tokenizer } = settings
    this.#stops = stopStrings.length > 0 ? new StopStrings(stopStrings, tokenizer!) : undefined
  }

  /** What there is so far. */
  get sequences(): number[][] {
    return this.#rows.map(({ ids }, row) => [...this.#before[row]!, ...ids])
  }

  get finishReasons(): FinishReason[] {
    return this.#rows.map(({ reason }) => reason ?? 'abort')
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chosen[]> {
    const { backbone, output, step, track } = this.#generator
    const { signal } = this.#settings
    const decoding = new Decoding({
      step,
      track,
      cache: cacheOf(backbone),
      vocabSize: output.vocabSize,
      positions: output.positions ?? columnPositions,
      prompts: this.#prompts,
      cross: 'encoder' in backbone ? await this.#encodeSource() : undefined,
      limits: this.#limits,
      processors: this.#processors(),
      signal,
    })
    for await (const chosen of decoding) {
      for (const { row, id } of chosen) {
        const line = this.#rows[row]!
        line.ids.push(id)
        line.reason = await this.#ending(line.ids, this.#limits[row]!)
        if (line.reason !== undefined) decoding.finish(row)
      }
      yield chosen
    }
  }

  /** Why a row ends with the token that it has got now, if it does. */
  async #ending(made: readonly number[], limit: number): Promise<FinishReason | undefined> {
    if (this.#settings.eosTokenIds.includes(made.at(-1)!)) return 'eos'
    if ((await this.#stops?.endIn(made)) === true) return 'stop'
    return made.length >= limit ? 'length' : undefined
  }

  /** What changes the scores of each row; undefined where nothing does. */
  #processors(): RowProcessors[] | undefined {
    const { vocabSize } = this.#generator.output
    const processors = this.#before.map(
      (before, row) =>
        new RowProcessors(this.#settings.processors, {
          before,
          source: this.#given[row]!,
          limit: this.#limits[row]!,
          vocabSize,
        }),
    )
    return processors.some(({ any }) => any) ? processors : undefined
  }

  async #encodeSource(): Promise<Cross> {
    const { encode, track } = this.#generator
    const call = encode!(toInputs(this.#source) as never, { signal: this.#settings.signal })
    track(call)
    const { keys, values } = await call
    return {
      keys: keys as unknown as Tensor[],
      values: values as unknown as Tensor[],
      offsets: this.#source.offsets.data as Int32Array,
    }
  }
}

function cacheOf(backbone: Backbone): CacheShape {
  if (backbone.cache !== undefined) return backbone.cache
  throw new UnsupportedError('an encoder does not generate', {})
}

function startTokens(
  { decoderStartTokenId: start }: Settings,
  { rows }: IntegerRows,
  vocabSize: number,
): Int32Array[] {
  if (start === undefined) {
    throw new OptionError('the configuration has no decoder_start_token_id: give decoderStartTokenId', {
      option: 'decoderStartTokenId',
    })
  }
  if (Number.isInteger(start) && start >= 0 && start < vocabSize) return rows.map(() => Int32Array.of(start))
  throw new OptionError(`decoderStartTokenId ${start} is outside the vocabulary of ${vocabSize}`, {
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
      `row ${row} has ${promptLength} tokens: maxLength ${maxLength} leaves no room for new ones`,
      {
        option: 'maxLength',
        row,
      },
    )
  }
  const option = maxNewTokens === undefined ? 'maxLength' : 'maxNewTokens'
  // The last token is chosen, but never looked up: it needs no position.
  if (room + 1 < (asked ?? 1)) {
    throw new OptionError(
      `row ${row} has ${promptLength} tokens: ${asked ?? 1} new ones (${option}) go beyond the model's ${positions} positions`,
      {
        option,
        row,
        promptLength,
        maxPositions: positions,
      },
    )
  }
  return asked ?? Math.max(1, Math.min(defaultNewTokens, room))
}
