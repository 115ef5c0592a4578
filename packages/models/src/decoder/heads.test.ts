import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as auto from '../auto.js'
import type { ModelClass } from '../auto.js'
import type { ModelInputs } from '../inputs/pack.js'
import type { PreTrainedModel } from '../model.js'
import { familyOf } from '../registry.js'

// What transformers calls the classes of each family and their heads' parameters.
const small = {
  vocab_size: 17,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  pad_token_id: 0,
  num_labels: 3,
}
const dense = { ...small, intermediate_size: 12, num_key_value_heads: 1 }
const gpt = {
  vocab_size: 17,
  n_embd: 16,
  n_layer: 1,
  n_head: 2,
  n_positions: 9,
  pad_token_id: 0,
  num_labels: 3,
}
const all = ['CausalLM', 'SequenceClassification', 'TokenClassification', 'QuestionAnswering']
const noAnswers = all.slice(0, 3)

const families: Readonly<
  Record<string, { config: object; name: string; tasks: string[]; answers?: string; classes?: object }>
> = {
  llama: { config: dense, name: 'Llama', tasks: all, answers: 'transformer' },
  mistral: { config: dense, name: 'Mistral', tasks: all, answers: 'model' },
  ministral: { config: dense, name: 'Ministral', tasks: all, answers: 'transformer' },
  ministral3: { config: { ...dense, head_dim: 8 }, name: 'Ministral3', tasks: all, answers: 'model' },
  qwen2: { config: dense, name: 'Qwen2', tasks: all, answers: 'transformer' },
  qwen3: { config: dense, name: 'Qwen3', tasks: all, answers: 'transformer' },
  gemma3_text: {
    config: { ...dense, head_dim: 8 },
    name: 'Gemma3',
    tasks: ['CausalLM', 'SequenceClassification'],
    classes: { Base: 'Gemma3TextModel', SequenceClassification: 'Gemma3TextForSequenceClassification' },
  },
  'openai-gpt': {
    config: gpt,
    name: 'OpenAIGPT',
    tasks: ['CausalLM', 'SequenceClassification'],
    classes: { CausalLM: 'OpenAIGPTLMHeadModel' },
  },
  granite: { config: dense, name: 'Granite', tasks: ['CausalLM'] },
  smollm3: { config: dense, name: 'SmolLM3', tasks: all, answers: 'transformer' },
  gemma: { config: { ...dense, head_dim: 8 }, name: 'Gemma', tasks: noAnswers },
  gemma2: { config: { ...dense, head_dim: 8 }, name: 'Gemma2', tasks: noAnswers },
  phi3: { config: dense, name: 'Phi3', tasks: noAnswers },
  olmo2: { config: dense, name: 'Olmo2', tasks: ['CausalLM', 'SequenceClassification'] },
  starcoder2: { config: dense, name: 'Starcoder2', tasks: noAnswers },
  stablelm: { config: { ...dense, partial_rotary_factor: 0.25 }, name: 'StableLm', tasks: noAnswers },
  cohere: { config: dense, name: 'Cohere', tasks: ['CausalLM'] },
  gpt_neox: { config: { ...small, intermediate_size: 12 }, name: 'GPTNeoX', tasks: all, answers: 'gpt_neox' },
  gptj: {
    config: { ...gpt, rotary_dim: 4 },
    name: 'GPTJ',
    tasks: all.filter((task) => task !== 'TokenClassification'),
    answers: 'transformer',
  },
  opt: {
    config: { ...small, ffn_dim: 12, word_embed_proj_dim: 10 },
    name: 'OPT',
    tasks: all.filter((task) => task !== 'TokenClassification'),
    answers: 'model',
  },
}

const classFor = (task: string) =>
  (auto as unknown as Record<string, ModelClass<PreTrainedModel>>)[`AutoModelFor${task}`]!
const inputs: Readonly<Record<string, ModelInputs>> = {
  CausalLM: { inputIds: [[3, 4, 5, 6]], labels: [[3, 4, 5, 6]] },
  SequenceClassification: {
    inputIds: [
      [3, 4, 5, 0],
      [6, 7, 8, 9],
    ],
    labels: [2, 0],
  },
  TokenClassification: { inputIds: [[3, 4, 5, 6]], labels: [[0, 1, 2, -100]] },
  QuestionAnswering: { inputIds: [[3, 4, 5, 6]], startPositions: [1], endPositions: [2] },
}

describe.each(Object.entries(families))(
  '%s',
  (modelType, { config, name, tasks, answers, classes: named }) => {
    it('has the classes of transformers', async () => {
      const { classes } = await familyOf(modelType, 'this test')
      expect(classes).toEqual({
        Base: `${name}Model`,
        ...Object.fromEntries(tasks.map((task) => [task, `${name}For${task}`])),
        ...named,
      })
    })

    it.each(tasks)('computes a loss, saves and loads again: %s', async (task) => {
      const width = modelType === 'opt' ? 10 : 16
      await using model = await classFor(task).fromConfig({ model_type: modelType, ...config }, { seed: 3 })
      const heads: Record<string, [string, number[]][]> = {
        SequenceClassification: [['score.weight', [3, width]]],
        TokenClassification:
          modelType === 'gpt_neox'
            ? [
                ['classifier.weight', [3, width]],
                ['classifier.bias', [3]],
              ]
            : [
                ['score.weight', [3, width]],
                ['score.bias', [3]],
              ],
        QuestionAnswering: [
          ['qa_outputs.weight', [2, width]],
          ['qa_outputs.bias', [2]],
        ],
      }
      const parameters = new Map([...model.namedParameters()].map(([key, { shape }]) => [key, shape]))
      for (const [key, shape] of heads[task] ?? []) expect(parameters.get(key)).toEqual(shape)
      const places = new Set([...parameters.keys()].map((key) => key.split('.')[0]))
      const place =
        { gpt_neox: 'gpt_neox', gptj: 'transformer', 'openai-gpt': 'transformer' }[modelType] ?? 'model'
      const outside = {
        CausalLM: 'lm_head',
        TokenClassification: modelType === 'gpt_neox' ? 'classifier' : 'score',
      }
      const head = task === 'QuestionAnswering' ? 'qa_outputs' : (outside[task as 'CausalLM'] ?? 'score')
      const inside = task === 'QuestionAnswering' ? answers! : place
      expect([...places].every((one) => one === inside || one === head)).toBe(true)
      const { loss } = await model.run(inputs[task]!)
      expect(loss).toBeGreaterThan(0)

      const folder = await mkdtemp(join(tmpdir(), 'tiny-heads-'))
      try {
        await model.savePretrained(folder)
        await using again = await classFor(task).fromPretrained(folder)
        expect(again.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
        expect((await again.run(inputs[task]!)).loss).toBe(loss)
        if (task !== 'CausalLM') return
        await using base = await auto.AutoModel.fromPretrained(folder)
        const { lastHiddenState } = await base.run({ inputIds: [[3, 4, 5]] })
        expect(lastHiddenState!.shape).toEqual([1, 3, width])
        // A classifier from a language model: the body is found wherever the class keeps it.
        for (const other of tasks.filter((one) => one !== 'CausalLM')) {
          await using classifier = await classFor(other).fromPretrained(folder, { newHead: true })
          expect(
            classifier.loadReport.drawn.every((key) => /^(score|classifier|qa_outputs)\./.test(key)),
          ).toBe(true)
        }
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  },
)
