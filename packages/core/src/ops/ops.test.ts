import { describe, expect, it, vi } from 'vitest'
import * as api from '../index.js'
import { core } from '../native.js'
import type { Tensor } from '../tensor.js'

const { tensor, zeros, ones } = api
const rows = ones([3, 4])
const row = ones([4])
const ids = tensor(Int32Array.of(0, 1, 1))
const offsets = tensor(Int32Array.of(0, 2, 3))
const key = tensor(Int32Array.of(1, 2))
const scalar = tensor(1)
const state = (name: string) => api.variable(name, null, { shape: [2, 2] })
const heads = { heads: 2, headDim: 2 }

const { add, sub, mul, div, maximum, minimum, neg, exp, log, sqrt, rsqrt, square, abs, tanh } = api
const binary = { add, sub, mul, div, maximum, minimum }
const { sigmoid, relu, gelu, geluTanh, silu, softmax, logSoftmax } = api
const activations = { sigmoid, relu, gelu, geluTanh, silu, softmax, logSoftmax }
const unary = { neg, exp, log, sqrt, rsqrt, square, abs, tanh, ...activations }

type Use = [op: string, shapes: unknown, call: () => unknown]

/** A use of every op with all its options: its native name, the shapes of its results, and the call. */
const uses: Use[] = [
  ...Object.entries(binary).map(([op, call]): Use => [op, [3, 4], () => call(rows, row)]),
  ...Object.entries(unary).map(([op, call]): Use => [op, [3, 4], () => call(rows)]),
  ['pow', [3, 4], () => api.pow(rows, 3)],
  ['clamp', [3, 4], () => api.clamp(rows, { max: 1 })],
  ['where', [3, 4], () => api.where(rows, rows, rows)],
  ['scale', [3, 4], () => api.scale(rows, 2)],
  ['cast', [3, 4], () => api.cast(rows, 'float64')],
  ['checkpoint', [3, 4], () => api.checkpoint((x) => x.exp(), rows)],
  [
    'matmul',
    [3, 5],
    () =>
      api.matmul(rows, ones([5, 4]), {
        bias: ones([5]),
        residual: ones([3, 5]),
        transposeB: true,
        activation: 'gelu',
        alpha: 2,
        transposeA: false,
        precision: 'float32',
        dtype: 'float32',
      }),
  ],
  [
    'linearCrossEntropy',
    [[], []],
    () =>
      api.linearCrossEntropy(rows, ones([5, 4]), ids, {
        bias: ones([5]),
        ignoreIndex: 0,
        labelSmoothing: 0.1,
        scale: 0.5,
        precision: 'float32',
      }),
  ],
  [
    'editScores',
    [3, 4],
    () =>
      api.editScores(rows, {
        offsets: tensor(Int32Array.of(0, 1, 1, 2)),
        edits: tensor(Int32Array.of(api.scoreEdit.add, 0, api.scoreEdit.set, api.everyColumn)).reshape([
          2, 2,
        ]),
        values: ones([2]),
      }),
  ],
  ['crossEntropy', [[], []], () => api.crossEntropy(rows, ids, { ignoreIndex: 0, labelSmoothing: 0.1 })],
  ['layerNorm', [3, 4], () => api.layerNorm(rows)],
  ['layerNorm', [[3, 4], [3, 4]], () => api.addLayerNorm(rows, rows, { weight: row, bias: row, eps: 1e-12 })], // prettier-ignore
  ['rmsNorm', [3, 4], () => api.rmsNorm(rows, row, { zeroCentred: true })],
  ['rmsNorm', [[3, 4], [3, 4]], () => api.addRmsNorm(rows, rows, row, { eps: 1e-5 })], // prettier-ignore
  [
    'rotaryTable',
    [3, 4],
    () =>
      api.rotaryTable(ids, ones([1, 2]), {
        offsets,
        choose: 'dynamic',
        threshold: 2,
        factor: 2,
        base: 10,
        scaling: 1.5,
      }),
  ],
  [
    'rotate',
    [3, 4],
    () => api.rotate(rows, ones([3, 2]), { headDim: 4, start: 1, interleaved: true, transposed: true }),
  ],
  ['argmax', [3], () => api.argmax(rows)],
  ['sum', [3], () => api.sum(rows, 'last')],
  ['mean', [4], () => api.mean(rows, 'rows')],
  ['max', [], () => api.max(rows)],
  ['sumSquares', [], () => api.sumSquares([rows, row])],
  ['allFinite', [], () => api.allFinite([rows, row])],
  ['embedding', [3, 4], () => api.embedding(rows, ids, { paddingIdx: 0 })],
  ['gatherRows', [3, 4], () => api.gatherRows(rows, ids)],
  ['padRows', [2, 2, 4], () => api.padRows(rows, offsets, 2)],
  ['unpadRows', [3, 4], () => api.unpadRows(ones([2, 2, 4]), offsets, 3)],
  ['shiftRows', [3, 4], () => api.shiftRows(rows, offsets, -1, tensor(Int32Array.of(0, 2, 1)))],
  [
    'headProducts',
    [3, 10],
    () => api.headProducts(rows, ones([5, 4]), { heads: 2, transposeA: false, transposeB: true, scale: 2 }),
  ],
  ['segmentMean', [2, 4], () => api.segmentMean(rows, offsets)],
  ['segmentMax', [2, 4], () => api.segmentMax(rows, offsets)],
  [
    'causalConv',
    [3, 4],
    () =>
      api.causalConv(rows, ones([4, 1, 2]), {
        bias: row,
        offsets,
        activation: 'silu',
        state: { cache: zeros([4, 4]), readSlots: ids.sliceRows(0, 2), writeSlots: ids.sliceRows(0, 2) },
      }),
  ],
  [
    'stateScan',
    [3, 4],
    () =>
      api.stateScan(
        {
          x: rows,
          dt: ones([3, 2]),
          a: ones([2]),
          b: rows,
          c: rows,
          offsets,
          d: ones([2]),
          dtBias: ones([2]),
        },
        {
          heads: 2,
          groups: 2,
          dtMin: 0.1,
          dtMax: 2,
          state: { cache: zeros([4, 8]), readSlots: ids.sliceRows(0, 2), writeSlots: ids.sliceRows(0, 2) },
        },
      ),
  ],
  ['concat', [6, 4], () => api.concat([rows, rows], 'rows')],
  ['concat', [3, 8], () => api.concat([rows, rows], 'last')],
  ['reshape', [2, 6], () => api.reshape(rows, [2, -1])],
  ['sliceRows', [2, 4], () => api.sliceRows(rows, 1, 2)],
  ['sliceColumns', [3, 2], () => api.sliceColumns(rows, 1, 2)],
  ['transpose', [4, 3], () => api.transpose(rows)],
  ['contiguous', [3, 2], () => api.contiguous(api.sliceColumns(rows, 1, 2))],
  ['detach', [3, 4], () => api.detach(rows)],
  ['full', [2], () => api.full([2], 7, { dtype: 'int32' })],
  ['topK', [[3, 2], [3, 2]], () => api.topK(rows, 2)], // prettier-ignore
  ['gatherLast', [3, 1], () => api.gatherLast(rows, api.reshape(ids, [3, 1]))],
  ['markColumns', [3, 5], () => api.markColumns(api.reshape(ids, [3, 1]), 5)],
  ['sortByExpert', [[3], [3], [3, 1]], () => Object.values(api.sortByExpert(api.reshape(ids, [3, 1]), 2))],
  [
    'expertMatmul',
    [3, 5],
    () =>
      api.expertMatmul(rows, offsets, [ones([5, 4]), ones([5, 4])], {
        bias: ones([2, 5]),
        transposeB: true,
        precision: 'float32',
      }),
  ],
  ['combineExperts', [3, 4], () => api.combineExperts(rows, api.reshape(ids, [3, 1]), ones([3, 1]))],
  ['dropout', [3, 4], () => api.dropout(rows, key, { p: 0.5, site: 3 })],
  ['randomNormal', [2, 3], () => api.randomNormal([2, 3], { mean: 1, std: 0.02, seed: 1, dtype: 'float64' })],
  ['randomUniform', [2, 3], () => api.randomUniform([2, 3], { min: -1, max: 1, seed: 1, site: 2 })],
  ['assign', [2, 2], () => state('x').assign([[1, 2], [3, 4]])], // prettier-ignore
  [
    'adamw',
    undefined,
    () =>
      api.adamw(state('p'), state('m'), state('v'), {
        grad: ones([2, 2]),
        lr: scalar,
        step: scalar,
        clip: scalar,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-6,
        weightDecay: 0,
      }),
  ],
  [
    'attention',
    [[3, 4], [3, 2]], // prettier-ignore
    () =>
      api.attentionLse(rows, rows, rows, {
        ...heads,
        kvHeads: 2,
        valueDim: 2,
        queryOffsets: offsets,
        keyOffsets: offsets,
        scale: 0.5,
        site: 4,
        key,
        causal: true,
        queryTerms: rows,
        queryTable: tensor(Int32Array.of(0, 1, 1)),
        keyTerms: rows,
        keyTable: tensor(Int32Array.of(1)),
        windowLeft: 5,
        windowRight: 0,
        softcap: 3,
        dropout: 0.1,
        bias: ones([2, 2]),
        bucketTable: tensor(Int32Array.of(0, 1, 0)),
        sinks: ones([2]),
        positionsQ: ids,
        positionsK: ids,
      }),
  ],
  [
    'cachedAttention',
    [3, 4],
    () =>
      api.cachedAttention(rows, zeros([2, 64, 4]), zeros([2, 64, 4]), {
        ...heads,
        queryOffsets: offsets,
        lengths: tensor(Int32Array.of(2, 1)),
        scale: 0.1,
        blockTable: tensor(Int32Array.of(0, 1), { shape: [2, 1] }),
        sinks: ones([2]),
      }),
  ],
  ['cacheAppend', [2, 64, 4], () => api.cacheAppend(zeros([2, 64, 4]), rows, ids)],
  [
    'attentionWeights',
    [2, 2, 2, 3],
    () =>
      api.attentionWeights(rows, rows, {
        ...heads,
        queryOffsets: offsets,
        queries: 2,
        keys: 3,
        causal: true,
        keyTerms: rows,
        keyTable: tensor(Int32Array.of(1, 0, 1)),
      }),
  ],
]

const shapesOf = (result: unknown): unknown =>
  Array.isArray(result) ? result.map(shapesOf) : (result as Tensor | undefined)?.shape

describe('ops', () => {
  it('has a typed wrapper for every native op, and uses here for all', () => {
    expect([...new Set(uses.map(([op]) => op))].sort()).toEqual(core().ops().sort())
  })

  it.each(uses)('%s gives %j', (op, shapes, call) => {
    const apply = vi.spyOn(core(), 'apply')
    const result = call()
    expect(apply.mock.lastCall?.[0]).toBe(op)
    apply.mockRestore()
    expect(shapesOf(result)).toEqual(shapes)
  })

  it.each(uses.filter(([, shapes]) => Array.isArray((shapes as unknown[] | undefined)?.[0])))(
    '%s gives each of its results alone',
    async (_, shapes, call) => {
      const together = call() as Tensor[]
      await api.evaluate(together)
      for (let i = 0; i < (shapes as unknown[]).length; i++) {
        const alone = (call() as Tensor[])[i]!
        expect(await alone.data()).toEqual(await together[i]!.data())
      }
    },
  )
})
