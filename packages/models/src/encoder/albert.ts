import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bertKeys, bertOptions, decoderBias, product, tiedNames } from './bert-like.js'
import { PostNormEncoder, requireHeads, type LayerNames } from './post-norm.js'

const keys = {
  ...bertKeys,
  vocabSize: size(30000),
  embeddingSize: size(128),
  hiddenSize: size(4096),
  numHiddenGroups: size(1),
  innerGroupNum: size(1),
  numAttentionHeads: size(64),
  intermediateSize: size(16384),
  hiddenAct: text('gelu_new'),
  hiddenDropoutProb: share(0),
  attentionProbsDropoutProb: share(0),
  classifierDropoutProb: { ...optional(share(0.1)), fallback: 0.1 },
  typeVocabSize: size(2),
} satisfies Keys

export type AlbertConfig = Config<typeof keys>

const names: LayerNames = {
  query: 'attention.query',
  key: 'attention.key',
  value: 'attention.value',
  output: 'attention.dense',
  attentionNorm: 'attention.LayerNorm',
  up: 'ffn',
  down: 'ffn_output',
  mlpNorm: 'full_layer_layer_norm',
}

/** Layers share their weights within a group; a group is `inner_group_num` of them in a row. */
function schedule({ numHiddenLayers, numHiddenGroups, innerGroupNum }: AlbertConfig): string[] {
  return Array.from({ length: numHiddenLayers }, (_, i) => {
    const group = Math.trunc(i / (numHiddenLayers / numHiddenGroups))
    return Array.from(
      { length: innerGroupNum },
      (_layer, inner) => `encoder.albert_layer_groups.${group}.albert_layers.${inner}`,
    )
  }).flat()
}

/** ALBERT (Lan et al. 2020): narrow embeddings, and one layer's weights for many. */
export const albert: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'albert',
    keys,
    defaults: { padTokenId: 0, bosTokenId: 2, eosTokenId: 3 },
    // Of the first checkpoints; transformers does not read them.
    neutral: ['down_scale_factor', 'gap_size', 'layers_to_keep', 'net_structure_type', 'num_memory_blocks'],
    check({ hiddenSize, numAttentionHeads, numHiddenGroups, numHiddenLayers }) {
      requireHeads(hiddenSize, numAttentionHeads)
      if (numHiddenGroups <= numHiddenLayers) return
      throw new ConfigError(
        `num_hidden_groups ${numHiddenGroups} is beyond num_hidden_layers ${numHiddenLayers}`,
        { key: 'num_hidden_groups' },
      )
    },
  },
  classes: {
    Base: 'AlbertModel',
    PreTraining: 'AlbertForPreTraining',
    MaskedLM: 'AlbertForMaskedLM',
    SequenceClassification: 'AlbertForSequenceClassification',
    TokenClassification: 'AlbertForTokenClassification',
    QuestionAnswering: 'AlbertForQuestionAnswering',
    MultipleChoice: 'AlbertForMultipleChoice',
  },
  prefix: 'albert',
  build: (weights, config, { pooler }) =>
    new PostNormEncoder(weights, {
      ...bertOptions(config),
      embedding: { width: config.embeddingSize, projection: 'encoder.embedding_hidden_mapping_in' },
      typeVocabSize: config.typeVocabSize,
      padding: { token: config.padTokenId },
      dropout: { ...bertOptions(config).dropout, mlp: 0 },
      layers: schedule(config),
      names,
      pooler: pooler && { name: 'pooler', role: pooler },
    }),
  tokens: ({ vocabSize, maxPositionEmbeddings, typeVocabSize }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    typeVocabSize,
  }),
  heads: {
    languageModel: (config) => ({
      decoder: 'predictions.decoder',
      bias: decoderBias('predictions', config.tieWordEmbeddings),
      weight: normal(config.initializerRange),
      transform: {
        dense: {
          name: 'predictions.dense',
          width: config.embeddingSize,
          weight: normal(config.initializerRange),
        },
        activation: activationOf(config.hiddenAct, 'hidden_act'),
        norm: { name: 'predictions.LayerNorm', eps: config.layerNormEps },
      },
    }),
    sentencePair: (config) => ({
      ...product(config, 'sop_classifier.classifier', dropoutOf(config)),
      pool: 'pooler',
      classes: config.numLabels,
      label: 'sentenceOrderLabel',
      output: 'sopLogits',
    }),
    sequenceClassifier: (config) => ({
      ...product(config, 'classifier', dropoutOf(config)),
      pool: 'pooler',
    }),
    tokenClassifier: (config) => product(config, 'classifier', dropoutOf(config)),
    multipleChoice: (config) => ({
      ...product(config, 'classifier', dropoutOf(config)),
      pool: 'pooler',
    }),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: tiedNames('albert', 'predictions'),
}

const dropoutOf = ({ classifierDropoutProb, hiddenDropoutProb }: AlbertConfig): number =>
  classifierDropoutProb ?? hiddenDropoutProb
