import { input, type Delivered, type Input, type Tensor } from '@tiny/core'
import type { Lead } from '../blocks/mixer.js'
import type { CacheShape } from '../blocks/stack.js'
import { reachOf, type HostArray } from '../inputs/batch.js'
import { DecoderCache } from './cache.js'
import { leadOf } from './lead.js'
import type { RowProcessors } from './decode-processors.js'
import type { Prompts } from './prompts.js'
import { EditList } from './score-edits.js'
import type { ChoiceArguments, Step, StepArguments, StepResults } from './step.js'

/** An encoder's keys and values that a decoder looks at; freed when it is done. */
export interface Cross {
  readonly keys: readonly Tensor[]
  readonly values: readonly Tensor[]
  readonly offsets: Int32Array
}

export interface DecodeOptions {
  readonly step: Step
  /** Told of every call into native code. */
  readonly track: (call: Promise<unknown>) => void
  readonly cache: CacheShape
  readonly vocabSize: number
  readonly prompts: Pick<Prompts, 'tokens' | 'padding' | 'positionOf'>
  /** Whether rows count as as long as the longest one, where positions depend on that. */
  readonly together: boolean
  readonly cross?: Cross | undefined
  /** New tokens of each row at most. */
  readonly limits: readonly number[]
  /** What changes the scores of each row before a token is chosen; undefined where nothing does. */
  readonly processors: readonly RowProcessors[] | undefined
  readonly signal: AbortSignal | undefined
}

/** A new token of a row. */
export interface Chosen {
  readonly row: number
  readonly id: number
}

/** Room beyond the prompt that a row's cache has to begin with. */
const initialTokens = 256

/** A call that chooses tokens. */
interface Choice {
  readonly next: Tensor
  readonly ids: () => Int32Array
  readonly done: Promise<void>
}

interface UnderWay {
  /** The row of each result. */
  readonly rows: readonly number[]
  /** New tokens of these rows before. */
  readonly made: number
  /** What is chosen from in a call of its own, where that waits for the ids before. */
  readonly scores?: { readonly values: Tensor; readonly done: Promise<void> }
  choice?: Choice
}

/**
 * Decodes rows greedily, each until the caller says that it is done or it has as many tokens as it may. Every round
 * gives one token of each row that goes on. The next step starts from the chosen ids inside native code: it is under
 * way before they have reached JavaScript.
 *
 * `finish(row)` ends a row; leaving the loop frees the cache.
 */
export class Decoding implements AsyncIterable<Chosen[]> {
  readonly #options: DecodeOptions
  readonly #live: Set<number>
  readonly #cache: DecoderCache
  readonly #lengths: number[]
  /** Tokens that each row counts as having begun with. */
  readonly #begun: readonly number[]
  /** Ids that rows have got. */
  readonly #made: readonly number[][]
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  /** Whether edits of scores wait for the ids before. */
  readonly #remembers: boolean
  /** What every step is given of the encoder. */
  readonly #cross: object | undefined

