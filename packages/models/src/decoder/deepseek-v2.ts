import { flag, oneOf } from '../config/keys.js'
import {
  deepseekDecoder,
  deepseekIgnored,
  deepseekKeys,
  deepseekNeutral,
  requireDeepseek,
} from './deepseek.js'
import { decoderFamily } from './generic.js'

const groupsBy = (method: string) => (method === 'group_limited_greedy' ? 'best' : undefined)

/** DeepSeek-V2 (DeepSeek-AI 2024, arXiv 2405.04434): latent attention, and experts by softmax. */
export const deepseekV2 = decoderFamily({
  schema: {
    modelType: 'deepseek_v2',
    keys: {
      ...deepseekKeys,
      mlpBias: flag(false),
      topkMethod: oneOf(['greedy', 'group_limited_greedy'], 'greedy'),
      scoringFunc: oneOf(['softmax'], 'softmax'),
    },
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    // transformers never divides the chosen scores by their sum here.
    neutral: [...deepseekNeutral, 'norm_topk_prob'],
    check: (config) => requireDeepseek(config, groupsBy(config.topkMethod)),
  },
  name: 'DeepseekV2',
  tasks: ['CausalLM', 'SequenceClassification'],
  build: (weights, config) =>
    deepseekDecoder(weights, config, {
      interleaved: true,
      groupsBy: groupsBy(config.topkMethod),
      router: { scores: 'softmax' },
    }),
  checkpoint: { ignored: deepseekIgnored },
})
