import { fileURLToPath } from 'node:url'
import {
  GradientError,
  input,
  matmul,
  mean,
  mul,
  openCheckpoint,
  OptionError,
  parameter,
  profile,
  square,
  sub,
  sum,
  tensor,
  UnsupportedError,
  valueAndGrad,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import { AdamW } from './adamw.js'

const golden = fileURLToPath(new URL('../../../../golden/optimizers/expected.safetensors', import.meta.url))

const random = new RandomStream(11)
const uniform = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random.uniform() - 0.5)
const inputWidth = 3

interface Regression {
  x: Tensor
  y: Tensor
}

/** Rows of a linear regression, their number symbolic. */
function rows(count: number) {
  return {
    x: input('float32', ['rows', inputWidth], uniform(count * inputWidth)),
    y: input('float32', ['rows', 2], uniform(count * 2)),
  }
}

type Rows = ReturnType<typeof rows>

function both(a: Rows, b: Rows): Rows {
  const joined = (p: Rows['x'], q: Rows['x']) =>
    input('float32', p.dims, Float32Array.of(...(p.data as Float32Array), ...(q.data as Float32Array)))
  return { x: joined(a.x, b.x), y: joined(a.y, b.y) }
}

const initial = uniform(2 * inputWidth)
const weightOf = (name = 'w'): Parameter => parameter(name, initial, { shape: [2, inputWidth] })
const summed =
  (w: Parameter) =>
  ({ x, y }: Regression) => {
    const squares = square(sub(matmul(x, w, { transposeB: true }), y))
    return { lossSum: sum(squares), count: sum(mul(squares, tensor(0)).add(tensor(1))) }
  }
const meanLoss =
  (w: Parameter) =>
  ({ x, y }: Regression) =>
    mean(square(sub(matmul(x, w, { transposeB: true }), y)))

