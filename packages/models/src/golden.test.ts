import { readFileSync } from 'node:fs'
import { compile, gradients, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import {
  camel,
  difference,
  goldenFolder,
  inputsOf,
  nested,
  readGolden,
  relative,
  type GoldenTensor,
} from '../test/golden.js'
import * as auto from './auto.js'
import type { GenerativeModel } from './generation/generative-model.js'
import type { ModelInputs } from './inputs/pack.js'
import type { ModelOutput, OutputArray } from './outputs/model-output.js'
import { packTrainingBatch, trainingLoss } from './training.js'

// What PyTorch and transformers compute; the bars are those of the golden cases.
const bar = 1e-4
const gradientBar = 1e-3

const cases = [
  ['encoder/bert', auto.AutoModelForMaskedLM],
  ['encoder/bert-SequenceClassification', auto.AutoModelForSequenceClassification],
  ['encoder/bert-TokenClassification', auto.AutoModelForTokenClassification],
  ['encoder/bert-QuestionAnswering', auto.AutoModelForQuestionAnswering],
  ['decoder/gpt2', auto.AutoModelForCausalLM],
  ['seq2seq/t5', auto.AutoModelForSeq2SeqLM],
  ['seq2seq/t5-gated', auto.AutoModelForSeq2SeqLM],
] as const

/** Elements of real tokens; of attention weights, those of real queries. */
function real(tensor: GoldenTensor, mask: number[][] | undefined): (i: number) => boolean {
  const { shape } = tensor
  const [rows, columns] = [mask?.length, mask?.[0]!.length]
  if (mask === undefined || shape[0] !== rows) return () => true
  if (shape.length === 4) {
    const [, heads, queries, keys] = shape as [number, number, number, number]
    return (i) => mask[Math.floor(i / (heads * queries * keys))]![Math.floor(i / keys) % queries] === 1
  }
  if (shape[1] !== columns) return () => true
  const width = shape.slice(2).reduce((product, size) => product * size, 1)
  return (i) => mask[Math.floor(i / (width * columns!))]![Math.floor(i / width) % columns!] === 1
}

interface Case {
  readonly folder: string
  readonly expected: Record<string, GoldenTensor>
  readonly inputs: ModelInputs & { attentionMask: number[][]; inputIds: number[][] }
}

function readCase(name: string): Case {
  const folder = goldenFolder(name)
  const expected = readGolden(`${folder}/expected.safetensors`)
  return { folder, expected, inputs: inputsOf(expected) as unknown as Case['inputs'] }
}

const hasGradients = ({ expected }: Case) => Object.keys(expected).some((key) => key.startsWith('grad.'))

describe('results', () => {
  it.each(cases)('of %s', async (name, AutoClass) => {
    const golden = readCase(name)
    const { folder, expected, inputs } = golden
    const { architecture } = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8')) as {
      architecture: string
    }
    const pair = name.startsWith('seq2seq')
    await using model = await AutoClass.fromPretrained(folder)
    expect(model.className).toBe(architecture)
    expect(model.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    const wanted = hasGradients(golden) ? { outputHiddenStates: true, outputAttentions: true } : {}
    const out = (await model.run(inputs, wanted)) as ModelOutput & Record<string, OutputArray | OutputArray[]>
    expect(Math.abs(out.loss! - expected['loss']!.data[0]!)).toBeLessThan(bar)
    const short: string[] = []
    for (const [key, want] of Object.entries(expected)) {
      const [base, index] = key.split('.') as [string, string | undefined]
      if (/^(input|loss|grad|generate)$/.test(base)) continue
      const found = out[camel(base)]
      const got = (index === undefined ? found : (found as OutputArray[])[Number(index)]) as OutputArray
      const counts = pair && !base.startsWith('encoder') ? () => true : real(want, inputs.attentionMask)
      const off = difference(got.data, want.data, counts)
      if (!(off < bar) || got.shape.join() !== want.shape.join())
        short.push(`${key} [${got.shape.join()}] off by ${off}`)
    }
    expect(short).toEqual([])
  })
})

describe('gradients', () => {
  it.each(cases.filter(([name]) => hasGradients(readCase(name))))('of %s', async (name, AutoClass) => {
    const { folder, expected, inputs } = readCase(name)
    await using model = await AutoClass.fromPretrained(folder)
    const names = [...model.namedParameters()].map(([parameterName]) => parameterName)
    using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
      const { lossSum, count } = trainingLoss(model, batch)
      return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
    })
    const found = await compiled(packTrainingBatch(model, inputs) as never)
    expect(found.length).toBe(names.length)
    const short = names.flatMap((parameterName, i) => {
      const want = expected[`grad.${parameterName}`]!
      const got = { shape: found[i]!.shape, data: found[i]!.data as Float32Array }
      // A key's bias has no gradient but rounding (every score of a row moves alike).
      const isNone = parameterName.endsWith('key.bias')
      const off = isNone ? Math.hypot(...got.data) * 100 : relative(got.data, want.data)
      const fits = off < gradientBar && got.shape.join() === want.shape.join()
      return fits ? [] : [`${parameterName} off by ${off}`]
    })
    expect(short).toEqual([])
  })
})

describe('greedy tokens', () => {
  it.each(cases.filter(([name]) => 'generate.greedy' in readCase(name).expected))(
    'of %s',
    async (name, AutoClass) => {
      const { folder, expected, inputs } = readCase(name)
      await using model = (await AutoClass.fromPretrained(folder)) as GenerativeModel
      const { inputIds, attentionMask } = inputs
      const { sequences } = await model.generate(
        { inputIds, attentionMask },
        { maxNewTokens: 12, doSample: false, numBeams: 1 },
      )
      const trim = (row: readonly number[]) => row.join().replace(/(,0)+$/, '')
      expect(sequences.map(trim)).toEqual((nested(expected['generate.greedy']!) as number[][]).map(trim))
    },
  )
})
