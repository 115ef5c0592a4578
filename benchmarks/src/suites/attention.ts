import { attention, compile, gradients, native, sum, tensor } from '@tiny/core'
import type { Case } from '../measure.js'
import { Draw } from '../random.js'

const [heads, headDim] = [12, 64]

/** Sequence lengths, with PyTorch's flash attention in float32 as GFLOP/s of useful work (causal counts as half). */
const kinds = [
  { length: 128, causal: false, forward: 80, both: 57 },
  { length: 512, causal: true, forward: 54, both: 39 },
  { length: 1024, causal: false, forward: 127, both: 126 },
  { length: 2048, causal: true, forward: 86, both: 81 },
  { length: 8192, causal: true, forward: undefined, both: undefined },
]

/** Float32 peak of the machine on which the peer's figures were taken, two threads. */
const peerPeak = 225

const peer = (gflops: number | undefined) =>
  gflops === undefined ? {} : { peer: { name: 'PyTorch', share: gflops / peerPeak } }

/** One sequence, twelve heads of 64; forward alone, and with the gradients of q, k and v. */
export function attentionSuite(): Case[] {
  return kinds.flatMap(({ length, causal, forward, both }) => {
    const operations = (4 * heads * headDim * length * length) / (causal ? 2 : 1)
    const name = `${length} ${causal ? 'causal' : 'full'}`
    const prepare = (withGradients: boolean) => async () => {
      const draw = new Draw(1)
      const make = () => tensor(draw.normal(length * heads * headDim), { shape: [length, heads * headDim] })
      const [q, k, v] = [make(), make(), make()]
      const queryOffsets = tensor(Int32Array.of(0, length), { shape: [2] })
      const step = compile(
        () => {
          const o = attention(q, k, v, { heads, headDim, causal, queryOffsets })
          if (!withGradients) return [native(o)]
          const found = gradients(sum(o), [q, k, v])
          return [...found.values()].map((gradient) => native(gradient))
        },
        { name: 'attention' },
      )
      return {
        async run() {
          for (const result of await step({})) result.dispose()
        },
        dispose() {
          step.dispose()
          for (const one of [q, k, v, queryOffsets]) one.dispose()
        },
      }
    }
    return [
      { name: `forward ${name}`, tokens: length, operations, ...peer(forward), prepare: prepare(false) },
      // Seven products where the forward pass has two; counted as 2.5 times it in addition, as is usual.
      {
        name: `forward and backward ${name}`,
        tokens: length,
        operations: operations * 3.5,
        ...peer(both),
        prepare: prepare(true),
      },
    ]
  })
}