describe('AdamW', () => {
  it("takes PyTorch's eight steps on PyTorch's gradients", async () => {
    const file = await openCheckpoint(golden)
    const read = async (name: string): Promise<Float32Array> =>
      (await file.tensor(name).data()) as Float32Array
    const w = parameter('w', await read('init.w'), { shape: [6, 5] })
    const b = parameter('b', await read('init.b'), { shape: [5] })
    await using optimizer = new AdamW([w, b], { lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.1 })
    const gw = await read('grads.w')
    const gb = await read('grads.b')
    for (let step = 0; step < 8; step++) {
      const grads = new Map([
        [w, tensor(gw.slice(step * 30, step * 30 + 30), { shape: [6, 5] })],
        [b, tensor(gb.slice(step * 5, step * 5 + 5))],
      ])
      const { gradNorm } = await optimizer.apply(grads)
      const all = [...gw.slice(step * 30, step * 30 + 30), ...gb.slice(step * 5, step * 5 + 5)]
      expect(gradNorm).toBeCloseTo(Math.hypot(...all), 5)
      for (const [name, p] of [
        ['w', w],
        ['b', b],
      ] as const) {
        const wanted = await read(`adamw.${name}.${step}`)
        ;(await p.data()).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 6))
      }
    }
    expect(optimizer.steps).toBe(8)
  })

  it('goes from loss to update in one call, and gives what apply gives', async () => {
    const w = weightOf()
    const same = weightOf()
    const options = { lr: 0.05, weightDecay: 0.1 }
    await using optimizer = new AdamW([w], options)
    await using other = new AdamW([same], options)
    for (const count of [4, 1, 7]) {
      const batch = rows(count)
      const stepped = await optimizer.step(meanLoss(w), batch, { maxGradNorm: 0.2 })
      const held = {
        x: tensor(batch.x.data as Float32Array, { shape: [count, 3] }),
        y: tensor(batch.y.data as Float32Array, { shape: [count, 2] }),
      }
      const { value, grads } = valueAndGrad(() => meanLoss(same)(held), [same])
      const loss = await value.item()
      expect(await other.apply(grads, { maxGradNorm: 0.2 })).toEqual({
        gradNorm: expect.closeTo(stepped.gradNorm, 5),
      })
      expect(stepped.loss).toBeCloseTo(loss, 5)
      const wanted = await same.data()
      ;(await w.data()).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 5))
    }
  })

  it('crosses into native code once for a step whose plan is there', async () => {
    const w = weightOf()
    await using optimizer = new AdamW([w])
    const loss = meanLoss(w)
    await optimizer.step(loss, rows(3), { lr: 0.1, maxGradNorm: 1 })
    const before = profile.crossings()
    await optimizer.step(loss, rows(5), { lr: 0.2, maxGradNorm: 2 })
    const apart = profile.crossings() - before
    const counting = profile.crossings() - profile.crossings()
    expect(apart + counting).toBe(1)
  })

  it('applies the gradients that there are, in any order', async () => {
    const [a, b] = [weightOf('a'), weightOf('b')]
    await using optimizer = new AdamW([a, b], { lr: 0.01, weightDecay: 0, eps: 0 })
    const grad = (value: number): Tensor =>
      tensor(new Float32Array(6).fill(value), { shape: [2, inputWidth] })
    await optimizer.apply(new Map([[a, grad(1)]]))
    await optimizer.apply(new Map([[b, grad(1)]]))
    const both = await optimizer.apply(
      new Map([
        [b, grad(2)],
        [a, grad(-2)],
      ]),
    )
    expect(both.gradNorm).toBeCloseTo(2 * Math.sqrt(12), 4)
    const [first] = await a.data()
    const [second] = await b.data()
    expect(Math.sign(first! - (initial[0]! - 0.01))).toBe(1)
    expect(Math.sign(second! - (initial[0]! - 0.01))).toBe(-1)
  })

  it('scales the gradient down to maxGradNorm', async () => {
    const sgdLike = { betas: [0, 0] as const, eps: 1e6, weightDecay: 0, lr: 1e6 } // w -= lr g / (|g| + 1e6)
    const w = weightOf()
    await using optimizer = new AdamW([w], sgdLike)
    const { gradNorm } = await optimizer.step(meanLoss(w), rows(5), { maxGradNorm: 0.01 })
    expect(gradNorm).toBeGreaterThan(0.02)
    const moved = Math.hypot(...(await w.data()).map((value, i) => value - initial[i]!))
    expect(moved).toBeCloseTo(0.01, 5)
  })

  it('accumulates: batches of unequal size weigh what they count', async () => {
    const a = rows(3)
    const b = rows(11)
    const w = weightOf()
    const same = weightOf()
    await using whole = new AdamW([w], { lr: 0.01 })
    await using halves = new AdamW([same], { lr: 0.01 })
    for (let step = 0; step < 3; step++) {
      const one = await whole.step(summed(w), both(a, b))
      const two = await halves.step(summed(same), [a, b])
      expect(two.loss).toBeCloseTo(one.loss, 5)
      expect(two.gradNorm).toBeCloseTo(one.gradNorm, 5)
    }
    const wanted = await w.data()
    ;(await same.data()).forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 5))
  })

  it('has learning rates by step and by group, and trains what is not frozen', async () => {
    const [slow, fast, frozen] = [weightOf('slow'), weightOf('fast'), weightOf('frozen')]
    frozen.requiresGrad = false
    const loss = ({ x, y }: Regression): Tensor =>
      mean(square(sub(matmul(x, slow.add(fast).add(frozen), { transposeB: true }), y)))
    await using optimizer = new AdamW(
      [
        { params: [slow], lr: 0.001 },
        { params: [fast, frozen], weightDecay: 0 },
      ],
      { lr: 0.01, weightDecay: 0, eps: 0 },
    )
    await optimizer.step(loss, rows(4), { lr: 0.5 })
    // The first step of Adam moves every element by the learning rate.
    const moved = async (p: Parameter): Promise<number[]> =>
      Array.from(await p.data(), (value, i) => Math.abs(value - initial[i]!))
    for (const by of await moved(slow)) expect(by).toBeCloseTo(0.05, 5)
    for (const by of await moved(fast)) expect(by).toBeCloseTo(0.5, 5)
    for (const by of await moved(frozen)) expect(by).toBe(0)
  })

  it('leaves everything as it was when a step is aborted, and goes on', async () => {
    const w = weightOf()
    await using optimizer = new AdamW([w], { lr: 0.1 })
    await optimizer.step(meanLoss(w), rows(4))
    const before = await w.data()
    const reason = new Error('stop')
    await expect(optimizer.step(meanLoss(w), rows(4), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const wrong = {
      x: input('float32', ['rows', inputWidth], uniform(6)),
      y: input('float32', ['rows', 2], uniform(6)),
    }
    await expect(optimizer.step(meanLoss(w), wrong)).rejects.toThrow(/rows|declared/)
    expect(await w.data()).toEqual(before)
    expect(optimizer.steps).toBe(1)
    await Promise.all([optimizer.step(meanLoss(w), rows(4)), optimizer.step(meanLoss(w), rows(4))])
    expect(optimizer.steps).toBe(3)
  })

  it('refuses what makes no optimizer and no step', async () => {
    const w = weightOf()
    expect(() => new AdamW([])).toThrow(OptionError)
    expect(() => new AdamW([w, w])).toThrow(/twice/)
    expect(() => new AdamW([{ params: [w] }, { params: [w] }])).toThrow(/twice/)
    expect(() => new AdamW([w], { weight_decay: 0.1 } as never)).toThrow(/weightDecay/)
    expect(() => new AdamW([w], { amsgrad: true } as never)).toThrow(UnsupportedError)
    expect(() => new AdamW([w], { betas: [0.9, 1] })).toThrow(/betas/)
    expect(() => new AdamW([w], { lr: -1 })).toThrow(/lr/)
    const half = parameter('half', null, { shape: [2], dtype: 'bfloat16' })
    expect(() => new AdamW([half])).toThrow(/'half'.*bfloat16.*float32/)
    await using optimizer = new AdamW([w])
    await expect(optimizer.step(meanLoss(w), [])).rejects.toThrow(OptionError)
    await expect(optimizer.step(meanLoss(w), rows(1), { max_grad_norm: 1 } as never)).rejects.toThrow(
      /maxGradNorm/,
    )
    await expect(optimizer.step(() => mean(tensor([1, 2])), rows(1))).rejects.toThrow(GradientError)
    await expect(optimizer.step((() => 5) as never, rows(1))).rejects.toThrow(/loss function/)
    await optimizer.dispose()
    await expect(optimizer.step(meanLoss(w), rows(1))).rejects.toThrow(/disposed/)
  })
})
