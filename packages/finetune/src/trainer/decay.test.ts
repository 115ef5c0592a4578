import { AutoModelForCausalLM, AutoModelForSeq2SeqLM } from '@tiny/models'
import { expect, it } from 'vitest'
import { decayGroups } from './decay.js'

const sizes = {
  hidden_size: 8,
  intermediate_size: 8,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 9,
}
const models = {
  gpt2: { config: { n_embd: 8, n_layer: 1, n_head: 2, vocab_size: 9 }, plain: /bias$|ln_\w+\.weight$/ },
  gpt_oss: {
    config: { ...sizes, num_hidden_layers: 1, head_dim: 4, num_local_experts: 2, num_experts_per_tok: 1 },
    plain: /bias|norm/,
  },
  granitemoehybrid: {
    config: {
      ...sizes,
      num_hidden_layers: 2,
      layer_types: ['mamba', 'attention'],
      num_local_experts: 0,
      shared_intermediate_size: 8,
      mamba_n_heads: 4,
      mamba_d_head: 4,
      mamba_d_state: 4,
      mamba_n_groups: 1,
    },
    plain: /bias|norm/,
  },
  t5: {
    config: { d_model: 8, d_kv: 4, d_ff: 8, num_layers: 1, num_heads: 2, vocab_size: 9 },
    plain: /layer_norm|relative_attention_bias/,
  },
}

// The names are those of transformers' get_decay_parameter_names for these models.
it.each(Object.entries(models))(
  'of %s decays what is neither norm nor bias',
  async (type, { config, plain }) => {
    const Auto = type === 't5' ? AutoModelForSeq2SeqLM : AutoModelForCausalLM
    await using model = await Auto.fromConfig({ model_type: type, ...config })
    const named = [...model.namedParameters()]
    const groups = decayGroups(named, 0.1)
    const decays = new Set(
      groups.flatMap(({ params, weightDecay }) => (weightDecay === 0.1 ? [...params] : [])),
    )
    const rest = named.filter(([, parameter]) => !decays.has(parameter)).map(([name]) => name)
    expect(rest).toEqual(named.map(([name]) => name).filter((name) => plain.test(name)))
    expect(groups.map(({ weightDecay }) => weightDecay)).toEqual([0.1, 0])
  },
)