  constructor(options: DecodeOptions) {
    this.#options = options
    const { limits, signal, processors } = options
    const prompts = options.prompts.tokens
    this.#live = new Set(prompts.keys())
    const { cross } = options
    const rows = (x: Tensor) => input('float32', ['encoderTokens', x.shape[1]!], x)
    this.#cross = cross && {
      keys: cross.keys.map(rows),
      values: cross.values.map(rows),
      offsets: input('int32', ['sequences + 1'], cross.offsets),
    }
    this.#lengths = prompts.map(({ length }) => length)
    const longest = Math.max(...this.#lengths)
    this.#begun = this.#lengths.map((length) => (options.together ? longest : length))
    this.#made = prompts.map(() => [])
    this.#cache = new DecoderCache(
      options.cache,
      prompts.map(({ length }, row) => length + Math.min(limits[row]!, initialTokens)),
    )
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    this.#remembers = processors?.some(({ remembers }) => remembers) === true
  }

  finish(row: number): void {
    this.#live.delete(row)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chosen[]> {
    const { limits, processors } = this.#options
    let current: UnderWay | undefined
    let next: UnderWay | undefined
    try {
      current = await this.#prefill()
      for (let made = 1; current !== undefined; made++) {
        const { rows }: UnderWay = current
        const { ids, done }: Choice = (current.choice ??= this.#choose(current))
        const going = rows.filter((row) => this.#live.has(row) && made < limits[row]!)
        next = going.length === 0 ? undefined : await this.#advance(current, going, made)
        await done
        const chosen = Array.from(ids(), (id, i) => ({ row: rows[i]!, id })).filter(({ row }) =>
          this.#live.has(row),
        )
        for (const { row, id } of chosen) {
          this.#made[row]!.push(id)
          processors?.[row]!.push(id)
          if (made >= limits[row]!) this.#live.delete(row)
        }
        yield chosen
        if (this.#live.size === 0) return
        release(current)
        current = next
        next = undefined
      }
    } finally {
      // What is under way has no use any more; the cache is freed when it has stopped.
      this.#stop.abort()
      for (const step of [current, next]) await Promise.allSettled([step?.scores?.done, step?.choice?.done])
      release(current)
      release(next)
      this.#cache.dispose()
      const { keys = [], values = [] } = this.#options.cross ?? {}
      for (const kept of [...keys, ...values]) kept.dispose()
    }
  }

  async #prefill(): Promise<UnderWay> {
    const { cache, prompts: given } = this.#options
    const { tokens: prompts, padding, positionOf } = given
    const source = Int32Array.from(prompts.flatMap((prompt) => [...prompt]))
    const counts = prompts.map(({ length }) => length)
    return this.#enqueue({
      lead: leadOf(counts, padding, cache.leading ?? 0),
      rows: [...prompts.keys()],
      counts,
      source: input('int32', ['given'], source),
      picks: Int32Array.from(source, (_, i) => i),
      positions: Int32Array.from(
        prompts.flatMap((prompt, row) => Array.from(prompt, (_, i) => positionOf(row, i))),
      ),
      made: 0,
    })
  }

  async #advance(current: UnderWay, rows: readonly number[], made: number): Promise<UnderWay> {
    for (const row of current.rows) if (!rows.includes(row)) this.#cache.release(row)
    const anew = rows.filter((row) => this.#begun[row]! + made - 1 === this.#options.cache.anewBeyond)
    if (anew.length > 0) return this.#restart(current, rows, anew, made)
    const counts = this.#lengths.map((_, row) => (rows.includes(row) ? 1 : 0))
    await this.#makeRoom(counts, current)
    const positions = rows.map((row) => this.#options.prompts.positionOf(row, this.#lengths[row]!))
    for (const row of rows) this.#lengths[row]!++
    return this.#enqueue({
      rows,
      counts,
      source: input('int32', ['given'], current.choice!.next),
      picks: Int32Array.from(rows, (row) => current.rows.indexOf(row)),
      positions: Int32Array.from(positions),
      made,
    })
  }

  /** A step in which some rows enter from their beginning: it has to wait for the ids of the one before. */
  async #restart(
    current: UnderWay,
    rows: readonly number[],
    anew: readonly number[],
    made: number,
  ): Promise<UnderWay> {
    await current.choice!.done
    const { tokens: prompts, positionOf } = this.#options.prompts
    const ids = current.choice!.ids()
    for (const row of anew) this.#cache.release(row)
    const entering = prompts.map((prompt, row) => {
      if (!rows.includes(row)) return []
      const last = ids[current.rows.indexOf(row)]!
      return anew.includes(row) ? [...prompt, ...this.#made[row]!, last] : [last]
    })
    const counts = entering.map(({ length }) => length)
    await this.#makeRoom(counts, current)
    const starts = entering.map((tokens, row) => this.#lengths[row]! + 1 - tokens.length)
    for (const row of rows) this.#lengths[row]!++
    const source = Int32Array.from(entering.flat())
    return this.#enqueue({
      rows,
      counts,
      source: input('int32', ['given'], source),
      picks: Int32Array.from(source, (_, i) => i),
      positions: Int32Array.from(
        entering.flatMap((tokens, row) => tokens.map((_, i) => positionOf(row, starts[row]! + i))),
      ),
      made,
    })
  }

  /** Blocks of the cache for these tokens. */
  async #makeRoom(counts: readonly number[], current: UnderWay): Promise<void> {
    if (this.#cache.hasRoom(counts)) return
    await current.choice!.done
    await this.#cache.grow(counts)
  }

  #enqueue(tokens: {
    rows: readonly number[]
    counts: readonly number[]
    source: Input
    picks: Int32Array
    positions: Int32Array
    made: number
    lead?: Lead<Input> | undefined
  }): UnderWay {
    const { step } = this.#options
    const { rows, counts, source, picks, positions, made, lead } = tokens
    const offsets = Int32Array.from([0, ...running(counts)])
    const { pools, lengths, readSlots, writeSlots } = this.#cache.extend(counts)
    const args = {
      source,
      picks: input('int32', ['tokens'], picks),
      positions: input('int32', ['tokens'], positions),
      offsets: input('int32', ['sequences + 1'], offsets),
      reach: this.#options.together ? reachInput(positions, this.#begun[0]! + made - 1) : undefined,
      lastRows: input(
        'int32',
        ['live'],
        Int32Array.from(rows, (row) => offsets[row + 1]! - 1),
      ),
      edits: this.#remembers ? undefined : this.#editsOf(rows, made),
      cache: {
        layers: this.#cache.arguments,
        readSlots: input('int32', ['sequences'], readSlots),
        writeSlots: input('int32', ['sequences'], writeSlots),
        pools: pools.map(({ slots, blockTable }) => ({
          slots: input('int32', ['tokens'], slots),
          blockTable: input('int32', ['sequences', 'blocks'], blockTable),
        })),
        lengths: input('int32', ['sequences'], lengths),
        lead,
      },
      cross: this.#cross,
    } as unknown as StepArguments
    if (!this.#remembers)
      return { rows, made, choice: this.#track(step.next.enqueue(args as never, this.#call)) }
    const { results, done } = step.scores.enqueue(args as never, this.#call)
    this.#watch(done)
    return { rows, made, scores: { values: results.scores as unknown as Tensor, done } }
  }

  /** Chooses from scores whose rows' ids are all known by now, so that what depends on them can be said. */
  #choose({ rows, made, scores }: UnderWay): Choice {
    const { step, vocabSize } = this.#options
    const args = {
      scores: input('float32', ['live', vocabSize], scores!.values),
      edits: this.#editsOf(rows, made),
    } as unknown as ChoiceArguments
    return this.#track(step.choice.enqueue(args as never, this.#call))
  }

  #editsOf(rows: readonly number[], made: number): object | undefined {
    const { processors } = this.#options
    if (processors === undefined) return undefined
    const edits = new EditList()
    for (const row of rows) processors[row]!.write(edits, made)
    return edits.length === 0 ? undefined : edits.inputs('live')
  }

  get #call() {
    return { signal: this.#signal }
  }

  #track({ results, done }: { results: Delivered<StepResults>; done: Promise<void> }): Choice {
    this.#watch(done)
    return { next: results.next as unknown as Tensor, ids: () => results.ids.data as Int32Array, done }
  }

  #watch(done: Promise<void>): void {
    done.catch(() => {}) // looked at when its turn comes, or not at all
    this.#options.track(done)
  }
}

function reachInput(positions: Int32Array, last: number): object {
  const reach = reachOf(positions, last)
  const put = ({ dims, data }: HostArray) => input('int32', dims, data as Int32Array)
  return { positions: put(reach.positions), offsets: put(reach.offsets) }
}

function release(step: UnderWay | undefined): void {
  step?.scores?.values.dispose()
  step?.choice?.next.dispose()
}

function running(counts: readonly number[]): number[] {
  let sum = 0
  return counts.map((count) => (sum += count))
}
