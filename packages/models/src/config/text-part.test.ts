import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { difference, goldenFolder, inputsOf, readGolden, safetensorsBytes } from '../../test/golden.js'
import { AutoConfig, AutoModel, AutoModelForCausalLM } from '../auto.js'
import { textPartOf } from './text-part.js'

describe('the part of a model of images and text that reads text', () => {
  it('has what the whole says of it', () => {
    const text_config = { hidden_size: 8, eos_token_id: 7, pad_token_id: 3 }
    const whole = {
      model_type: 'gemma3',
      text_config,
      vision_config: {},
      eos_token_id: [1, 106],
      dtype: 'float16',
    }
    expect(textPartOf(whole)).toEqual({
      model_type: 'gemma3_text',
      tie_word_embeddings: true,
      hidden_size: 8,
      pad_token_id: 3,
      eos_token_id: [1, 106],
      dtype: 'float16',
    })
    const named = {
      model_type: 'mistral3',
      text_config: { model_type: 'ministral3' },
      tie_word_embeddings: false,
    }
    expect(textPartOf(named)).toEqual({ model_type: 'ministral3', tie_word_embeddings: false })
    expect(textPartOf({ model_type: 'llama', text_config })).toEqual({ model_type: 'llama', text_config })
  })

  it('is refused by name where there is none, or none that is known', async () => {
    await expect(AutoConfig.fromConfig({ model_type: 'gemma3' })).rejects.toThrow(/nearest .* 'gemma3_text'/)
    const other = { model_type: 'mistral3', text_config: { model_type: 'mamba9' } }
    await expect(AutoConfig.fromConfig(other)).rejects.toThrow(/model_type 'mamba9' is not supported/)
  })

  it.each(['language_model.model.', 'model.language_model.'])('is read from tensors in %s', async (place) => {
    const golden = goldenFolder('decoder/gemma3')
    const folder = await mkdtemp(join(tmpdir(), 'tiny-text-part-'))
    try {
      const { model_type, ...rest } = JSON.parse(await readFile(join(golden, 'config.json'), 'utf8')) as {
        model_type: string
      }
      const whole = {
        model_type: 'gemma3',
        text_config: { model_type, ...rest },
        vision_config: { image_size: 28 },
      }
      await writeFile(join(folder, 'config.json'), JSON.stringify(whole))
      const tensors = Object.entries(readGolden(join(golden, 'model.safetensors'))).map(
        ([name, tensor]) => [name.replace(/^model\./, place), tensor] as const,
      )
      const vision = ['vision_tower.embeddings.weight', { shape: [2], data: [1, 2] }] as const
      await writeFile(
        join(folder, 'model.safetensors'),
        safetensorsBytes(Object.fromEntries([...tensors, vision])),
      )
      const expected = readGolden(join(golden, 'expected.safetensors'))
      const inputs = inputsOf(expected) as unknown as { inputIds: number[][]; attentionMask: number[][] }
      await using model = await AutoModelForCausalLM.fromPretrained(folder)
      expect(model.className).toBe('Gemma3ForCausalLM')
      expect(model.config.modelType).toBe('gemma3_text')
      expect(model.loadReport).toEqual({ drawn: [], absent: [], unread: ['vision_tower.embeddings.weight'] })
      const row = { inputIds: [inputs.inputIds[0]!] }
      const { logits } = await model.run(row)
      expect(difference(logits!.data, expected['logits']!.data.slice(0, logits!.data.length))).toBeLessThan(
        1e-4,
      )
      await using base = await AutoModel.fromPretrained(folder)
      expect((await base.run(row)).lastHiddenState!.shape).toEqual([1, row.inputIds[0]!.length, 32])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
