import { ShapeError } from '@tiny/core'
import type { ModelInputs } from './pack.js'
import { isShaped, type ChoicesInput, type Numbers, type RowsInput } from './rows.js'

/** Inputs whose rows are the choices of examples, one after another. */
export interface FlatChoices {
  readonly inputs: ModelInputs
  readonly examples: number
  /** Of each example. */
  readonly choices: number
}

const ranked = ['inputIds', 'attentionMask', 'positionIds', 'tokenTypeIds'] as const

/**
 * Lays the choices of all examples end to end: [examples, choices, length] to [examples * choices, length], as
 * transformers' `view(-1, length)` does. Rows may be ragged; every example has as many choices.
 *
 * @throws ShapeError for inputs of another rank or that disagree, naming the example.
 */
export function flattenChoices(inputs: ModelInputs): FlatChoices {
  const flat: Record<string, unknown> = { ...inputs }
  let first: { name: string; examples: number; choices: number } | undefined
  for (const name of ranked) {
    if (inputs[name] === undefined) continue
    const { rows, examples, choices } = flatten(inputs[name] as ChoicesInput, name)
    first ??= { name, examples, choices }
    if (examples !== first.examples || choices !== first.choices) {
      throw new ShapeError(
        `${name} has ${examples} examples of ${choices} choices, ${first.name} has ${first.examples} of ${first.choices}`,
        { input: name },
      )
    }
    flat[name] = rows
  }
  return { inputs: flat as unknown as ModelInputs, examples: first!.examples, choices: first!.choices }
}

function flatten(value: ChoicesInput, name: string): { rows: RowsInput; examples: number; choices: number } {
  if (isShaped(value)) {
    const [examples, choices, length] = value.shape
    if (value.shape.length !== 3) throw wrongRank(name, `its shape is [${value.shape.join(', ')}]`)
    return {
      rows: { shape: [examples! * choices!, length!], data: value.data },
      examples: examples!,
      choices: choices!,
    }
  }
  if (!Array.isArray(value) || value.length === 0) throw wrongRank(name, 'it has no examples')
  const examples = value as readonly (readonly Numbers[])[]
  const choices = examples[0]!.length
  examples.forEach((example, i) => {
    if (!Array.isArray(example) || typeof example[0] === 'number')
      throw wrongRank(name, `it holds rows of numbers`)
    if (example.length === choices) return
    throw new ShapeError(`${name}: example ${i} has ${example.length} choices, example 0 has ${choices}`, {
      input: name,
      example: i,
      expected: choices,
      found: example.length,
    })
  })
  return { rows: examples.flat() as RowsInput, examples: examples.length, choices }
}

const wrongRank = (name: string, what: string): ShapeError =>
  new ShapeError(`${name} of multiple choice has rank 3, [examples, choices, length]; ${what}`, {
    input: name,
  })
