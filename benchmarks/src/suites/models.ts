import { AutoModel } from '@tiny/models'
import type { Case } from '../measure.js'
import { Draw } from '../random.js'
import { bertBase, forwardOperations } from './architectures.js'

/** PyTorch's share of its machine's float32 peak at the same work, medians on two threads. */
const torch = { '1x128': 97.2 / 218.8, '8x128': 777.3 / 1327.9, mixed: 3109.2 / 6070.9 }

const total = (lengths: readonly number[]): number => lengths.reduce((sum, length) => sum + length, 0)

function inference(name: string, lengths: readonly number[], peer: number): Case {
  return {
    name: `BERT-base ${name}`,
    tokens: total(lengths),
    operations: forwardOperations({ layers: 12, width: 768 }, lengths),
    peer: { name: 'PyTorch', share: peer },
    async prepare() {
      const model = await AutoModel.fromConfig(bertBase, { seed: 1 })
      const inputIds = new Draw(2).ids(lengths, bertBase.vocab_size)
      return { run: () => model.run({ inputIds }), dispose: () => model.dispose() }
    },
  }
}

/**
 * PyTorch's padded rectangle of the mixed batch computes 32x128 tokens; its floor counts those, so its share of the work that
 * is real is smaller by the part of them that is padding.
 */
export function modelSuite(): Case[] {
  const draw = new Draw(3)
  const mixed = Array.from({ length: 32 }, (_, i) => (i === 0 ? 128 : draw.integer(5, 128)))
  return [
    inference('1x128', [128], torch['1x128']),
    inference(
      '8x128',
      Array.from({ length: 8 }, () => 128),
      torch['8x128'],
    ),
    inference('32 sentences of 5 to 128', mixed, torch.mixed * (total(mixed) / (32 * 128))),
  ]
}
