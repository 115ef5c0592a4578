import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, share, size, text, type Keys } from '../config/keys.js'
import type { CheckpointNames, LanguageHeadOptions, Tie, TokenHeadOptions } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import type { PostNormOptions } from './post-norm.js'

/** Keys that the configurations of BERT and its kin have in common. */
export const bertKeys = {
  vocabSize: size(30522),
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
} satisfies Keys

type BertLikeConfig = Config<typeof bertKeys>

/** What those keys say of the encoder. */
export const bertOptions = (config: BertLikeConfig) =>
  ({
    vocabSize: config.vocabSize,
    width: config.hiddenSize,
    heads: config.numAttentionHeads,
    inner: config.intermediateSize,
    activation: activationOf(config.hiddenAct, 'hidden_act'),
    eps: config.layerNormEps,
    std: config.initializerRange,
    maxPositions: config.maxPositionEmbeddings,
    dropout: {
      embeddings: config.hiddenDropoutProb,
      weights: config.attentionProbsDropoutProb,
      attention: config.hiddenDropoutProb,
      mlp: config.hiddenDropoutProb,
    },
  }) satisfies Partial<PostNormOptions>

/** A product with a bias as a head's last part. */
export const product = (
  { initializerRange }: { readonly initializerRange: number },
  name: string,
  dropout = 0,
): TokenHeadOptions => ({ name, bias: true, dropout, weight: normal(initializerRange) })

/** RoBERTa's language-model head: dense, gelu, norm, and a product whose bias stands beside it. */
export const robertaLanguageHead = ({
  initializerRange,
  layerNormEps,
  tieWordEmbeddings,
}: BertLikeConfig): LanguageHeadOptions => ({
  decoder: 'lm_head.decoder',
  bias: decoderBias('lm_head', tieWordEmbeddings),
  weight: normal(initializerRange),
  transform: {
    dense: { name: 'lm_head.dense', weight: normal(initializerRange) },
    activation: activationOf('gelu', 'hidden_act'),
    norm: { name: 'lm_head.layer_norm', eps: layerNormEps },
  },
})

/** RoBERTa's classification head: first token, dense, tanh, and the product `classifier.out_proj`. */
export const robertaClassifier = (
  config: { readonly initializerRange: number },
  dropout: number,
  activation: 'tanh' | 'gelu' = 'tanh',
) => ({
  ...product(config, 'classifier.out_proj', dropout),
  pool: 'firstColumn' as const,
  transform: {
    dropout,
    dense: { name: 'classifier.dense', weight: normal(config.initializerRange) },
    activation: activationOf(activation, 'classifier'),
  },
})

/**
 * The bias of a product with the vocabulary, which two modules hold: one parameter where the weights are tied; where
 * they are not, the product reads its own.
 */
export const decoderBias = (head: string, tied: boolean): string =>
  tied ? `${head}.bias` : `${head}.decoder.bias`

/** Names of a file whose head shares the token embeddings as the configuration says, and its bias as above. */
export function tiedNames(
  prefix: string,
  head: string,
  { decoder = `${head}.decoder`, headFirst = false }: { decoder?: string; headFirst?: boolean } = {},
): CheckpointNames {
  const biases = [`${head}.bias`, `${head}.decoder.bias`]
  return {
    spellings: (name) => (biases.includes(name) ? biases.filter((other) => other !== name) : []),
    ignored: [/(^|\.)position_ids$/],
    tie: tieOf(`${prefix}.embeddings.word_embeddings.weight`, `${decoder}.weight`, headFirst),
  }
}

const tieOf = (embeddings: string, head: string, headFirst: boolean): Tie => ({
  embeddings,
  head,
  headFirst,
  fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
  fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
})
