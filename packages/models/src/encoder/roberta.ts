import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, layers, nonNegative, oneOf, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keysOf = (vocabSize: number) =>
  ({
    vocabSize: size(vocabSize),
    hiddenSize: size(768),
    numHiddenLayers: layers(12),
    numAttentionHeads: size(12),
    intermediateSize: size(3072),
    hiddenAct: text('gelu'),
    hiddenDropoutProb: share(0.1),
    attentionProbsDropoutProb: share(0.1),
    maxPositionEmbeddings: size(512),
    typeVocabSize: size(2),
    initializerRange: nonNegative(0.02),
    layerNormEps: nonNegative(1e-12),
    positionEmbeddingType: oneOf(['absolute'], 'absolute'),
    classifierDropout: optional(share(0)),
    isDecoder: flag(false),
  }) satisfies Keys

type RobertaKeys = ReturnType<typeof keysOf>
export type RobertaConfig = Config<RobertaKeys>
export type XlmRobertaConfig = RobertaConfig
export type CamembertConfig = RobertaConfig

/** RoBERTa (Liu et al. 2019) and those that were trained like it: BERT's body, whose positions count from padding's id. */
const familyOf = (modelType: string, className: string, vocabSize: number): Family<RobertaKeys> => ({
  kind: 'encoder',
  schema: {
    modelType,
    keys: keysOf(vocabSize),
    defaults: { padTokenId: 1, bosTokenId: 0, eosTokenId: 2 },
    check: ({ hiddenSize, numAttentionHeads }) => requireHeads(hiddenSize, numAttentionHeads),
  },
  classes: {
    Base: `${className}Model`,
    MaskedLM: `${className}ForMaskedLM`,
    CausalLM: `${className}ForCausalLM`,
    SequenceClassification: `${className}ForSequenceClassification`,
    TokenClassification: `${className}ForTokenClassification`,
    QuestionAnswering: `${className}ForQuestionAnswering`,
    MultipleChoice: `${className}ForMultipleChoice`,
  },
  prefix: 'roberta',
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
      typeVocabSize: config.typeVocabSize,
      padding: { token: padding(config), position: padding(config) },
      dropout: {
        embeddings: config.hiddenDropoutProb,
        weights: config.attentionProbsDropoutProb,
        attention: config.hiddenDropoutProb,
        mlp: config.hiddenDropoutProb,
      },
      layers: numberedLayers('encoder.layer', config.numHiddenLayers),
      names: bertLayer,
      causal: config.isDecoder,
      pooler: pooler && { name: 'pooler.dense', role: pooler },
    }),
  tokens: (config) => ({
    vocabSize: config.vocabSize,
    maxPositions: config.maxPositionEmbeddings,
    typeVocabSize: config.typeVocabSize,
    positions: { rule: 'ids', padTokenId: padding(config) },
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
        dropout: dropoutOf(config),
        dense: { name: 'classifier.dense', weight: normal(config.initializerRange) },
        activation: activationOf('tanh', 'classifier'),
      },
      name: 'classifier.out_proj',
    }),
    tokenClassifier: classifier,
    // transformers' dropout here is the hidden states', whatever classifier_dropout says.
    multipleChoice: (config) => ({
      ...classifier(config),
      pool: 'pooler',
      dropout: config.hiddenDropoutProb,
    }),
    questionAnswering: ({ initializerRange }) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
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
      embeddings: 'roberta.embeddings.word_embeddings.weight',
      head: 'lm_head.decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
})

/** Positions count from it, so there is one even where a file says null. */
const padding = ({ padTokenId = 1 }: RobertaConfig): number => padTokenId

const dropoutOf = ({ classifierDropout, hiddenDropoutProb }: RobertaConfig): number =>
  classifierDropout ?? hiddenDropoutProb

const classifier = (config: RobertaConfig) => ({
  name: 'classifier',
  bias: true,
  dropout: dropoutOf(config),
  weight: normal(config.initializerRange),
})

export const roberta = familyOf('roberta', 'Roberta', 50265)
export const xlmRoberta = familyOf('xlm-roberta', 'XLMRoberta', 30522)
export const camembert = familyOf('camembert', 'Camembert', 30522)
