import { compile, evaluate, gradients, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import {
  emptyFolder,
  families,
  folderOf,
  inputs,
  readConfig,
  separate,
  stacked,
  tensorsOf,
  write,
} from '../../test/experts.js'
import { difference, readGolden, relative, type GoldenTensor } from '../../test/golden.js'
import { AutoModel, AutoModelForCausalLM } from '../auto.js'
import { withRecomputation } from '../blocks/recompute.js'
import { recordRouters } from '../blocks/router.js'
import { packInputs } from '../inputs/pack.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

describe.each(families)('%s', (family) => {
  it("has the experts' gradients that PyTorch has", async () => {
    const golden = readGolden(`${folderOf(family)}/expected.safetensors`)
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    const named = [...model.namedParameters()]
    using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
      const { lossSum, count } = trainingLoss(model, batch)
      return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
    })
    const results = await compiled(packTrainingBatch(model, inputs(family)) as never)
    const found = Object.fromEntries(
      named.map(([name], i) => [name, results[i] as unknown as GoldenTensor] as const),
    )
    const form = family in separate ? stacked(family, found) : found
    const wanted = Object.keys(golden).filter((key) => /^grad\..*experts/.test(key) && !/shared/.test(key))
    expect(wanted.length).toBeGreaterThan(0)
    for (const key of wanted) {
      const got = form[key.slice('grad.'.length)]!
      expect(got.shape).toEqual(golden[key]!.shape)
      expect(relative(got.data, golden[key]!.data)).toBeLessThan(1e-3)
    }
  })

  it('is saved as it was loaded', async () => {
    const folder = emptyFolder()
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    await model.savePretrained(folder)
    expect(tensorsOf(folder)).toEqual(tensorsOf(folderOf(family)))
  })

  it('writes the same tokens alone and in company', async () => {
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    const prompts = [[5, 17, 23, 4, 40], [7], [9, 9, 31, 44, 2, 14, 3], [41, 6]]
    const options = { maxNewTokens: 9, minNewTokens: 9, doSample: false } as const
    const together = await model.generate({ inputIds: prompts }, options)
    for (const [i, prompt] of prompts.entries()) {
      const alone = await model.generate({ inputIds: [prompt] }, options)
      expect(alone.sequences[0]).toEqual(together.sequences[i])
    }
  })
})

