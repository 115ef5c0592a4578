import { afterEach, describe, expect, it } from 'vitest'
import { IndexError, OutOfMemoryError } from '../errors.js'
import {
  adamw,
  compile,
  evaluate,
  gatherRows,
  gradients,
  input,
  matmul,
  memory,
  native,
  parameter,
  scalarInput,
  tensor,
  variable,
  type Tensor,
  type Variable,
} from '../index.js'
import { settledMemory } from '../../test/settled-memory.js'

const width = 64
const layers = 12

const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** A deep regression with AdamW: parameters, moments and the compiled step. */
function training() {
  const noise = (site: number) =>
    Float32Array.from({ length: width * width }, (_, i) => Math.sin(i * 12.9898 + site) * 0.1)
  const weights = Array.from({ length: layers }, (_, i) =>
    parameter(`layer${i}`, noise(i), { shape: [width, width] }),
  )
  const moments = weights.map(({ name }) =>
    ['m', 'v'].map((moment) => variable(`${name}.${moment}`, null, { shape: [width, width] })),
  ) as [Variable, Variable][]
  const step = compile(({ x, ids, lr, count }: { x: Tensor; ids: Tensor; lr: Tensor; count: Tensor }) => {
    let hidden = gatherRows(x, ids)
    for (const weight of weights) hidden = matmul(hidden, weight).tanh().add(hidden)
    const loss = hidden.square().mean()
    const found = gradients(loss, weights)
    weights.forEach((weight, i) =>
      adamw(weight, ...moments[i]!, { grad: found.get(weight)!, lr, step: count, weightDecay: 0.01 }),
    )
    return { loss, stays: native(loss) }
  })
  const call = (tokens: number, { id = 0, signal }: { id?: number; signal?: AbortSignal } = {}) =>
    step.enqueue(
      {
        x: input('float32', ['rows', width], new Float32Array(8 * width).fill(0.5)),
        ids: input('int32', ['tokens'], new Int32Array(tokens).fill(id)),
        lr: scalarInput(1e-3),
        count: scalarInput(1),
      },
      { signal },
    )
  const state = () => Promise.all([...weights, ...moments.flat()].map((variable) => variable.data()))
  return { weights, call, state }
}

afterEach(() => {
  memory.limit = 0
})

describe('a compiled training step that fails', () => {
  it('out of memory: every parameter and moment is bit for bit what it was, and the next step runs', async () => {
    const { call, state } = training()
    await call(8).done
    const before = await state()
    const live = await settledMemory()
    memory.limit = live + 2 ** 20
    await expect(call(4096).done).rejects.toThrow(OutOfMemoryError)
    memory.limit = 0
    expect(await state()).toEqual(before)
    expect(memory.stats().live).toBe(live)
    await call(8).done
    expect(await state()).not.toEqual(before)
  })

  it('says how many bytes were asked for and held', async () => {
    const { call } = training()
    memory.limit = memory.stats().live + 2 ** 20
    const error: unknown = await call(4096).done.catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', limit: memory.limit })
    const { requested, held } = error as { requested: number; held: number }
    expect(requested).toBeGreaterThan(2 ** 20)
    expect(held).toBeGreaterThan(0)
  })

  it('aborted at any moment: all of the step happened, or none of it', async () => {
    const { call, state } = training()
    await call(8).done
    const started = performance.now()
    await call(2048).done
    const duration = performance.now() - started
    const changed: string[] = []
    for (const share of [0, 0.05, 0.3, 0.6, 0.9, 0.99, 1.3]) {
      const before = await state()
      const controller = new AbortController()
      const { done } = call(2048, { signal: controller.signal })
      setTimeout(() => controller.abort(new Error('stop')), share * duration)
      const ending = await done.then(
        () => 'finished',
        (error: Error) => error.message,
      )
      const after = await state()
      const moved = after.filter((array, i) => Buffer.compare(bytes(array), bytes(before[i]!)) !== 0)
      changed.push(`${ending} ${moved.length}`)
    }
    const all = 3 * layers
    expect(new Set([...changed, `finished ${all}`])).toEqual(new Set(['stop 0', `finished ${all}`]))
  })

  it('on an id out of range: the error names it, parameters stay, and what was to use its results fails alike', async () => {
    const { weights, call, state } = training()
    const before = await state()
    const { done, results } = call(8, { id: 8 })
    const after = state()
    const dependent = results.stays.scale(2).data()
    await expect(done).rejects.toThrow(IndexError)
    await expect(dependent).rejects.toThrow(IndexError)
    await expect(dependent).rejects.toThrow(/8/)
    expect(await after).toEqual(before)
    expect(await weights[0]!.square().sum().item()).toBeGreaterThan(0)
  })
})

describe('an update made by hand that fails', () => {
  it('leaves its variable as it was', async () => {
    const weight = parameter('weight', [[1, 2], [3, 4]]) // prettier-ignore
    const old = weight.scale(2)
    weight.assign(gatherRows(weight, tensor(Int32Array.of(0, 5))))
    await expect(evaluate(weight)).rejects.toThrow(IndexError)
    expect(await old.data()).toEqual(Float32Array.of(2, 4, 6, 8))
  })
})
