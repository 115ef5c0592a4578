import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, layers, nonNegative, oneOf, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keys = {
  vocabSize: size(30522),
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
} satisfies Keys

export type BertConfig = Config<typeof keys>

export const bert: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'bert',
    keys,
    defaults: { padTokenId: 0 },
    // Of multilingual checkpoints; transformers does not read them.
    neutral: [
      'directionality',
      'pooler_fc_size',
      'pooler_num_attention_heads',
      'pooler_num_fc_layers',
      'pooler_size_per_head',
      'pooler_type',
    ],
    check: ({ hiddenSize, numAttentionHeads }) => requireHeads(hiddenSize, numAttentionHeads),
  },
  classes: {
    Base: 'BertModel',
    PreTraining: 'BertForPreTraining',
    MaskedLM: 'BertForMaskedLM',
    CausalLM: 'BertLMHeadModel',
    SequenceClassification: 'BertForSequenceClassification',
    TokenClassification: 'BertForTokenClassification',
    QuestionAnswering: 'BertForQuestionAnswering',
    MultipleChoice: 'BertForMultipleChoice',
    NextSentencePrediction: 'BertForNextSentencePrediction',
  },
  prefix: 'bert',
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
      pooler: pooler && { name: 'pooler.dense', role: pooler },
    }),
  tokens: ({ vocabSize, maxPositionEmbeddings, typeVocabSize }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    typeVocabSize,
  }),
  heads: {
    languageModel: ({ initializerRange, hiddenAct, layerNormEps, tieWordEmbeddings }) => ({
      decoder: 'cls.predictions.decoder',
      // Two parameters of one value where the weights are tied; where they are not, transformers reads the decoder's.
      bias: tieWordEmbeddings ? 'cls.predictions.bias' : 'cls.predictions.decoder.bias',
      weight: normal(initializerRange),
      transform: {
        dense: { name: 'cls.predictions.transform.dense', weight: normal(initializerRange) },
        activation: activationOf(hiddenAct, 'hidden_act'),
        norm: { name: 'cls.predictions.transform.LayerNorm', eps: layerNormEps },
      },
    }),
    sentencePair: ({ initializerRange }) => ({
      pool: 'pooler',
      classes: 2,
      label: 'nextSentenceLabel',
      output: 'seqRelationshipLogits',
      name: 'cls.seq_relationship',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
    sequenceClassifier: (config) => ({ pool: 'pooler', ...classifier(config) }),
    tokenClassifier: classifier,
    multipleChoice: (config) => ({ pool: 'pooler', ...classifier(config) }),
    questionAnswering: ({ initializerRange }) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
  },
  checkpoint: {
    spellings: (name) =>
      name === 'cls.predictions.bias'
        ? ['cls.predictions.decoder.bias']
        : name === 'cls.predictions.decoder.bias'
          ? ['cls.predictions.bias']
          : [],
    ignored: [/(^|\.)position_ids$/],
    tie: {
      embeddings: 'bert.embeddings.word_embeddings.weight',
      head: 'cls.predictions.decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

function classifier({ initializerRange, classifierDropout, hiddenDropoutProb }: BertConfig) {
  return {
    name: 'classifier',
    bias: true,
    dropout: classifierDropout ?? hiddenDropoutProb,
    weight: normal(initializerRange),
  }
}
