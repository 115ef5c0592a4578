import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { compile, gradients, type Parameter, type Tensor } from '@tiny/core'
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
import type { GenerateOptions } from './generation/options.js'
import type { ModelInputs } from './inputs/pack.js'
import type { ModelOutput, OutputArray } from './outputs/model-output.js'
import { modelTypes } from './registry.js'
import { packTrainingBatch, trainingLoss } from './training.js'

// What PyTorch and transformers compute; the bars are those of the golden cases.
const bar = 1e-4
const gradientBar = 1e-3
/** PyTorch's rounding where a gradient is zero: a key's bias moves every score of a row alike. Ours is exactly that. */
const noise = 1e-5

interface CaseInfo {
  readonly model_type: string
  readonly head: string
  readonly architecture: string
  readonly generated: Record<string, Record<string, unknown>>
}

interface Case {
  readonly name: string
  readonly kind: string
  readonly folder: string
  readonly info: CaseInfo
  readonly expected: Record<string, GoldenTensor>
  readonly inputs: ModelInputs & { attentionMask: number[][]; inputIds: number[][] }
}

function readCase(kind: string, name: string): Case {
  const folder = goldenFolder(`${kind}/${name}`)
  const info = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8')) as CaseInfo
  const expected = readGolden(`${folder}/expected.safetensors`)
  return {
    name: `${kind}/${name}`,
    kind,
    folder,
    info,
    expected,
    inputs: inputsOf(expected) as unknown as Case['inputs'],
  }
}

const cases = ['encoder', 'decoder', 'seq2seq']
  .flatMap((kind) => readdirSync(goldenFolder(kind)).map((name) => readCase(kind, name)))
  .filter(({ info }) => modelTypes().includes(info.model_type))

const load = ({ folder, info }: Case) =>
  (auto as unknown as Record<string, auto.ModelClass<GenerativeModel>>)[
    `AutoModelFor${info.head}`
  ]!.fromPretrained(folder)

/** Elements of real tokens; of attention weights, those of real queries. */
function real(tensor: GoldenTensor, mask: number[][] | undefined): (i: number) => boolean {
  const { shape } = tensor
  const [rows, columns] = [mask?.length, mask?.[0]!.length]
  if (mask === undefined || Array.isArray(mask[0]![0]) || shape[0] !== rows) return () => true
  if (shape.length === 4) {
    const [, heads, queries, keys] = shape as [number, number, number, number]
    return (i) => mask[Math.floor(i / (heads * queries * keys))]![Math.floor(i / keys) % queries] === 1
  }
  if (shape[1] !== columns) return () => true
  const width = shape.slice(2).reduce((product, size) => product * size, 1)
  return (i) => mask[Math.floor(i / (width * columns!))]![Math.floor(i / width) % columns!] === 1
}

const hasGradients = ({ expected }: Case) => Object.keys(expected).some((key) => key.startsWith('grad.'))

