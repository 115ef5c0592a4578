import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { difference } from '../test/golden.js'
import {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
} from './auto.js'
import type { ModelInputs } from './inputs/pack.js'
import type { PreTrainedModel } from './model.js'
import type { ModelOutput, OutputArray } from './outputs/model-output.js'

const sizes = {
  vocab_size: 40,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 160,
}
const bert = { model_type: 'bert', intermediate_size: 64, ...sizes, initializer_range: 0.3 }
const gpt2 = { model_type: 'gpt2', ...sizes, initializer_range: 0.3 }
const t5 = {
  model_type: 't5',
  vocab_size: 40,
  d_model: 32,
  d_kv: 8,
  d_ff: 64,
  num_layers: 2,
  num_heads: 4,
  decoder_start_token_id: 0,
}

const row = (length: number, first = 3) =>
  Array.from({ length }, (_, i) => 1 + ((first * (i + 2) + i * i) % 39))
// One token, a tile's edge and beyond it.
const ragged = [row(1), row(65, 5), row(17, 7), row(130, 11)]
const labelsOf = (rows: number[][]) => rows.map((ids) => ids.map((id, i) => (i % 3 === 1 ? id : -100)))

const models: Record<string, PreTrainedModel> = {}
beforeAll(async () => {
  models['bert'] = await AutoModelForMaskedLM.fromConfig(bert, { seed: 1 })
  models['gpt2'] = await AutoModelForCausalLM.fromConfig(gpt2, { seed: 2 })
  models['t5'] = await AutoModelForSeq2SeqLM.fromConfig(t5, { seed: 3 })
})
afterAll(async () => {
  for (const model of Object.values(models)) await model.dispose()
})

/** Row s of [rows, columns, width], as long as its tokens. */
const rowOf = ({ shape, data }: OutputArray, s: number, length: number, from = 0) => {
  const [, columns, width] = shape as [number, number, number]
  return data.subarray((s * columns + from) * width, (s * columns + from + length) * width)
}

