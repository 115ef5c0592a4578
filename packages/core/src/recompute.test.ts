import { describe, expect, it } from 'vitest'
import { OptionError } from './errors.js'
import {
  checkpoint,
  compile,
  dropout,
  evaluate,
  input,
  memory,
  native,
  nextRandomSite,
  parameter,
  randomKey,
  tensor,
  valueAndGrad,
  variable,
  withRandomKey,
  type Parameter,
  type Tensor,
} from './index.js'

const wave = (count: number, phase: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 0.3 * Math.sin(i * 1.7 + phase))

interface Layer {
  up: Parameter
  down: Parameter
}

function layersOf(count: number, width: number): Layer[] {
  return Array.from({ length: count }, (_, i) => ({
    up: parameter(`up${i}`, { shape: [width, 2 * width], data: wave(2 * width * width, i) }),
    down: parameter(`down${i}`, { shape: [2 * width, width], data: wave(2 * width * width, i + 0.5) }),
  }))
}

const mlp = (x: Tensor, { up, down }: Layer): Tensor => x.matmul(up).gelu().square().matmul(down).add(x)

describe('checkpoint', () => {
  const width = 16
  const layers = layersOf(3, width)
  const params = layers.flatMap(({ up, down }) => [up, down])
  const x = tensor({ shape: [7, width], data: wave(7 * width, 9) })

  async function gradientsOf(loss: () => Tensor): Promise<Float32Array[]> {
    const { value, grads } = valueAndGrad(loss, params)
    await evaluate(value, grads.values())
    const values = [value, ...params.map((param) => grads.get(param)!)]
    return Promise.all(values.map((tensor) => tensor.data<'float32'>()))
  }

  const lossOf = (run: (x: Tensor, layer: Layer) => Tensor) => (): Tensor =>
    layers.reduce(run, x).square().sum()

  it('changes no bit of value and gradients', async () => {
    const expected = await gradientsOf(lossOf(mlp))
    expect(await gradientsOf(lossOf((x, layer) => checkpoint(mlp, x, layer)))).toEqual(expected)
    // Nested: the whole stack around its layers.
    const stack = (x: Tensor): Tensor => layers.reduce((x, layer) => checkpoint(mlp, x, layer), x)
    expect(await gradientsOf(() => checkpoint(stack, x).square().sum())).toEqual(expected)
  })

  it('gives back what the function gives, in its shape', async () => {
    const split = (x: Tensor) => ({ halves: [x.scale(0.5), x.scale(2)] as const, name: 'split', same: x })
    const { halves, name, same } = checkpoint(split, x)
    expect(name).toBe('split')
    expect(await halves[1].data()).toEqual(await x.scale(2).data())
    expect(await same.data()).toEqual(await x.data())
    expect(checkpoint(() => 3)).toBe(3)
  })

  it('draws the same numbers again', async () => {
    const dropped = (x: Tensor, layer: Layer): Tensor => {
      const { key, site } = nextRandomSite('dropout')
      return dropout(mlp(x, layer), key, { p: 0.4, site })
    }
    const run = (loss: () => Tensor) => async (): Promise<Float32Array[]> => {
      const step = compile(({ key }: { key: Tensor }) =>
        withRandomKey(key, () => {
          const { value, grads } = valueAndGrad(loss, params)
          return [value, ...params.map((param) => grads.get(param)!)]
        }),
      )
      const results = await step({ key: randomKey(5, 1) })
      step.dispose()
      return results.map(({ data }) => data as Float32Array)
    }
    const expected = await run(lossOf(dropped))()
    expect(await run(lossOf((x, layer) => checkpoint(dropped, x, layer)))()).toEqual(expected)
  })

  it('lowers the memory of a stack', async () => {
    const [rows, width, depth] = [256, 64, 12]
    const tall = layersOf(depth, width)
    const wrt = tall.flatMap(({ up, down }) => [up, down])
    const peakOf = async (layer: typeof mlp): Promise<number> => {
      const step = compile(({ x }: { x: Tensor }) => {
        const { grads } = valueAndGrad(() => tall.reduce((x, each) => layer(x, each), x).sum(), wrt)
        return wrt.map((param) => native(grads.get(param)!))
      })
      memory.resetPeak()
      const before = memory.stats().live
      const results = await step({ x: input('float32', [rows, width], wave(rows * width, 0)) })
      const peak = memory.stats().peak - before
      for (const tensor of results) tensor.dispose()
      step.dispose()
      return peak / (rows * width * 4)
    }
    const [whole, checkpointed] = [await peakOf(mlp), await peakOf((x, layer) => checkpoint(mlp, x, layer))]
    // In units of one layer's output: what a layer keeps (4 and more), against its input alone.
    expect(whole).toBeGreaterThan(checkpointed + 2 * depth)
  })

  it('refuses what cannot be computed twice', () => {
    const state = variable('state', [1, 2])
    expect(() => checkpoint(() => state.assign([3, 4]).scale(2))).toThrow(/writes a variable/)
    expect(() => checkpoint(async () => x)).toThrow(OptionError)
  })
})
