import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, oneOf, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { PostNormEncoder, requireHeads, type LayerNames } from './post-norm.js'

const keys = {
  vocabSize: size(30000),
  embeddingSize: size(128),
  hiddenSize: size(4096),
  numHiddenLayers: layers(12),
  numHiddenGroups: size(1),
  innerGroupNum: size(1),
  numAttentionHeads: size(64),
  intermediateSize: size(16384),
  hiddenAct: text('gelu_new'),
  hiddenDropoutProb: share(0),
  attentionProbsDropoutProb: share(0),
  classifierDropoutProb: { ...optional(share(0.1)), fallback: 0.1 },
  maxPositionEmbeddings: size(512),
  typeVocabSize: size(2),
  initializerRange: nonNegative(0.02),
  layerNormEps: nonNegative(1e-12),
  positionEmbeddingType: oneOf(['absolute'], 'absolute'),
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
      vocabSize: config.vocabSize,
      width: config.hiddenSize,
      embedding: { width: config.embeddingSize, projection: 'encoder.embedding_hidden_mapping_in' },
      heads: config.numAttentionHeads,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenAct, 'hidden_act'),
      eps: config.layerNormEps,
      std: config.initializerRange,
      maxPositions: config.maxPositionEmbeddings,
      typeVocabSize: config.typeVocabSize,
      padding: { token: config.padTokenId },
      dropout: {
        embeddings: config.hiddenDropoutProb,
        weights: config.attentionProbsDropoutProb,
        attention: config.hiddenDropoutProb,
        mlp: 0,
      },
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
      bias: config.tieWordEmbeddings ? 'predictions.bias' : 'predictions.decoder.bias',
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
      ...classifier(config),
      pool: 'pooler',
      classes: config.numLabels,
      label: 'sentenceOrderLabel',
      output: 'sopLogits',
      name: 'sop_classifier.classifier',
    }),
    sequenceClassifier: (config) => ({ pool: 'pooler', ...classifier(config) }),
    tokenClassifier: classifier,
    multipleChoice: (config) => ({ pool: 'pooler', ...classifier(config) }),
    questionAnswering: (config) => ({ ...classifier(config), name: 'qa_outputs', dropout: 0 }),
  },
  checkpoint: {
    spellings: (name) =>
      name === 'predictions.bias'
        ? ['predictions.decoder.bias']
        : name === 'predictions.decoder.bias'
          ? ['predictions.bias']
          : [],
    ignored: [/(^|\.)position_ids$/],
    tie: {
      embeddings: 'albert.embeddings.word_embeddings.weight',
      head: 'predictions.decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

function classifier({ classifierDropoutProb, hiddenDropoutProb, initializerRange }: AlbertConfig) {
  return {
    name: 'classifier',
    bias: true,
    dropout: classifierDropoutProb ?? hiddenDropoutProb,
    weight: normal(initializerRange),
  }
}
