import { parentPort, workerData } from 'node:worker_threads'
import { AlphabetTooLargeError, learnMerges, type MergeSettings } from './merges.js'
import { countWords, inBytes, type WordSettings } from './words.js'

export interface WorkerSettings {
  readonly words: WordSettings
  readonly merges: MergeSettings
}

/** To the worker: batches of texts, then `undefined` for their end. */
export type WorkerRequest = readonly string[] | undefined

/** From the worker: an answer to each batch, then progress, then one of the last two. */
export type WorkerAnswer =
  | { readonly kind: 'counted'; readonly words: number }
  | { readonly kind: 'merged'; readonly size: number }
  | { readonly kind: 'alphabetTooLarge'; readonly needed: number }
  | { readonly kind: 'done'; readonly vocab: string[]; readonly merges: [number, number][] }

const port = parentPort
if (port === null) throw new Error('this module runs in a worker thread')
const answer = (message: WorkerAnswer): void => port.postMessage(message)
const settings = workerData as WorkerSettings
const counts = new Map<string, number>()

port.on('message', (texts: WorkerRequest) => {
  if (texts !== undefined) {
    for (const text of texts) countWords(text, counts, settings.words)
    answer({ kind: 'counted', words: counts.size })
    return
  }
  const words = settings.words.model === 'bpe' ? inBytes(counts) : counts
  try {
    const learned = learnMerges(words, settings.merges, (size) => answer({ kind: 'merged', size }))
    answer({ kind: 'done', ...learned })
  } catch (error) {
    if (!(error instanceof AlphabetTooLargeError)) throw error
    answer({ kind: 'alphabetTooLarge', needed: error.needed })
  }
})
