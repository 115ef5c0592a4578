import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, oneOf, optional, orNone, share, size, text, type Keys } from '../config/keys.js'
import type { Family, TokenHeadOptions } from '../family.js'
import type { Pool } from '../blocks/pooling.js'
import { normal } from '../parameters/initialisers.js'
import { bertKeys, bertOptions, product, robertaClassifier, tiedNames } from './bert-like.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keys = {
  ...bertKeys,
  embeddingSize: size(128),
  hiddenSize: size(256),
  numAttentionHeads: size(4),
  intermediateSize: size(1024),
  typeVocabSize: size(2),
  classifierDropout: optional(share(0)),
  // What multiple choice makes of a sequence.
  summaryType: oneOf(['first', 'last', 'mean', 'cls_index'], 'first'),
  summaryUseProj: flag(true),
  // '' is none, too.
  summaryActivation: orNone(text('gelu')),
  summaryFirstDropout: share(0),
  summaryLastDropout: share(0.1),
  isDecoder: flag(false),
} satisfies Keys

export type ElectraConfig = Config<typeof keys>

/** Without an index of the token, 'cls_index' takes the last column. */
const summaries: Readonly<Record<ElectraConfig['summaryType'], Pool>> = {
  first: 'firstColumn',
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
      ...bertOptions(config),
      embedding:
        config.embeddingSize === config.hiddenSize
          ? undefined
          : { width: config.embeddingSize, projection: 'embeddings_project' },
      typeVocabSize: config.typeVocabSize,
      padding: { token: config.padTokenId },
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
    replacedTokens: (config) => ({
      ...product(config, 'discriminator_predictions.dense_prediction'),
      transform: {
        dense: {
          name: 'discriminator_predictions.dense',
          weight: normal(config.initializerRange),
        },
        activation: activationOf(config.hiddenAct, 'hidden_act'),
      },
    }),
    sequenceClassifier: (config) => robertaClassifier(config, dropoutOf(config), 'gelu'),
    tokenClassifier: (config) => product(config, 'classifier', dropoutOf(config)),
    multipleChoice: (config) => ({
      ...product(config, 'classifier', config.summaryLastDropout),
      pool: summaries[config.summaryType],
      transform: summary(config),
    }),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: tiedNames('electra', 'generator_lm_head', { decoder: 'generator_lm_head' }),
}

const dropoutOf = ({ classifierDropout, hiddenDropoutProb }: ElectraConfig): number =>
  classifierDropout ?? hiddenDropoutProb

/** `SequenceSummary`. */
function summary(config: ElectraConfig): TokenHeadOptions['transform'] {
  const { summaryUseProj, summaryActivation, summaryFirstDropout: dropout, initializerRange } = config
  return {
    dropout,
    ...(summaryUseProj
      ? { dense: { name: 'sequence_summary.summary', weight: normal(initializerRange) } }
      : {}),
    activation: summaryActivation ? activationOf(summaryActivation, 'summary_activation') : undefined,
  }
}
