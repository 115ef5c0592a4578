import { ConfigError } from '@tiny/core'
import type { Config } from '../config/config.js'
import { size, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import {
  bertKeys,
  bertOptions,
  product,
  robertaClassifier,
  robertaLanguageHead,
  tiedNames,
} from './bert-like.js'
import { numberedLayers, PostNormEncoder, requireHeads, type LayerNames } from './post-norm.js'

const keys = {
  ...bertKeys,
  vocabSize: size(30527),
  relativeAttentionNumBuckets: size(32),
} satisfies Keys

export type MPNetConfig = Config<typeof keys>

/** transformers fixes them, whatever the configuration says of padding and of buckets. */
const paddingIdx = 1
const buckets = 32

const names: LayerNames = {
  query: 'attention.attn.q',
  key: 'attention.attn.k',
  value: 'attention.attn.v',
  output: 'attention.attn.o',
  attentionNorm: 'attention.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
}

/** MPNet (Song et al. 2020): BERT with RoBERTa's positions and T5's relative ones. */
export const mpnet: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'mpnet',
    keys,
    defaults: { padTokenId: 1, bosTokenId: 0, eosTokenId: 2 },
    // There are no token types, whatever files say.
    neutral: ['type_vocab_size'],
    check({ hiddenSize, numAttentionHeads, relativeAttentionNumBuckets: rows }) {
      requireHeads(hiddenSize, numAttentionHeads)
      if (rows >= buckets) return
      throw new ConfigError(
        `relative_attention_num_buckets must be at least ${buckets}, which distances are sorted into, not ${rows}`,
        { key: 'relative_attention_num_buckets' },
      )
    },
  },
  classes: {
    Base: 'MPNetModel',
    MaskedLM: 'MPNetForMaskedLM',
    SequenceClassification: 'MPNetForSequenceClassification',
    TokenClassification: 'MPNetForTokenClassification',
    QuestionAnswering: 'MPNetForQuestionAnswering',
    MultipleChoice: 'MPNetForMultipleChoice',
  },
  prefix: 'mpnet',
  build: (weights, config, { pooler }) =>
    new PostNormEncoder(weights, {
      ...bertOptions(config),
      padding: { token: paddingIdx, position: paddingIdx },
      layers: numberedLayers('encoder.layer', config.numHiddenLayers),
      names,
      relative: {
        name: 'encoder.relative_attention_bias',
        buckets,
        rows: config.relativeAttentionNumBuckets,
      },
      pooler: pooler && { name: 'pooler.dense', role: pooler },
    }),
  tokens: ({ vocabSize, maxPositionEmbeddings }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    positions: { rule: 'ids', padTokenId: paddingIdx },
  }),
  heads: {
    languageModel: robertaLanguageHead,
    sequenceClassifier: (config) => robertaClassifier(config, config.hiddenDropoutProb),
    tokenClassifier: (config) => product(config, 'classifier', config.hiddenDropoutProb),
    multipleChoice: (config) => ({
      ...product(config, 'classifier', config.hiddenDropoutProb),
      pool: 'pooler',
    }),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: tiedNames('mpnet', 'lm_head'),
}
