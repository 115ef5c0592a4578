import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { numberedLayers, PostNormEncoder, requireHeads, type LayerNames } from './post-norm.js'

const keys = {
  vocabSize: size(30527),
  hiddenSize: size(768),
  numHiddenLayers: layers(12),
  numAttentionHeads: size(12),
  intermediateSize: size(3072),
  hiddenAct: text('gelu'),
  hiddenDropoutProb: share(0.1),
  attentionProbsDropoutProb: share(0.1),
  maxPositionEmbeddings: size(512),
  initializerRange: nonNegative(0.02),
  layerNormEps: nonNegative(1e-12),
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
      vocabSize: config.vocabSize,
      width: config.hiddenSize,
      heads: config.numAttentionHeads,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenAct, 'hidden_act'),
      eps: config.layerNormEps,
      std: config.initializerRange,
      maxPositions: config.maxPositionEmbeddings,
      padding: { token: paddingIdx, position: paddingIdx },
      dropout: {
        embeddings: config.hiddenDropoutProb,
        weights: config.attentionProbsDropoutProb,
        attention: config.hiddenDropoutProb,
        mlp: config.hiddenDropoutProb,
      },
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
    languageModel: ({ initializerRange, layerNormEps, tieWordEmbeddings }) => ({
      decoder: 'lm_head.decoder',
      bias: tieWordEmbeddings ? 'lm_head.bias' : 'lm_head.decoder.bias',
      weight: normal(initializerRange),
      transform: {
        dense: { name: 'lm_head.dense', weight: normal(initializerRange) },
        activation: activationOf('gelu', 'hidden_act'),
        norm: { name: 'lm_head.layer_norm', eps: layerNormEps },
      },
    }),
    sequenceClassifier: (config) => ({
      ...classifier(config),
      pool: 'first',
      transform: {
        dropout: config.hiddenDropoutProb,
        dense: { name: 'classifier.dense', weight: normal(config.initializerRange) },
        activation: activationOf('tanh', 'classifier'),
      },
      name: 'classifier.out_proj',
    }),
    tokenClassifier: classifier,
    multipleChoice: (config) => ({ pool: 'pooler', ...classifier(config) }),
    questionAnswering: (config) => ({ ...classifier(config), name: 'qa_outputs', dropout: 0 }),
  },
  checkpoint: {
    spellings: (name) =>
      name === 'lm_head.bias'
        ? ['lm_head.decoder.bias']
        : name === 'lm_head.decoder.bias'
          ? ['lm_head.bias']
          : [],
    ignored: [/(^|\.)position_ids$/],
    tie: {
      embeddings: 'mpnet.embeddings.word_embeddings.weight',
      head: 'lm_head.decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

function classifier({ hiddenDropoutProb, initializerRange }: MPNetConfig) {
  return {
    name: 'classifier',
    bias: true,
    dropout: hiddenDropoutProb,
    weight: normal(initializerRange),
  }
}
