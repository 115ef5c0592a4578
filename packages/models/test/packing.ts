import type { HostArray } from '../src/inputs/batch.js'
import { packInputs, type ModelInputs, type PackSpec } from '../src/inputs/pack.js'

export const tokens = { vocabSize: 50, maxPositions: 6, typeVocabSize: 2 }

/** Of a small model with 50 tokens and classes. */
export const spec = (task: PackSpec['task'], rest: Partial<PackSpec> = {}): PackSpec => ({
  task,
  tokens,
  classes: 50,
  ...rest,
})

export const pack = (inputs: ModelInputs, task: PackSpec['task'] = 'Base', rest: Partial<PackSpec> = {}) =>
  packInputs(inputs, spec(task, rest))

export const list = (array: HostArray | undefined) => array && [...array.data]
