import { tensor, type Initialiser } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, layers, nonNegative, share, size, text, type Keys } from '../config/keys.js'
import type { Family, SequenceHeadOptions } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { product, tiedNames } from './bert-like.js'
import { numberedLayers, PostNormEncoder, requireHeads, type LayerNames } from './post-norm.js'

const keys = {
  vocabSize: size(30522),
  maxPositionEmbeddings: size(512),
  sinusoidalPosEmbds: flag(false),
  nLayers: layers(6, 'numHiddenLayers'),
  nHeads: size(12, 'numAttentionHeads'),
  dim: size(768, 'hiddenSize'),
  hiddenDim: size(4 * 768),
  dropout: share(0.1),
  attentionDropout: share(0.1),
  activation: text('gelu'),
  initializerRange: nonNegative(0.02),
  qaDropout: share(0.1),
  seqClassifDropout: share(0.2),
} satisfies Keys

export type DistilBertConfig = Config<typeof keys>

const eps = 1e-12
const names: LayerNames = {
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  mlpNorm: 'output_layer_norm',
}

/** sin and cos of position / 10000^(2 ⌊j/2⌋ / width) in turn: where the table starts, which files store. */
const sinusoid: Initialiser = (shape, dtype) => {
  const [rows, width] = shape as [number, number]
  const table = Float32Array.from({ length: rows * width }, (_, i) => {
    const [position, j] = [Math.floor(i / width), i % width]
    const angle = position / 10000 ** ((2 * Math.floor(j / 2)) / width)
    return j % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
  })
  const drawn = tensor(table, { shape: [rows, width] })
  return dtype === 'float32' ? drawn : drawn.cast(dtype)
}

/** DistilBERT (Sanh et al. 2019): BERT without token types and without a pooler. */
export const distilbert: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'distilbert',
    keys,
    defaults: { padTokenId: 0 },
    check: ({ dim, nHeads }) => requireHeads(dim, nHeads, ['dim', 'n_heads']),
  },
  classes: {
    Base: 'DistilBertModel',
    MaskedLM: 'DistilBertForMaskedLM',
    SequenceClassification: 'DistilBertForSequenceClassification',
    TokenClassification: 'DistilBertForTokenClassification',
    QuestionAnswering: 'DistilBertForQuestionAnswering',
    MultipleChoice: 'DistilBertForMultipleChoice',
  },
  prefix: 'distilbert',
  build: (weights, config) =>
    new PostNormEncoder(weights, {
      vocabSize: config.vocabSize,
      width: config.dim,
      heads: config.nHeads,
      inner: config.hiddenDim,
      activation: activationOf(config.activation, 'activation'),
      eps,
      std: config.initializerRange,
      maxPositions: config.maxPositionEmbeddings,
      ...(config.sinusoidalPosEmbds ? { positions: sinusoid } : {}),
      padding: { token: config.padTokenId },
      dropout: {
        embeddings: config.dropout,
        weights: config.attentionDropout,
        attention: 0,
        mlp: config.dropout,
      },
      layers: numberedLayers('transformer.layer', config.nLayers),
      names,
    }),
  tokens: ({ vocabSize, maxPositionEmbeddings }) => ({ vocabSize, maxPositions: maxPositionEmbeddings }),
  heads: {
    languageModel: ({ initializerRange, activation }) => ({
      decoder: 'vocab_projector',
      bias: 'vocab_projector.bias',
      weight: normal(initializerRange),
      transform: {
        dense: { name: 'vocab_transform', weight: normal(initializerRange) },
        activation: activationOf(activation, 'activation'),
        norm: { name: 'vocab_layer_norm', eps },
      },
    }),
    sequenceClassifier: (config) => classifier(config),
    multipleChoice: (config) => classifier(config),
    tokenClassifier: (config) => product(config, 'classifier', config.dropout),
    questionAnswering: (config) => product(config, 'qa_outputs', config.qaDropout),
  },
  checkpoint: tiedNames('distilbert', 'vocab_projector', { decoder: 'vocab_projector' }),
}

const classifier = (config: DistilBertConfig): SequenceHeadOptions => ({
  ...product(config, 'classifier', config.seqClassifDropout),
  pool: 'firstColumn',
  transform: {
    dense: { name: 'pre_classifier', weight: normal(config.initializerRange) },
    activation: activationOf('relu', 'classifier'),
  },
})
