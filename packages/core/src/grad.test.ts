import { describe, expect, it } from 'vitest'
import { GradientError, OptionError, StaleGraphError } from './errors.js'
import {
  crossEntropy,
  embedding,
  evaluate,
  gradients,
  layerNorm,
  matmul,
  parameter,
  tensor,
  valueAndGrad,
  type Parameter,
  type Tensor,
} from './index.js'

const wave = (count: number, phase: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + phase))
const weights = (name: string, shape: number[], phase: number) =>
  parameter(name, {
    shape,
    data: wave(
      shape.reduce((a, b) => a * b, 1),
      phase,
    ),
  })

describe('valueAndGrad', () => {
  // An embedding, a normalised and a fused hidden layer, a tied output and its loss: [3 tokens, 4 wide, 5 words].
  const params = {
    table: weights('table', [5, 4], 0),
    weight: weights('weight', [4, 4], 1),
    bias: weights('bias', [4], 2),
    scale: weights('scale', [4], 3),
  }
  const ids = tensor(Int32Array.of(0, 3, 3))
  const labels = tensor(Int32Array.of(1, 4, 2))
  const loss = (): Tensor => {
    const x = layerNorm(embedding(params.table, ids), { weight: params.scale })
    const hidden = matmul(x, params.weight, { bias: params.bias, residual: x, activation: 'gelu' })
    const [sum, count] = crossEntropy(matmul(hidden, params.table, { transposeB: true }), labels)
    return sum.div(count)
  }

  it('agrees with finite differences', async () => {
    const { value, grads } = valueAndGrad(loss, Object.values(params))
    await evaluate(value, grads.values())
    expect(await value.item()).toBeGreaterThan(0)
    for (const param of Object.values(params)) {
      const found = (await grads.get(param)!.data()) as Float64Array
      const original = (await param.data()) as Float64Array
      const step = 1e-5
      for (let i = 0; i < original.length; i += 3) {
        const at = async (delta: number): Promise<number> => {
          const moved = original.slice()
          moved[i]! += delta
          param.assign(moved)
          return loss().item()
        }
        const difference = ((await at(step)) - (await at(-step))) / (2 * step)
        expect(found[i], `${param.name}[${i}]`).toBeCloseTo(difference, 7)
      }
      param.assign(original)
    }
  })

  it('leaves out what the loss does not depend on', () => {
    const other = weights('other', [2], 0)
    const { grads } = valueAndGrad(loss, [params.bias, other])
    expect([...grads.keys()]).toEqual([params.bias])
    expect(grads.get(params.bias)!.shape).toEqual([4])
  })

  it('differentiates with respect to tensors, too, and gradients again', async () => {
    const x = tensor([2], { dtype: 'float64' })
    const cube = x.mul(x).mul(x).sum()
    const first = gradients(cube, [x]).get(x)!
    const second = gradients(first.sum(), [x]).get(x)!
    expect(await first.item()).toBeCloseTo(12)
    expect(await second.item()).toBeCloseTo(12)
  })

  it('runs forward ops whose own result nobody reads', async () => {
    const x = weights('x', [2, 4], 0)
    for (const forward of [
      () => matmul(x, params.weight, { activation: 'gelu' }),
      () => layerNorm(x, { weight: params.scale }),
      () => x.rmsNorm(params.scale),
    ]) {
      const alone = await gradients(forward().sum(), [x]).get(x)!.data()
      const y = forward()
      const grad = gradients(y.sum(), [x]).get(x)!
      await evaluate(y, grad)
      expect(alone).toEqual(await grad.data())
    }
  })

  it('refuses what is no scalar', () => {
    expect(() => gradients(params.bias.scale(2), [params.bias])).toThrow(GradientError)
    expect(() => gradients(params.bias.scale(2), [params.bias])).toThrow('[4]')
    expect(() => valueAndGrad(() => 3 as unknown as Tensor, [])).toThrow(OptionError)
  })
})

describe('updates', () => {
  const make = (): Parameter => parameter('w', [1, 2])

  it('are read by what is built after them, and run once', async () => {
    const w = make()
    for (let i = 0; i < 3; i++) w.assign(w.scale(2))
    const y = w.scale(1)
    expect(await y.data()).toEqual(Float32Array.of(8, 16))
    await evaluate(w)
    expect(await w.data()).toEqual(Float32Array.of(8, 16))
  })

  it('make a graph of the old version stale once they ran', async () => {
    const w = make()
    const before = w.scale(10)
    const read = w.scale(3)
    w.assign([5, 6])
    await evaluate(read)
    expect(await read.data()).toEqual(Float32Array.of(3, 6))
    await evaluate(w)
    await expect(before.data()).rejects.toThrow(StaleGraphError)
    await expect(before.data()).rejects.toThrow("'w'")
    expect(await w.data()).toEqual(Float32Array.of(5, 6))
  })

  it('must fit', () => {
    const w = make()
    expect(() => w.assign(tensor([1, 2, 3]))).toThrow(/\[3\].*\[2\]/)
    expect(() => w.assign([1, 2, 3])).toThrow('3 elements do not fill shape [2]')
    expect(() => w.assign(tensor([1, 2], { dtype: 'float64' }))).toThrow(/float64/)
  })
})
