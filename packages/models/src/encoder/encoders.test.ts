import { describe, expect, it } from 'vitest'
import { bar, configs, distilbert, ids, make, off, vocabularyLogits } from '../../test/encoder-models.js'
import { encoderStates, type Row } from '../../test/encoder-reference.js'
import { difference } from '../../test/golden.js'
import * as auto from '../auto.js'

// Options that no golden case uses, against a float64 reference.
describe('masked language models', () => {
  const variants: Record<string, Record<string, unknown>[]> = {
    bert: [
      {},
      { hidden_act: 'gelu_new' },
      { hidden_act: 'gelu_pytorch_tanh' },
      { hidden_act: 'relu' },
      { hidden_act: 'silu' },
      { hidden_act: 'tanh', layer_norm_eps: 1e-3, type_vocab_size: 3 },
      { tie_word_embeddings: false },
    ],
    roberta: [
      {},
      { pad_token_id: 7, hidden_act: 'silu' },
      { tie_word_embeddings: false, layer_norm_eps: 1e-3 },
    ],
    'xlm-roberta': [{}],
    camembert: [{}],
    electra: [{}, { embedding_size: 21 }, { tie_word_embeddings: false, hidden_act: 'tanh' }],
    mpnet: [{ tie_word_embeddings: false }, { relative_attention_num_buckets: 40, hidden_act: 'relu' }],
    albert: [
      { num_hidden_layers: 4, num_hidden_groups: 2 },
      { num_hidden_layers: 3, num_hidden_groups: 2, inner_group_num: 2 },
      { tie_word_embeddings: false, hidden_act: 'gelu', embedding_size: 21 },
    ],
    distilbert: [{ activation: 'relu', tie_word_embeddings: false }, { sinusoidal_pos_embds: true }],
  }
  const cases = Object.entries(variants).flatMap(([name, list]) => list.map((changes) => ({ name, changes })))
  it.each(cases)('of $name with $changes', async ({ name, changes }) => {
    const config = { ...configs[name]!, ...changes }
    const { model, tensors } = await make('MaskedLM', config)
    const { logits, hiddenStates } = await model.run({ inputIds: [ids] }, { outputHiddenStates: true })
    const states = encoderStates(tensors, config, { ids })
    expect(off(hiddenStates!.at(-1), states)).toBeLessThan(bar)
    expect(off(logits, vocabularyLogits(tensors, config, states))).toBeLessThan(bar)
    await model.dispose()
  })

  it('of MPNet sort far distances into the last bucket', async () => {
    const config = { ...configs['mpnet']!, max_position_embeddings: 180, num_hidden_layers: 1 }
    const far = Array.from({ length: 170 }, (_, i) => 2 + ((i * 7) % 29))
    const { model, tensors } = await make('', config)
    const { lastHiddenState } = await model.run({ inputIds: [far] })
    expect(off(lastHiddenState, encoderStates(tensors, config, { ids: far }, true))).toBeLessThan(bar)
    await model.dispose()
  })

  it('of ALBERT have the weights of a group once, and a state for every layer', async () => {
    const config = { ...configs['albert']!, num_hidden_layers: 6, num_hidden_groups: 2, inner_group_num: 2 }
    const { model } = await make('MaskedLM', config)
    const layers = new Set(
      [...model.namedParameters()].flatMap(([name]) => /groups\.\d+\.albert_layers\.\d+/.exec(name) ?? []),
    )
    expect([...layers]).toEqual([0, 1].flatMap((g) => [0, 1].map((l) => `groups.${g}.albert_layers.${l}`)))
    const { hiddenStates, attentions } = await model.run(
      { inputIds: [ids] },
      { outputHiddenStates: true, outputAttentions: true },
    )
    expect([hiddenStates!.length, attentions!.length]).toEqual([13, 12])
    await model.dispose()
  })

  it('of DistilBERT begin with sinusoids where the configuration says so', async () => {
    await using model = await auto.AutoModel.fromConfig({ ...distilbert, sinusoidal_pos_embds: true })
    const table = Object.fromEntries(model.namedParameters())['embeddings.position_embeddings.weight']!
    const data = await table.data()
    const angle = 3 / 10000 ** (4 / 20)
    expect([data[3 * 20 + 4], data[3 * 20 + 5]]).toEqual([Math.sin(angle), Math.cos(angle)].map(Math.fround))
  })
})

