import { gradients, tensor, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { normal } from '../parameters/initialisers.js'
import { Weights } from '../parameters/weights.js'
import { activationOf } from './activations.js'
import { clampedGlu, Experts, MixtureOfExperts, plainGlu, type ExpertsOptions } from './experts.js'
import { Linear } from './linear.js'
import { Mlp } from './mlp.js'
import { balanceLoss, recordRouters, Router, type RouterOptions } from './router.js'

// Every block against a float64 computation of one token after another.
type Rows = number[][]
const weight = normal(1)
const silu = activationOf('silu', 'hidden_act')

let seed = 5
const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5
const rowsOf = (rows: number, width: number): Rows =>
  Array.from({ length: rows }, () => Array.from({ length: width }, () => Math.fround(2 * random())))

/** Gives everything that was declared contents, and returns them by name. */
function fill(weights: Weights): Map<string, number[]> {
  const contents = new Map<string, number[]>()
  for (const { name, parameter } of weights.all) {
    if (parameter.materialised) continue
    const values = rowsOf(
      1,
      parameter.shape.reduce((product, size) => product * size, 1),
    )[0]!
    parameter.materialise(tensor(values, { shape: parameter.shape }))
    contents.set(name, values)
  }
  return contents
}

const numbers = async (x: Tensor): Promise<number[]> => [...((await x.data()) as Float32Array)]
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const softmax = (x: readonly number[]): number[] => {
  const all = x.map((value) => Math.exp(value))
  const total = all.reduce((sum, value) => sum + value)
  return all.map((value) => value / total)
}
const order = (x: readonly number[]): number[] => x.map((_, i) => i).sort((a, b) => x[b]! - x[a]! || a - b)
/** W x of W [out, x.length], row-major. */
const product = (w: readonly number[], x: readonly number[]): number[] =>
  Array.from({ length: w.length / x.length }, (_, i) => dot(w.slice(i * x.length, (i + 1) * x.length), x))

/** What `toEqual` takes for these numbers, give or take rounding. */
const near = (numbers: readonly number[]) => numbers.map((x) => expect.closeTo(x, 4) as number)

describe('routers', () => {
  const width = 7
  const experts = 6
  const x = rowsOf(9, width)

  async function routed(options: Omit<RouterOptions, 'width' | 'experts' | 'weight'>) {
    const weights = Weights.root()
    const router = new Router(weights, { width, experts, weight, ...options })
    const contents = fill(weights)
    const { indices, weights: shares } = router.route(tensor(x))
    const logits = x.map((row) =>
      product(contents.get('weight')!, row).map((logit, e) => logit + (contents.get('bias')?.[e] ?? 0)),
    )
    return { indices: await numbers(indices), shares: await numbers(shares), logits, contents }
  }

  it('take the largest probabilities, as they are or divided by their sum', async () => {
    for (const normalise of [undefined, 0]) {
      const { indices, shares, logits } = await routed({
        perToken: 3,
        scores: 'softmax',
        normalise,
        scaling: 1.5,
      })
      const expected = logits.map(softmax)
      expect(indices).toEqual(expected.flatMap((row) => order(row).slice(0, 3)))
      expect(shares).toEqual(
        near(
          expected.flatMap((row) => {
            const best = order(row)
              .slice(0, 3)
              .map((e) => row[e]!)
            const sum = normalise === undefined ? 1 : best.reduce((total, share) => total + share)
            return best.map((share) => (1.5 * share) / sum)
          }),
        ),
      )
    }
  })

  it('take the softmax of the largest logits, which a bias is part of', async () => {
    const { indices, shares, logits } = await routed({ perToken: 2, scores: 'softmax-of-chosen', bias: true })
    expect(indices).toEqual(logits.flatMap((row) => order(row).slice(0, 2)))
    expect(shares).toEqual(
      near(
        logits.flatMap((row) =>
          softmax(
            order(row)
              .slice(0, 2)
              .map((e) => row[e]!),
          ),
        ),
      ),
    )
  })

  it.each(['best', 'best-two'] as const)('choose within the best groups, by their %s', async (by) => {
    const { indices, shares, logits, contents } = await routed({
      perToken: 2,
      scores: 'sigmoid',
      normalise: 1e-20,
      scaling: 2.5,
      correction: 'e_score_correction_bias',
      groups: { count: 3, chosen: 2, by },
    })
    const bias = contents.get('e_score_correction_bias')!
    const expected = logits.map((row) => {
      const scores = row.map(sigmoid)
      const choice = scores.map((score, e) => score + bias[e]!)
      const pairs = [0, 1, 2].map((group) => choice.slice(2 * group, 2 * group + 2))
      const kept = order(
        pairs.map((pair) => (by === 'best' ? Math.max(...pair) : pair[0]! + pair[1]!)),
      ).slice(0, 2)
      const chosen = order(
        choice.map((score, e) => (kept.includes(Math.floor(e / 2)) ? score : -Infinity)),
      ).slice(0, 2)
      return { chosen, shares: chosen.map((e) => scores[e]!) }
    })
    expect(indices).toEqual(expected.flatMap(({ chosen }) => chosen))
    expect(shares).toEqual(
      near(expected.flatMap(({ shares: [a, b] }) => [(2.5 * a!) / (a! + b!), (2.5 * b!) / (a! + b!)])),
    )
  })

  it('show their logits to whoever records them', async () => {
    const weights = Weights.root()
    const router = new Router(weights, { width, experts, weight, perToken: 1, scores: 'softmax' })
    const matrix = fill(weights).get('weight')!
    const { logits } = recordRouters(() => router.route(tensor(x)))
    expect(logits.length).toBe(1)
    expect(await numbers(logits[0]!)).toEqual(near(x.flatMap((row) => product(matrix, row))))
    expect(recordRouters(() => 1)).toEqual({ result: 1, logits: [] })
  })

  it('are balanced over the tokens of all layers, or those that count', async () => {
    const layers = [rowsOf(5, experts), rowsOf(5, experts)]
    for (const rows of [undefined, [0, 2, 3]]) {
      const counted = layers.flatMap((layer) => (rows === undefined ? layer : rows.map((row) => layer[row]!)))
      const chosen = counted.map((row) => order(row).slice(0, 2))
      const loss = Array.from({ length: experts }, (_, e) => {
        const share = chosen.filter((row) => row.includes(e)).length / counted.length
        return (share * counted.reduce((sum, row) => sum + softmax(row)[e]!, 0)) / counted.length
      }).reduce((sum, term) => sum + term)
      const found = balanceLoss(
        layers.map((layer) => tensor(layer)),
        {
          experts,
          perToken: 2,
          rows: rows && tensor(rows, { dtype: 'int32' }),
        },
      )
      expect(await found.item()).toBeCloseTo(experts * loss, 5)
    }
  })
})

describe('experts', () => {
  const width = 5
  const inner = 3
  const experts = 4
  const x = rowsOf(6, width)
  // Nobody chooses expert 2.
  const chosen = [0, 3, 3, 1, 1, 0, 0, 1, 3, 0, 1, 3]
  const shares = rowsOf(6, 2)
  const route = () => ({
    indices: tensor(chosen, { dtype: 'int32', shape: [6, 2] }),
    weights: tensor(shares),
  })
  const each = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' }
  const options: ExpertsOptions = { width, inner, experts, weight, glu: plainGlu(silu), each }

  type Answer = (e: number, row: number[]) => number[]
  const expected = (answer: Answer): number[] =>
    x.flatMap((row, t) => {
      const [a, b] = [0, 1].map((j) => answer(chosen[2 * t + j]!, row).map((y) => y * shares[t]![j]!))
      return a!.map((y, i) => y + b![i]!)
    })
  const glu = (gate: number[], up: number[]): number[] => gate.map((g, i) => g * sigmoid(g) * up[i]!)

  it('have matrices of their own', async () => {
    const weights = Weights.root()
    const block = new Experts(weights, options)
    const own = fill(weights)
    expect([...own.keys()].slice(0, 4)).toEqual([
      '0.gate_proj.weight',
      '0.up_proj.weight',
      '0.down_proj.weight',
      '1.gate_proj.weight',
    ])
    const found = block.apply(tensor(x), route())
    expect(await numbers(found)).toEqual(
      near(
        expected((e, row) => {
          const [gate, up] = ['gate', 'up'].map((name) => product(own.get(`${e}.${name}_proj.weight`)!, row))
          return product(own.get(`${e}.down_proj.weight`)!, glu(gate!, up!))
        }),
      ),
    )
    const parameters = weights.all.map(({ parameter }) => parameter)
    const idle = weights.all.flatMap(({ name }, i) => (name.startsWith('2.') ? [i] : []))
    const all = [...gradients(found.sum(), parameters)].map(([, gradient]) => gradient!)
    for (const i of idle) expect(new Set(await numbers(all[i]!))).toEqual(new Set([0]))
    expect((await numbers(all[0]!)).every((value) => value !== 0)).toBe(true)
  })

  it('stand in stacks where the file has them so', async () => {
    const weights = Weights.root({ holds: (name) => name === 'mlp.experts.gate_up_proj' })
    const block = new Experts(weights.at('mlp').at('experts'), options)
    const own = fill(weights)
    expect([...own.keys()]).toEqual(['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'])
    expect(await numbers(block.apply(tensor(x), route()))).toEqual(
      near(
        expected((e, row) => {
          const part = (name: string, size: number) =>
            own.get(`mlp.experts.${name}`)!.slice(e * size, (e + 1) * size)
          const both = product(part('gate_up_proj', 2 * inner * width), row)
          return product(part('down_proj', inner * width), glu(both.slice(0, inner), both.slice(inner)))
        }),
      ),
    )
  })

  it('stand transposed with biases, gates and ups alternating and clamped', async () => {
    const weights = Weights.root()
    const clamped = clampedGlu({ alpha: 1.702, limit: 0.4 })
    const block = new Experts(weights, {
      width,
      inner,
      experts,
      weight,
      glu: clamped,
      stack: 'transposed-with-bias',
    })
    const own = fill(weights)
    expect([...own.keys()]).toEqual(['gate_up_proj', 'gate_up_proj_bias', 'down_proj', 'down_proj_bias'])
    const layer = (name: string, e: number, row: readonly number[]): number[] => {
      const out = own.get(`${name}_bias`)!.length / experts
      return Array.from({ length: out }, (_, j) =>
        row.reduce(
          (sum, value, i) => sum + value * own.get(name)![(e * row.length + i) * out + j]!,
          own.get(`${name}_bias`)![e * out + j]!,
        ),
      )
    }
    let hit = 0
    const want = expected((e, row) => {
      const both = layer('gate_up_proj', e, row)
      const hidden = Array.from({ length: inner }, (_, i) => {
        const gate = Math.min(both[2 * i]!, 0.4)
        const up = Math.max(-0.4, Math.min(both[2 * i + 1]!, 0.4))
        hit += gate === 0.4 || Math.abs(up) === 0.4 ? 1 : 0
        return gate * sigmoid(1.702 * gate) * (up + 1)
      })
      return layer('down_proj', e, hidden)
    })
    expect(hit).toBeGreaterThan(3)
    expect(await numbers(block.apply(tensor(x), route()))).toEqual(near(want))
  })

  it('share a network, whose weight a gate may give, and join the residual', async () => {
    for (const gated of [false, true]) {
      const weights = Weights.root()
      const product_ = (name: string) => ({ name, weight })
      const parts = {
        router: new Router(weights.at('gate'), { width, experts, weight, perToken: 2, scores: 'softmax' }),
        experts: new Experts(weights.at('experts'), options),
        shared: new Mlp(weights.at('shared'), {
          width,
          inner: 4,
          activation: silu,
          bias: false,
          dropout: { output: 0 },
          gate: product_('gate'),
          up: product_('up'),
          down: product_('down'),
        }),
        sharedGate: gated
          ? new Linear(weights.at('shared_gate'), width, 1, { weight, bias: false })
          : undefined,
      }
      const own = fill(weights)
      const input = tensor(x)
      const alone = await numbers(parts.experts.apply(input, parts.router.route(input)))
      const want = x.flatMap((row, t) => {
        const [gate, up] = ['gate', 'up'].map((name) => product(own.get(`shared.${name}.weight`)!, row))
        const common = product(own.get('shared.down.weight')!, glu(gate!, up!))
        const share = gated ? sigmoid(dot(own.get('shared_gate.weight')!, row)) : 1
        return common.map((y, i) => alone[t * width + i]! + share * y)
      })
      const block = new MixtureOfExperts(parts)
      expect(await numbers(block.apply(input))).toEqual(near(want))
      expect(await numbers(block.apply(input, input))).toEqual(near(want.map((y, i) => y + x.flat()[i]!)))
    }
  })
})
