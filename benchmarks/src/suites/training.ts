import { AdamW } from '@tiny/finetune'
import { AutoModelForCausalLM, AutoModelForSequenceClassification } from '@tiny/models'
import type { Case } from '../measure.js'
import { Draw } from '../random.js'
import { bertBase, forwardOperations, gpt2, nanoGpt } from './architectures.js'

type Model = Awaited<ReturnType<typeof AutoModelForCausalLM.fromConfig>>
type Inputs = Parameters<Model['run']>[0]

/** Forward, backward, clipping and AdamW: three times the forward pass's operations. */
function training(
  name: string,
  lengths: readonly number[],
  forward: number,
  peer: number,
  make: () => Promise<{ model: Model; inputs: Inputs }>,
): Case {
  return {
    name,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    operations: 3 * forward,
    peer: { name: 'PyTorch', share: peer },
    async prepare() {
      const { model, inputs } = await make()
      model.train()
      const optimizer = new AdamW([{ params: [...model.parameters()], weightDecay: 0.01 }], { lr: 1e-5 })
      return {
        run: () => optimizer.step(model, inputs, { maxGradNorm: 1 }),
        async dispose() {
          await optimizer.dispose()
          await model.dispose()
        },
      }
    },
  }
}

const rows = (count: number, length: number): number[] => Array.from({ length: count }, () => length)

/** One training step each, as PyTorch's figures were taken: the floor is six operations a weight and token. */
export function trainingSuite(): Case[] {
  const [bert, gpt, nano] = [rows(8, 128), rows(4, 256), rows(12, 64)]
  return [
    training(
      'BERT-base classification 8x128',
      bert,
      forwardOperations({ layers: 12, width: 768 }, bert),
      2290 / 4251,
      async () => ({
        model: (await AutoModelForSequenceClassification.fromConfig(
          { ...bertBase, num_labels: 2 },
          { seed: 1 },
        )) as unknown as Model,
        inputs: { inputIds: new Draw(4).ids(bert, bertBase.vocab_size), labels: bert.map((_, i) => i % 2) },
      }),
    ),
    training(
      'GPT-2 language model 4x256',
      gpt,
      forwardOperations({ layers: 12, width: 768, vocabulary: gpt2.vocab_size }, gpt, true),
      3310 / 8068,
      async () => {
        const inputIds = new Draw(5).ids(gpt, gpt2.vocab_size)
        return {
          model: await AutoModelForCausalLM.fromConfig(gpt2, { seed: 1 }),
          inputs: { inputIds, labels: inputIds },
        }
      },
    ),
    training(
      'nanoGPT 12x64',
      nano,
      forwardOperations({ layers: 4, width: 128, vocabulary: nanoGpt.vocab_size }, nano, true),
      17 / 42.8,
      async () => {
        const inputIds = new Draw(6).ids(nano, nanoGpt.vocab_size)
        return {
          model: await AutoModelForCausalLM.fromConfig(nanoGpt, { seed: 1 }),
          inputs: { inputIds, labels: inputIds },
        }
      },
    ),
  ]
}
