import type { Config } from '../config/config.js'
import { flag, optional, share, size, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import {
  bertKeys,
  bertOptions,
  product,
  robertaClassifier,
  robertaLanguageHead,
  tiedNames,
} from './bert-like.js'
import { bertLayer, numberedLayers, PostNormEncoder, requireHeads } from './post-norm.js'

const keysOf = (vocabSize: number) =>
  ({
    ...bertKeys,
    vocabSize: size(vocabSize),
    typeVocabSize: size(2),
    classifierDropout: optional(share(0)),
    isDecoder: flag(false),
  }) satisfies Keys

type RobertaKeys = ReturnType<typeof keysOf>
export type RobertaConfig = Config<RobertaKeys>
export type XlmRobertaConfig = RobertaConfig
export type CamembertConfig = RobertaConfig

/** RoBERTa (Liu et al. 2019) and those that were trained like it: BERT's body, whose positions count from padding's id. */
const familyOf = (
  modelType: string,
  className: string,
  { vocabSize, headFirst = false }: { vocabSize: number; headFirst?: boolean },
): Family<RobertaKeys> => ({
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
      ...bertOptions(config),
      typeVocabSize: config.typeVocabSize,
      padding: { token: padding(config), position: padding(config) },
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
    languageModel: robertaLanguageHead,
    sequenceClassifier: (config) => robertaClassifier(config, dropoutOf(config)),
    tokenClassifier: (config) => product(config, 'classifier', dropoutOf(config)),
    // transformers' dropout here is the hidden states', whatever classifier_dropout says.
    multipleChoice: (config) => ({
      ...product(config, 'classifier', config.hiddenDropoutProb),
      pool: 'pooler',
    }),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: tiedNames('roberta', 'lm_head', { headFirst }),
})

/** Positions count from it, so there is one even where a file says null. */
const padding = ({ padTokenId = 1 }: RobertaConfig): number => padTokenId

const dropoutOf = ({ classifierDropout, hiddenDropoutProb }: RobertaConfig): number =>
  classifierDropout ?? hiddenDropoutProb

export const roberta = familyOf('roberta', 'Roberta', { vocabSize: 50265 })
export const xlmRoberta = familyOf('xlm-roberta', 'XLMRoberta', { vocabSize: 30522, headFirst: true })
export const camembert = familyOf('camembert', 'Camembert', { vocabSize: 30522, headFirst: true })