describe.each(['bert', 'gpt2', 't5'])('%s', (name) => {
  const inputsFor = (inputIds: number[][]): ModelInputs =>
    name === 't5' ? { inputIds, decoderInputIds: inputIds.map((ids) => ids.slice(0, 9)) } : { inputIds }

  it('gives a row the same bits alone and in a batch', async () => {
    const both = (await models[name]!.run(inputsFor(ragged))).logits!
    expect(both.lengths).toEqual(ragged.map((ids) => (name === 't5' ? Math.min(9, ids.length) : ids.length)))
    for (const [s, ids] of ragged.entries()) {
      const alone = (await models[name]!.run(inputsFor([ids]))).logits!
      expect(alone.lengths).toBeUndefined()
      expect(Buffer.compare(Buffer.from(alone.data), Buffer.from(rowOf(both, s, both.lengths![s]!)))).toBe(0)
    }
  })

  it('fills what a ragged row lacks with zeros', async () => {
    const { shape, data, lengths } = (await models[name]!.run(inputsFor(ragged))).logits!
    const width = shape[2]!
    for (const [s, length] of lengths!.entries()) {
      const rest = data.subarray((s * shape[1]! + length) * width, (s + 1) * shape[1]! * width)
      expect(rest.every((x) => x === 0)).toBe(true)
    }
  })

  it('sees no padding, on either side', async () => {
    const plain = (await models[name]!.run(inputsFor(ragged), {
      outputHiddenStates: true,
      outputAttentions: true,
    })) as ModelOutput
    const longest = Math.max(...ragged.map(({ length }) => length))
    const pad = (ids: number[], fill: number, left: boolean) => {
      const padding = Array.from({ length: longest - ids.length }, () => fill)
      return left ? [...padding, ...ids] : [...ids, ...padding]
    }
    for (const left of [false, true]) {
      const padded: ModelInputs = {
        inputIds: ragged.map((ids) => pad(ids, 0, left)),
        attentionMask: ragged.map((ids) =>
          pad(
            ids.map(() => 1),
            0,
            left,
          ),
        ),
        // Left-padded rows would count columns: positions are those of the tokens alone.
        ...(name === 't5'
          ? {}
          : {
              positionIds: ragged.map((ids) =>
                pad(
                  ids.map((_, i) => i),
                  0,
                  left,
                ),
              ),
            }),
        ...(name === 't5' ? { decoderInputIds: inputsFor(ragged).decoderInputIds } : {}),
      }
      const out = await models[name]!.run(padded, { outputHiddenStates: true, outputAttentions: true })
      const states = name === 't5' ? 'encoderHiddenStates' : 'hiddenStates'
      const weights = name === 't5' ? 'encoderAttentions' : 'attentions'
      for (const [s, ids] of ragged.entries()) {
        const from = left ? longest - ids.length : 0
        const got = rowOf(out[states]!.at(-1)!, s, ids.length, from)
        expect(difference(got, rowOf(plain[states]!.at(-1)!, s, ids.length))).toBeLessThan(1e-6)
        const square = (output: OutputArray, start: number) => {
          const values: number[] = []
          const base = s * 4 * longest * longest
          for (let i = 0; i < ids.length; i++)
            for (let j = 0; j < ids.length; j++)
              values.push(output.data[base + (start + i) * longest + start + j]!)
          return values
        }
        expect(difference(square(out[weights]![1]!, from), square(plain[weights]![1]!, 0))).toBeLessThan(1e-6)
      }
      expect(out.logits!.lengths === undefined).toBe(name !== 't5')
      expect(out[states]![0]!.shape).toEqual([ragged.length, longest, 32])
    }
  })

  it('gives the mean loss of all labels, whatever the rows', async () => {
    const labelled = (rows: number[][]): ModelInputs => ({ inputIds: rows, labels: labelsOf(rows) })
    const whole = (await models[name]!.run(labelled(ragged), { outputLogits: false })) as ModelOutput
    expect(whole.logits).toBeUndefined()
    let sum = 0
    let count = 0
    for (const ids of ragged) {
      const labels = labelsOf([ids])[0]!
      const counted = labels.slice(name === 'gpt2' ? 1 : 0).filter((label) => label !== -100).length
      if (counted === 0) continue
      sum += (await models[name]!.run(labelled([ids]))).loss! * counted
      count += counted
    }
    expect(whole.loss).toBeCloseTo(sum / count, 5)
  })
})

describe('logits', () => {
  it('of the last token are those of all', async () => {
    const all = (await models['gpt2']!.run({ inputIds: ragged })).logits!
    const last = (await models['gpt2']!.run({ inputIds: ragged }, { outputLogits: 'last' })).logits!
    expect(last.shape).toEqual([ragged.length, 1, 40])
    for (const [s, ids] of ragged.entries()) {
      expect([...rowOf(last, s, 1)]).toEqual([...rowOf(all, s, 1, ids.length - 1)])
    }
  })

  it('of causal models do not see what follows', async () => {
    const [ids] = [row(20)]
    const whole = (await models['gpt2']!.run({ inputIds: [ids] })).logits!
    const cut = (await models['gpt2']!.run({ inputIds: [ids.slice(0, 11)] })).logits!
    expect([...cut.data]).toEqual([...rowOf(whole, 0, 11)])
  })

  it('of a masked token differ from those of a row without it', async () => {
    const ids = row(9)
    const holes = ids.map((_, i) => (i === 4 ? 0 : 1))
    const positions = ids.map((_, i) => i)
    const { logits } = await models['bert']!.run({
      inputIds: [ids],
      attentionMask: [holes],
      positionIds: [positions],
    })
    const without = await models['bert']!.run({
      inputIds: [ids.filter((_, i) => i !== 4)],
      positionIds: [positions.filter((i) => i !== 4)],
    })
    expect([...rowOf(logits!, 0, 4)]).toEqual([...rowOf(without.logits!, 0, 4)])
    expect([...rowOf(logits!, 0, 4, 5)]).toEqual([...rowOf(without.logits!, 0, 4, 4)])
  })
})

