import { describe, expect, it } from 'vitest'
import {
  compile,
  evaluate,
  input,
  matmul,
  native,
  parameter,
  tensor,
  variable,
  zeros,
  type Tensor,
} from '../index.js'

const size = 128
const ones = () => input('float32', [size, size], new Float32Array(size * size).fill(1))

/** Adds 1 to its variable, after some matrix products. */
function slowCounter() {
  const count = variable('count', [0])
  const step = compile(({ x }: { x: Tensor }) => {
    let product = x
    for (let i = 0; i < 50; i++) product = matmul(product, x).scale(1 / size)
    const next = count.add(product.mean().reshape([1]))
    count.assign(next)
    return { next: native(next) }
  })
  return { count, step: () => step.enqueue({ x: ones() }) }
}

describe('while a training step is in flight', () => {
  it('reads and calls see the version of their own moment', async () => {
    const { count, step } = slowCounter()
    const seen: Promise<unknown>[] = []
    const look = compile(() => ({ now: count.scale(10) }))
    for (let i = 0; i < 3; i++) {
      seen.push(count.data().then(([value]) => value))
      seen.push(look({}).then(({ now }) => now.data[0]))
      const { results } = step()
      seen.push(results.next.data().then(([value]) => value))
    }
    expect(await Promise.all(seen)).toEqual([0, 0, 1, 1, 10, 2, 2, 20, 3])
    expect(await count.data()).toEqual(Float32Array.of(3))
  })

  it('updates by hand and compiled ones follow each other', async () => {
    const { count, step } = slowCounter()
    count.assign([10])
    const first = step()
    count.assign(count.scale(2))
    const second = step()
    await Promise.all([first.done, second.done])
    expect(await count.data()).toEqual(Float32Array.of(23))
    expect(await first.results.next.data()).toEqual(Float32Array.of(11))
  })

  it('dispose() lets it finish', async () => {
    const { count, step } = slowCounter()
    const first = step()
    const doubled = first.results.next.scale(2)
    const reading = doubled.data()
    first.results.next.dispose()
    count.dispose()
    await first.done
    expect(await reading).toEqual(Float32Array.of(2))
    expect(() => count.scale(1)).toThrow(/disposed/)
  })

  it('results that are transferred away harm nothing', async () => {
    const large = compile(({ x }: { x: Tensor }) => {
      let product = x
      for (let i = 0; i < 20; i++) product = matmul(product, x).scale(1 / size)
      return { small: product.mean(), large: matmul(product.reshape([size * size, 1]), zeros([1, 16])) }
    })
    for (const which of ['small', 'large'] as const) {
      const { results, done } = large.enqueue({ x: ones() })
      const { data } = results[which]
      // Node refuses to transfer some, by an error or by a copy.
      let copy: typeof data | undefined
      try {
        copy = structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })
      } catch {
        copy = undefined
      }
      await done
      expect(copy?.[0] ?? 0).toBe(0)
      expect([1, undefined]).toContain(results.small.data[0])
    }
  })

  it('the event loop turns', async () => {
    const { step } = slowCounter()
    let turns = 0
    // A busy machine may give this thread its next turn only after a whole step, so as many steps as it takes: an engine
    // that blocks the loop never lets one turn fall into a step.
    for (let steps = 0; turns < 20 && steps < 2000; steps++) {
      let over = false
      const done = step().done.then(() => (over = true))
      while (!over) {
        await new Promise((resolve) => setImmediate(resolve))
        if (!over) turns++
      }
      await done
    }
    expect(turns).toBeGreaterThanOrEqual(20)
  })
})

describe('evaluations', () => {
  it('run in order, whoever waits for them', async () => {
    const order: number[] = []
    const weight = parameter('weight', [[1, 1], [1, 1]]) // prettier-ignore
    const promises = Array.from({ length: 20 }, async (_, i) => {
      if (i % 3 === 0) weight.assign(weight.scale(2))
      await evaluate(i % 2 === 0 ? weight : tensor([i]).exp())
      order.push(i)
    })
    await Promise.all(promises)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect((await weight.data())[0]).toBe(2 ** 7)
  })
})
