import { checkOptions, OptionError, UnsupportedError, type Tensor } from '@tiny/core'
import type { Backbone, CacheShape } from '../blocks/stack.js'
import { hasPadding, type Batch, type HostArray } from '../inputs/batch.js'
import { companions } from '../inputs/pack.js'
import { toIntegerRows, type RowsInput } from '../inputs/rows.js'
import { refuseInputs } from '../inputs/targets.js'
import { packTokens, roomOf, type TokenSpec } from '../inputs/tokens.js'
import { toInputs } from '../outputs/run.js'
import { Decoding, type Chosen, type Cross } from './decode.js'
import { RowProcessors } from './decode-processors.js'
import { defaultNewTokens, type Settings } from './options.js'
import { decoderPrompts, encoderDecoderPrompts, type Prompts } from './prompts.js'
import type { Encode, Step } from './step.js'
import { StopStrings } from './stop-strings.js'

export interface GenerateInputs {
  /** Prompts; an encoder–decoder's source. Rows may be ragged. */
  readonly inputIds: RowsInput
  /** 1 for tokens, 0 for padding on either side. */
  readonly attentionMask?: RowsInput | undefined
  /** Encoder–decoders: what the decoder's text begins with, behind the start token; with its mask. */
  readonly decoderInputIds?: RowsInput | undefined
  readonly decoderAttentionMask?: RowsInput | undefined
  // Of encodeBatch's result; see ModelInputs.
  readonly offsets?: unknown
  readonly sequenceIds?: unknown
  readonly overflowToSampleMapping?: unknown
}

const inputNames = ['inputIds', 'attentionMask', 'decoderInputIds', 'decoderAttentionMask']

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
  readonly #prompts: Prompts
  readonly #limits: readonly number[]
  readonly #given: readonly Int32Array[]
  /** Whether rows were padded, so that their frequencies are those of the longest. */
  readonly #together: boolean
  readonly #rows: readonly Row[]
  readonly #stops: StopStrings | undefined

  /** @throws OptionError, IndexError and the like, naming the input, its row and its column. */
  constructor(generator: Generator, inputs: GenerateInputs, settings: Settings) {
    checkOptions(inputs, [...inputNames, ...companions], 'the inputs of generate')
    if (inputs.inputIds === undefined) throw new OptionError('inputIds is missing', { input: 'inputIds' })
    const ids = toIntegerRows(inputs.inputIds, 'inputIds')
    const { tokens, output } = generator
    const pair = 'encoder' in generator.backbone
    const mask =
      inputs.attentionMask === undefined ? undefined : toIntegerRows(inputs.attentionMask, 'attentionMask')
    // Prompts' positions count real tokens, so columns beyond the table are no error where they are padding.
    const spec = pair ? tokens : { ...tokens, maxPositions: undefined }
    this.#source = packTokens({ ids, mask }, spec, { sizes: { tokens: 'encoderTokens' } }).batch
    if (!pair) refuseInputs('a decoder', inputs, ['decoderInputIds', 'decoderAttentionMask'])
    const start = {
      startTokenId: settings.decoderStartTokenId,
      ids: inputs.decoderInputIds,
      mask: inputs.decoderAttentionMask,
      count: ids.rows.length,
    }
    this.#prompts = pair
      ? encoderDecoderPrompts(start, output)
      : decoderPrompts(this.#source, { ids, mask }, output)
    const { lengths, rows } = this.#prompts
    this.#limits = rows.map(({ length }, row) =>
      limitOf(settings, { row, given: length, taken: lengths[row]! }, roomOf(output)),
    )
    this.#given = ids.rows
    const { backbone } = generator
    this.#together = !('encoder' in backbone) && backbone.reaches === true && hasPadding(mask)
    this.#rows = this.#limits.map(() => ({ ids: [], reason: undefined }))
    this.#generator = generator
    this.#settings = settings
    const { stopStrings, tokenizer } = settings
    this.#stops = stopStrings.length > 0 ? new StopStrings(stopStrings, tokenizer!) : undefined
  }

  /** What there is so far. */
  get sequences(): number[][] {
    return this.#rows.map(({ ids }, row) => [...this.#prompts.rows[row]!, ...ids])
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
      prompts: this.#prompts,
      together: this.#together,
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
    const processors = this.#prompts.rows.map(
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
  throw new UnsupportedError('a model whose tokens see what follows them does not generate', {})
}

/** A prompt: columns as they were given, and positions that they have taken. */
interface Begun {
  readonly row: number
  readonly given: number
  readonly taken: number
}

/** New tokens that a row may have. @throws OptionError where the table of positions has no room for them. */
function limitOf(
  { maxNewTokens, maxLength }: Settings,
  { row, given, taken: promptLength }: Begun,
  positions: number | undefined,
): number {
  const room = positions === undefined ? Infinity : positions - promptLength
  // As in transformers, padding is part of a text's length.
  const asked = maxNewTokens ?? (maxLength === undefined ? undefined : maxLength - given)
  if (asked !== undefined && asked < 1) {
    throw new OptionError(
      `row ${row} has ${given} tokens: maxLength ${maxLength} leaves no room for new ones`,
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