describe.each(Object.keys(separate))('%s with its experts in stacks', (family) => {
  it('computes the same, and is saved so', async () => {
    const tensors = stacked(family, tensorsOf(folderOf(family)))
    const folder = write(readConfig(family), tensors)
    await using each = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    await using together = await AutoModelForCausalLM.fromPretrained(folder)
    expect(together.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    const [one, other] = [await each.run(inputs(family)), await together.run(inputs(family))]
    expect(difference(other.logits!.data, one.logits!.data)).toBeLessThan(1e-6)
    const saved = emptyFolder()
    await together.savePretrained(saved)
    const found = tensorsOf(saved)
    const renamed = Object.entries(tensors).map(
      ([name, value]) =>
        [
          name.replace('.mlp.gate.', `.${family === 'mixtral' ? 'block_sparse_moe' : 'mlp'}.gate.`),
          value,
        ] as const,
    )
    expect(found).toEqual(Object.fromEntries(renamed))
  })
})

describe('balance', () => {
  it.each(['mixtral', 'granitemoe', 'qwen3_moe', 'gpt_oss'])(
    'joins the loss of %s where it is asked for',
    async (family) => {
      const config = { ...readConfig(family), output_router_logits: true, router_aux_loss_coef: 0.7 }
      const folder = write(config, tensorsOf(folderOf(family)))
      await using plain = await AutoModelForCausalLM.fromPretrained(folderOf(family))
      await using balanced = await AutoModelForCausalLM.fromPretrained(folder)
      const input = inputs(family) as { inputIds: number[][]; attentionMask: number[][] }
      const [without, withIt] = [await plain.run(input), await balanced.run(input)]
      expect(withIt.logits!.data).toEqual(without.logits!.data)

      // Of real tokens alone, whatever padding the loss looks at.
      const { inputIds, attentionMask } = input
      const { logits } = recordRouters(() =>
        plain.forward(packInputs({ inputIds, attentionMask }, plain.packSpec).batch),
      )
      await evaluate([...logits])
      let [experts, tokens] = [0, 0]
      const chosen: number[] = []
      const probabilities: number[] = []
      for (const layer of logits) {
        experts = layer.shape[1]!
        const data = await layer.data()
        for (let t = 0; t < layer.shape[0]!; t++, tokens++) {
          const row = Array.from({ length: experts }, (_, e) => Math.exp(Number(data[t * experts + e])))
          const total = row.reduce((sum, value) => sum + value)
          const best = row
            .map((_, e) => e)
            .sort((a, b) => row[b]! - row[a]!)
            .slice(0, 2)
          row.forEach((value, e) => {
            probabilities[e] = (probabilities[e] ?? 0) + value / total
            chosen[e] = (chosen[e] ?? 0) + (best.includes(e) ? 1 : 0)
          })
        }
      }
      expect(tokens).toBe(2 * attentionMask.flat().filter(Boolean).length)
      const auxiliary =
        chosen.reduce((sum, count, e) => sum + (count / tokens) * (probabilities[e]! / tokens), 0) * experts
      expect(withIt.loss! - without.loss!).toBeCloseTo(0.7 * auxiliary, 4)
      expect(withIt.auxLoss).toBeCloseTo(auxiliary, 4)

      // As a call says, whatever the configuration does.
      const asked = await plain.run(input, { outputRouterLogits: true })
      expect(asked.auxLoss).toBe(withIt.auxLoss)
      expect(asked.routerLogits).toEqual(withIt.routerLogits)
      const spared = await balanced.run(input, { outputRouterLogits: false })
      expect(spared.loss).toBe(without.loss)
      expect([spared.routerLogits, spared.auxLoss, without.routerLogits]).toEqual(Array(3).fill(undefined))
    },
  )
})

describe("routers' logits", () => {
  it('are laid out as the tokens are', async () => {
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf('qwen2_moe'))
    const rows = [[5, 6, 7], [9]]
    const { routerLogits } = await model.run({ inputIds: rows })
    expect(routerLogits!.map(({ shape }) => shape)).toEqual([[6, 5]]) // one layer of two has experts
    const [alone] = (await model.run({ inputIds: [rows[1]!] })).routerLogits!
    expect(routerLogits![0]!.data.slice(15)).toEqual(
      Float32Array.of(...alone!.data, ...Array<number>(10).fill(0)),
    )
    await using base = await AutoModel.fromPretrained(folderOf('qwen2_moe'))
    const { routerLogits: same, auxLoss } = await base.run({ inputIds: rows })
    expect(same).toEqual(routerLogits)
    expect(auxLoss).toBeUndefined()
  })

  it('are refused where there are none', async () => {
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf('llama'))
    await expect(model.run({ inputIds: [[5]] }, { outputRouterLogits: true })).rejects.toThrow(
      /has no routers/,
    )
    await expect(model.run({ inputIds: [[5]] }, { outputRouterLogits: 1 as never })).rejects.toThrow(
      /outputRouterLogits is true or false/,
    )
  })
})

describe('gradients', () => {
  it('of balanced experts are the same where layers are computed again for them', async () => {
    const config = { ...readConfig('qwen3_moe'), output_router_logits: true, router_aux_loss_coef: 0.5 }
    await using model = await AutoModelForCausalLM.fromPretrained(
      write(config, tensorsOf(folderOf('qwen3_moe'))),
    )
    const gradientsOf = async (build: (loss: () => Tensor) => Tensor) => {
      using compiled = compile((batch: never) => {
        const loss = build(() => {
          const { lossSum, count } = trainingLoss(model, batch)
          return lossSum.div(count)
        })
        return [...gradients(loss, model.parameters())].map(([, gradient]) => gradient)
      })
      const all = await compiled(packTrainingBatch(model, inputs('qwen3_moe')) as never)
      return all.map(({ data }) => data as Float32Array)
    }
    const kept = await gradientsOf((loss) => loss())
    const again = await gradientsOf((loss) => withRecomputation(loss).result)
    again.forEach((gradient, i) => expect(relative(gradient, kept[i]!)).toBeLessThan(1e-5))
  })
})