describe('results', () => {
  it.each(cases)('of $name', async (golden) => {
    const { kind, info, expected, inputs } = golden
    await using model = await load(golden)
    expect(model.className).toBe(info.architecture)
    expect(model.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    const wanted = hasGradients(golden) ? { outputHiddenStates: true, outputAttentions: true } : {}
    const out = (await model.run(inputs, wanted)) as ModelOutput & Record<string, OutputArray | OutputArray[]>
    expect(Math.abs(out.loss! - expected['loss']!.data[0]!)).toBeLessThan(bar)
    const short: string[] = []
    for (const [key, want] of Object.entries(expected)) {
      const [base, index] = key.split('.') as [string, string | undefined]
      if (/^(input|loss|grad|generate)$/.test(base)) continue
      const found = out[camel(base)]
      const got = (index === undefined ? found : (found as OutputArray[] | undefined)?.[Number(index)]) as
        | OutputArray
        | undefined
      const counts =
        kind === 'seq2seq' && !base.startsWith('encoder') ? () => true : real(want, inputs.attentionMask)
      const off = got === undefined ? Infinity : difference(got.data, want.data, counts)
      if (!(off < bar) || got!.shape.join() !== want.shape.join())
        short.push(`${key} [${got?.shape.join()}] off by ${off}`)
    }
    expect(short).toEqual([])
  })
})

describe('without a mask, ragged', () => {
  const masked = cases.filter(
    ({ expected, inputs }) => expected['logits'] && !Array.isArray(inputs.attentionMask[0]![0]),
  )
  const perToken = ({ expected, inputs }: Case) => expected['logits']!.shape[1] === inputs.inputIds[0]!.length
  /** Whether a row begins with padding, which the heads of whole sequences look at. */
  const leads = ({ inputs }: Case) => inputs.attentionMask.some(([first]) => first === 0)

  function raggedInputs({ kind, inputs }: Case): ModelInputs & { inputIds: number[][] } {
    const { attentionMask: mask, labels, tokenTypeIds, ...plain } = inputs
    const kept = (rows: number[][]) => rows.map((row, i) => row.filter((_, j) => mask[i]![j] === 1))
    return {
      ...plain,
      inputIds: kept(plain.inputIds),
      ...(tokenTypeIds === undefined ? {} : { tokenTypeIds: kept(tokenTypeIds as number[][]) }),
      ...(kind === 'seq2seq' ? { labels } : {}),
    }
  }

  it.each(masked.filter((golden) => golden.kind !== 'decoder' && !leads(golden)))(
    'rows of $name give the same logits',
    async (golden) => {
      const want = golden.expected['logits']!
      await using model = await load(golden)
      const { logits } = await model.run(raggedInputs(golden))
      const own = golden.kind === 'seq2seq' || !perToken(golden)
      const counts = own ? () => true : real(want, golden.inputs.attentionMask)
      expect(difference(logits!.data, want.data, counts)).toBeLessThan(bar)
    },
  )

  // Padding on the left counts as positions in transformers, so only the first row is the golden one.
  it.each(masked.filter((golden) => golden.kind === 'decoder' && perToken(golden)))(
    'rows of $name give the same logits, alone and in company bit for bit',
    async (golden) => {
      const want = golden.expected['logits']!
      const ragged = raggedInputs(golden)
      await using model = await load(golden)
      const { data } = (await model.run(ragged)).logits!
      const [, length, vocabulary] = want.shape as [number, number, number]
      const start = length * vocabulary
      expect(difference(data.subarray(0, start), want.data.slice(0, start))).toBeLessThan(bar)
      const alone = (await model.run({ inputIds: [ragged.inputIds[1]!] })).logits!
      expect(data.slice(start, start + alone.data.length)).toEqual(alone.data)
    },
  )
})

describe('gradients', () => {
  it.each(cases.filter(hasGradients))('of $name', async (golden) => {
    const { expected, inputs } = golden
    await using model = await load(golden)
    const nameOf = new Map([...model.namedParameters()].map(([parameterName, one]) => [one, parameterName]))
    const trained = [...model.parameters()].filter(({ requiresGrad }) => requiresGrad)
    const names: string[] = [] // of parameters that the loss depends on
    using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
      const { lossSum, count } = trainingLoss(model, batch)
      return [...gradients(lossSum.div(count), trained)].map(([parameter, gradient]) => {
        names.push(nameOf.get(parameter as Parameter)!)
        return gradient
      })
    })
    const found = await compiled(packTrainingBatch(model, inputs) as never)
    expect(found.length).toBe(names.length)
    const compared = names.filter((name) => !/experts/.test(name))
    const wanted = Object.keys(expected).filter((key) => key.startsWith('grad.') && !/experts/.test(key))
    expect(compared.map((name) => `grad.${name}`).sort()).toEqual(wanted.sort())
    const short = compared.flatMap((name) => {
      const want = expected[`grad.${name}`]!
      const { shape, data } = found[names.indexOf(name)]!
      const isNoise = Math.hypot(...want.data) < noise
      const off = isNoise ? Math.hypot(...(data as Float32Array)) : relative(data as Float32Array, want.data)
      if (isNoise) return off === 0 ? [] : [`${name} is ${off} in place of zero`]
      return off < gradientBar && shape.join() === want.shape.join() ? [] : [`${name} off by ${off}`]
    })
    expect(short).toEqual([])
  })
})

describe('tokens', () => {
  const runs = cases.flatMap((golden) =>
    ['greedy', 'penalised']
      .filter((run) => golden.info.generated[run] !== undefined)
      .map((run) => ({ name: golden.name, run, golden })),
  )
  it.each(runs)('of $name, $run', async ({ golden, run }) => {
    const { info, expected, inputs } = golden
    await using model = await load(golden)
    const { inputIds, attentionMask } = inputs
    const options = Object.fromEntries(
      Object.entries(info.generated[run]!).map(([key, value]) => [camel(key), value]),
    ) as GenerateOptions
    const { sequences } = await model.generate({ inputIds, attentionMask }, options)
    const trim = (row: readonly number[]) => row.join().replace(/(,0)+$/, '')
    expect(sequences.map(trim)).toEqual((nested(expected[`generate.${run}`]!) as number[][]).map(trim))
  })
})

it('golden cases are those of families that there are', () => {
  expect(existsSync(goldenFolder('encoder/bert'))).toBe(true)
  expect(cases.length).toBeGreaterThan(0)
})
