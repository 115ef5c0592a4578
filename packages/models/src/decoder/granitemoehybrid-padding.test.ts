import { describe, expect, it } from 'vitest'
import { difference } from '../../test/golden.js'
import { hybridForward } from '../../test/mamba-reference.js'
import { shake } from '../../test/shake.js'
import { AutoModelForCausalLM } from '../auto.js'

// transformers gives a recurrence zeros in place of padding, of which the bias of its first product makes something,
// and lets states fade over padding between tokens.

const vocabulary = 31
const config = {
  model_type: 'granitemoehybrid',
  vocab_size: vocabulary,
  hidden_size: 16,
  shared_intermediate_size: 14,
  num_hidden_layers: 2,
  layer_types: ['mamba', 'mamba'],
  num_attention_heads: 4,
  num_local_experts: 0,
  mamba_n_heads: 4,
  mamba_d_state: 5,
  bos_token_id: null,
  eos_token_id: null,
}
const biased = { ...config, mamba_proj_bias: true }
const rows = [
  [9, 9, 9, 22, 4, 17, 30, 8],
  [14, 21, 3, 11, 5, 6, 19, 2],
]
const onTheLeft = [
  [0, 0, 0, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 1, 1, 1, 1],
]
const between = [
  [0, 0, 0, 1, 1, 0, 0, 1],
  [1, 0, 1, 1, 1, 1, 0, 1],
]
const onTheRight = [onTheLeft[1]!, [1, 1, 1, 1, 1, 0, 0, 0]]

describe('padding', () => {
  it.each([
    ['on the left', config, onTheLeft],
    ['on the left, with a bias', biased, onTheLeft],
    ['between tokens', config, between],
    ['between tokens, with a bias', biased, between],
    ['on the right, with a bias', biased, onTheRight],
  ] as const)('%s is what transformers makes of it, with labels and without', async (_, config, mask) => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const tensors = shake(model)
    const attentionMask = mask.map((row) => [...row])
    const want = rows.flatMap((ids, r) =>
      hybridForward(tensors, config, ids, attentionMask[r]).logits.flatMap((values) => [...values]),
    )
    const labelled = await model.run({ inputIds: rows, attentionMask, labels: rows })
    expect(difference(labelled.logits!.data, want)).toBeLessThan(1e-4)
    const { logits } = await model.run({ inputIds: rows, attentionMask })
    const real = (i: number) => mask.flat()[Math.floor(i / vocabulary)] === 1
    expect(difference(logits!.data, want, real)).toBeLessThan(1e-4)
  })

  it('before a prompt is read while it is continued', async () => {
    await using model = await AutoModelForCausalLM.fromConfig({ ...biased, mamba_d_conv: 3 })
    shake(model)
    const prompts = [
      [9, 9, 9, 22],
      [14, 21, 3, 11],
    ]
    const attentionMask = [
      [0, 0, 0, 1],
      [1, 1, 1, 1],
    ]
    const options = { maxNewTokens: 9, doSample: false } as const
    const { sequences } = await model.generate({ inputIds: prompts, attentionMask }, options)
    const { sequences: free } = await model.generate({ inputIds: [[22]] }, options)
    expect(sequences[0]!.slice(3)).not.toEqual(free[0])
    for (let i = 0; i < 9; i++) {
      const { logits } = await model.run({ inputIds: prompts, attentionMask }, { outputLogits: 'last' })
      prompts.forEach((row, r) => {
        const scores = logits!.data.subarray(r * vocabulary, (r + 1) * vocabulary)
        row.push(scores.indexOf(Math.max(...scores)))
        attentionMask[r]!.push(1)
      })
    }
    expect(sequences).toEqual(prompts)
  })

  it('between the tokens of a prompt is refused', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const refused = model.generate({ inputIds: rows, attentionMask: between }, { maxNewTokens: 1 })
    await expect(refused).rejects.toThrow(/attentionMask masks columns between tokens/)
  })
})
