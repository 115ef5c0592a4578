import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, optional, share, size, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bertKeys, bertOptions, decoderBias, product, tiedNames } from './bert-like.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keys = {
  ...bertKeys,
  typeVocabSize: size(2),
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
      ...bertOptions(config),
      typeVocabSize: config.typeVocabSize,
      padding: { token: config.padTokenId },
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
      bias: decoderBias('cls.predictions', tieWordEmbeddings),
      weight: normal(initializerRange),
      transform: {
        dense: { name: 'cls.predictions.transform.dense', weight: normal(initializerRange) },
        activation: activationOf(hiddenAct, 'hidden_act'),
        norm: { name: 'cls.predictions.transform.LayerNorm', eps: layerNormEps },
      },
    }),
    sentencePair: (config) => ({
      ...product(config, 'cls.seq_relationship'),
      pool: 'pooler',
      classes: 2,
      label: 'nextSentenceLabel',
      output: 'seqRelationshipLogits',
    }),
    sequenceClassifier: (config) => ({ ...classifier(config), pool: 'pooler' }),
    tokenClassifier: (config) => classifier(config),
    multipleChoice: (config) => ({ ...classifier(config), pool: 'pooler' }),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: tiedNames('bert', 'cls.predictions'),
}

const classifier = (config: BertConfig) =>
  product(config, 'classifier', config.classifierDropout ?? config.hiddenDropoutProb)