describe('positions', () => {
  it('of RoBERTa count ids, not the mask, and stand at padding for padding', async () => {
    const config = configs['roberta']!
    const { model, tensors } = await make('', config)
    const row: Row = { ids: [1, 4, 1, 9, 8, 1], mask: [0, 1, 1, 1, 1, 0] }
    const { lastHiddenState } = await model.run({
      inputIds: [row.ids as number[]],
      attentionMask: [row.mask as number[]],
    })
    const want = encoderStates(tensors, config, row, true)
    const width = want[0]!.length
    const counts = (i: number) => row.mask![Math.floor(i / width)] === 1
    expect(
      difference(
        lastHiddenState!.data,
        want.flatMap((r) => [...r]),
        counts,
      ),
    ).toBeLessThan(bar)
    await model.dispose()
  })

  it('that are given win', async () => {
    const { model } = await make('', configs['roberta']!)
    const inputIds = [[6, 7, 8]]
    const plain = await model.run({ inputIds })
    const given = await model.run({ inputIds, positionIds: [[2, 3, 4]] })
    const other = await model.run({ inputIds, positionIds: [[0, 1, 2]] })
    expect(given.lastHiddenState!.data).toEqual(plain.lastHiddenState!.data)
    expect(other.lastHiddenState!.data).not.toEqual(plain.lastHiddenState!.data)
    await expect(model.run({ inputIds: [Array.from({ length: 49 }, () => 3)] })).rejects.toThrow(
      /position 50 .* 50 positions/,
    )
    await model.dispose()
  })
})

describe('decoders', () => {
  it.each(['bert', 'roberta', 'electra'])('of %s see what came before, and write', async (name) => {
    const config = { ...configs[name]!, is_decoder: true, eos_token_id: null }
    const { model, tensors } = await make('CausalLM', config)
    const { logits } = await model.run({ inputIds: [ids] })
    const want = vocabularyLogits(tensors, config, encoderStates(tensors, config, { ids }))
    expect(off(logits, want)).toBeLessThan(bar)
    const prompt = ids.slice(0, 4).map((id) => (id === 1 ? 2 : id))
    const { sequences } = await (
      model as never as { generate: (...a: unknown[]) => Promise<{ sequences: number[][] }> }
    ).generate({ inputIds: [prompt] }, { maxNewTokens: 5 })
    const written = [...prompt]
    for (let i = 0; i < 5; i++) {
      // transformers' generate numbers tokens from 0, whatever the model does by itself.
      const states = encoderStates(tensors, config, { ids: written, positions: [...written.keys()] })
      const last = vocabularyLogits(tensors, config, states).at(-1)!
      written.push(last.indexOf(Math.max(...last)))
    }
    expect(sequences).toEqual([written])
    await model.dispose()
  })
})

describe('configurations', () => {
  it.each([
    [{ ...configs['albert'], num_hidden_groups: 5 }, 'num_hidden_groups'],
    [{ ...configs['mpnet'], relative_attention_num_buckets: 16 }, 'relative_attention_num_buckets'],
    [{ ...configs['electra'], summary_type: 'attn' }, 'summary_type'],
    [{ ...configs['roberta'], hidden_size: 20 }, 'hidden_size'],
    [{ ...distilbert, n_heads: 7 }, 'dim'],
    [{ ...configs['roberta'], add_cross_attention: true }, 'add_cross_attention'],
  ])('are refused by name: %j', async (config, key) => {
    await expect(auto.AutoModel.fromConfig(config)).rejects.toMatchObject({ name: 'ConfigError', key })
  })
})