describe('heads of whole rows', () => {
  it.each([
    ['one class', [2, 0], {}],
    [
      'several labels',
      [
        [1, 0, 1],
        [0, 0, 1],
      ],
      {},
    ],
    [
      'numbers',
      [
        [0.5, 1, 2],
        [3, -1, 0],
      ],
      { problemType: 'regression' },
    ],
  ])('learn %s', async (kind, labels, options) => {
    const config = {
      ...bert,
      id2label: { 0: 'a', 1: 'b', 2: 'c' },
      ...('problemType' in options ? { problem_type: 'regression' } : {}),
    }
    await using model = await AutoModelForSequenceClassification.fromConfig(config, { seed: 4 })
    const { loss, logits } = await model.run({ inputIds: [row(5), row(8, 2)], labels })
    expect(logits!.shape).toEqual([2, 3])
    const x = logits!.data
    const each = (labels as (number | number[])[]).flatMap((label, s) => {
      const scores = [...x.subarray(s * 3, s * 3 + 3)]
      if (typeof label === 'number')
        return [Math.log(scores.reduce((sum, v) => sum + Math.exp(v), 0)) - scores[label]!]
      if (kind === 'numbers') return label.map((y, j) => (scores[j]! - y) ** 2)
      return label.map(
        (y, j) =>
          -(
            y * Math.log(1 / (1 + Math.exp(-scores[j]!))) +
            (1 - y) * Math.log(1 / (1 + Math.exp(scores[j]!)))
          ),
      )
    })
    expect(loss).toBeCloseTo(each.reduce((sum, v) => sum + v, 0) / each.length, 4)
  })

  it('take the last token of a decoder', async () => {
    await using model = await AutoModelForSequenceClassification.fromConfig(gpt2, { seed: 5 })
    const { logits } = await model.run({ inputIds: ragged })
    const alone = await model.run({ inputIds: [ragged[2]!] })
    expect(logits!.shape).toEqual([4, 2])
    expect([...logits!.data.subarray(4, 6)]).toEqual([...alone.logits!.data])
  })

  it('take the last token that is no padding, masked or not', async () => {
    await using model = await AutoModelForSequenceClassification.fromConfig(
      { ...gpt2, pad_token_id: 0 },
      { seed: 5 },
    )
    const { logits } = await model.run({ inputIds: [[5, 6, 7, 0, 0]] })
    expect([...logits!.data]).toEqual([...(await model.run({ inputIds: [[5, 6, 7]] })).logits!.data])
  })

  it('find spans in rows of their own length', async () => {
    await using model = await AutoModelForQuestionAnswering.fromConfig(bert, { seed: 6 })
    const { loss, startLogits, endLogits } = await model.run({
      inputIds: ragged,
      startPositions: [0, 3, 99, 100],
      endPositions: [0, 64, 2, 101],
    })
    const nll = ({ data, shape }: OutputArray, s: number, position: number) => {
      const scores = [...data.subarray(s * shape[1]!, s * shape[1]! + ragged[s]!.length)]
      return Math.log(scores.reduce((sum, v) => sum + Math.exp(v), 0)) - scores[position]!
    }
    const starts = (nll(startLogits!, 0, 0) + nll(startLogits!, 1, 3) + nll(startLogits!, 3, 100)) / 3
    const ends =
      (nll(endLogits!, 0, 0) + nll(endLogits!, 1, 64) + nll(endLogits!, 2, 2) + nll(endLogits!, 3, 101)) / 4
    expect(loss).toBeCloseTo((starts + ends) / 2, 4)
  })

  it('of base models are hidden states and what they come to', async () => {
    await using model = await AutoModel.fromConfig(bert, { seed: 7 })
    const { lastHiddenState, poolerOutput } = await model.run({ inputIds: [row(3), row(5)] })
    expect(lastHiddenState).toMatchObject({ shape: [2, 5, 32], lengths: [3, 5] })
    expect(poolerOutput!.shape).toEqual([2, 32])
    expect([...model.namedParameters()][0]![0]).toBe('embeddings.word_embeddings.weight')
  })
})
