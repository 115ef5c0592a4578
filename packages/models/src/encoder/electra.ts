import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, layers, nonNegative, oneOf, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import type { Pool } from '../heads/pooling.js'
import { normal } from '../parameters/initialisers.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keys = {
  vocabSize: size(30522),
  embeddingSize: size(128),
  hiddenSize: size(256),
  numHiddenLayers: layers(12),
  numAttentionHeads: size(4),
  intermediateSize: size(1024),
  hiddenAct: text('gelu'),
  hiddenDropoutProb: share(0.1),
  attentionProbsDropoutProb: share(0.1),
  maxPositionEmbeddings: size(512),
  typeVocabSize: size(2),
  initializerRange: nonNegative(0.02),
  layerNormEps: nonNegative(1e-12),
  positionEmbeddingType: oneOf(['absolute'], 'absolute'),
  classifierDropout: optional(share(0)),
  // What multiple choice makes of a sequence.
  summaryType: oneOf(['first', 'last', 'mean', 'cls_index'], 'first'),
  summaryUseProj: flag(true),
  // null is none.
  summaryActivation: { ...optional(text('gelu')), fallback: 'gelu' },
  summaryFirstDropout: share(0),
  summaryLastDropout: share(0.1),
  isDecoder: flag(false),
} satisfies Keys

export type ElectraConfig = Config<typeof keys>

/** `SequenceSummary`: without an index of the token, 'cls_index' takes the last column. */
const summaries: Readonly<Record<ElectraConfig['summaryType'], Pool>> = {
  first: 'first',
  last: 'lastColumn',
  mean: 'columnMean',
  cls_index: 'lastColumn',
}

/** ELECTRA (Clark et al. 2020): a generator, which is a masked language model, and a discriminator. */
export const electra: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'electra',
    keys,
    defaults: { padTokenId: 0 },
    check: ({ hiddenSize, numAttentionHeads }) => requireHeads(hiddenSize, numAttentionHeads),
  },
  classes: {
    Base: 'ElectraModel',
    PreTraining: 'ElectraForPreTraining',
    MaskedLM: 'ElectraForMaskedLM',
    CausalLM: 'ElectraForCausalLM',
    SequenceClassification: 'ElectraForSequenceClassification',
    TokenClassification: 'ElectraForTokenClassification',
    QuestionAnswering: 'ElectraForQuestionAnswering',
    MultipleChoice: 'ElectraForMultipleChoice',
  },
  prefix: 'electra',
  build: (weights, config) =>
    new PostNormEncoder(weights, {
      vocabSize: config.vocabSize,
      width: config.hiddenSize,
      embedding:
        config.embeddingSize === config.hiddenSize
          ? undefined
          : { width: config.embeddingSize, projection: 'embeddings_project' },
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
        mlp: config.hiddenDropoutProb,
      },
      layers: numberedLayers('encoder.layer', config.numHiddenLayers),
      names: bertLayer,
      causal: config.isDecoder,
    }),
  tokens: ({ vocabSize, maxPositionEmbeddings, typeVocabSize }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    typeVocabSize,
  }),
  heads: {
    languageModel: ({ initializerRange, embeddingSize, layerNormEps }) => ({
      decoder: 'generator_lm_head',
      bias: 'generator_lm_head.bias',
      weight: normal(initializerRange),
      transform: {
        dense: {
          name: 'generator_predictions.dense',
          width: embeddingSize,
          weight: normal(initializerRange),
        },
        activation: activationOf('gelu', 'hidden_act'),
        norm: { name: 'generator_predictions.LayerNorm', eps: layerNormEps },
      },
    }),
    replacedTokens: ({ initializerRange, hiddenAct }) => ({
      transform: {
        dense: { name: 'discriminator_predictions.dense', weight: normal(initializerRange) },
        activation: activationOf(hiddenAct, 'hidden_act'),
      },
      name: 'discriminator_predictions.dense_prediction',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
    sequenceClassifier: (config) => ({
      ...classifier(config),
      pool: 'first',
      transform: {
        dropout: dropoutOf(config),
        dense: { name: 'classifier.dense', weight: normal(config.initializerRange) },
        activation: activationOf('gelu', 'classifier'),
      },
      name: 'classifier.out_proj',
    }),
    tokenClassifier: classifier,
    multipleChoice: (config) => ({
      ...classifier(config),
      pool: summaries[config.summaryType],
      transform: {
        dropout: config.summaryFirstDropout,
        ...(config.summaryUseProj
          ? {
              dense: { name: 'sequence_summary.summary', weight: normal(config.initializerRange) },
            }
          : {}),
        activation:
          config.summaryActivation === undefined
            ? undefined
            : activationOf(config.summaryActivation, 'summary_activation'),
      },
      dropout: config.summaryLastDropout,
    }),
    questionAnswering: ({ initializerRange }) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
  },
  checkpoint: {
    ignored: [/(^|\.)position_ids$/],
    tie: {
      embeddings: 'electra.embeddings.word_embeddings.weight',
      head: 'generator_lm_head.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

const dropoutOf = ({ classifierDropout, hiddenDropoutProb }: ElectraConfig): number =>
  classifierDropout ?? hiddenDropoutProb

function classifier(config: ElectraConfig) {
  return {
    name: 'classifier',
    bias: true,
    dropout: dropoutOf(config),
    weight: normal(config.initializerRange),
  }
}
