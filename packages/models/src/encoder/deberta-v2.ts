import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, integer, optional, share, size, text, type Key, type Keys } from '../config/keys.js'
import type { Family, SequenceHeadOptions } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bertKeys, product } from './bert-like.js'
import { DebertaEncoder } from './deberta-encoder.js'
import { requireHeads } from './post-norm.js'

/** A number of which those below 1 mean none. */
const none = -1
const countOrNone: Key<number> = {
  fallback: none,
  read(value, name) {
    if (Number.isInteger(value) && (value as number) < 2 ** 20) return value as number
    throw new ConfigError(`${name} of the configuration must be an integer, not ${JSON.stringify(value)}`, {
      key: name,
      value,
    })
  },
}

/**
 * `pos_att_type`: a list, or its words with bars between them. Of version 1 there may be p2p, which transformers leaves
 * out of version 2.
 */
const positionTerms: Key<readonly string[]> = {
  fallback: [],
  read(value, name) {
    const words = typeof value === 'string' ? value.toLowerCase().split('|') : value
    if (Array.isArray(words) && words.every((word) => typeof word === 'string')) {
      const terms = words.map((word) => word.trim()).filter((word) => word !== '')
      if (terms.every((term) => ['c2p', 'p2c', 'p2p'].includes(term))) return terms
    }
    throw new ConfigError(
      `${name} of the configuration must name some of c2p, p2c, not ${JSON.stringify(value)}`,
      { key: name, value },
    )
  },
}

const keys = {
  ...bertKeys,
  vocabSize: size(128100),
  hiddenSize: size(1536),
  numHiddenLayers: { ...bertKeys.numHiddenLayers, fallback: 24 },
  numAttentionHeads: size(24),
  intermediateSize: size(6144),
  layerNormEps: { ...bertKeys.layerNormEps, fallback: 1e-7 },
  attentionHeadSize: optional(size(64)),
  embeddingSize: optional(size(1536)),
  typeVocabSize: integer(0),
  relativeAttention: flag(false),
  maxRelativePositions: countOrNone,
  positionBuckets: countOrNone,
  positionBiasedInput: flag(true),
  posAttType: positionTerms,
  shareAttKey: flag(false),
  normRelEbd: text('none'),
  convKernelSize: { ...countOrNone, fallback: 0 },
  convGroups: size(1),
  convAct: text('tanh'),
  poolerHiddenSize: optional(size(1536)),
  poolerDropout: share(0),
  poolerHiddenAct: text('gelu'),
  clsDropout: optional(share(0)),
  legacy: flag(true),
} satisfies Keys

export type DebertaV2Config = Config<typeof keys>

/** DeBERTa v2 and v3 (He et al. 2021, 2023). */
export const debertaV2: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'deberta-v2',
    keys,
    defaults: { padTokenId: 0 },
    // What other code than transformers reads.
    neutral: ['summary_activation', 'summary_last_dropout', 'summary_type', 'summary_use_proj'],
    check(config) {
      const { hiddenSize, numAttentionHeads, attentionHeadSize, convKernelSize, convGroups } = config
      requireHeads(hiddenSize, numAttentionHeads)
      const refuse = (key: string, problem: string): never => {
        throw new ConfigError(`${key}: ${problem}`, { key })
      }
      if (attentionHeadSize !== undefined && attentionHeadSize * numAttentionHeads !== hiddenSize) {
        refuse('attention_head_size', `${attentionHeadSize} is not hidden_size / num_attention_heads`)
      }
      if (config.positionBuckets === 1) refuse('position_buckets', 'one bucket has no middle')
      if (convKernelSize > 0 && convKernelSize % 2 === 0) {
        refuse('conv_kernel_size', `${convKernelSize} is even, and the sequence would not keep its length`)
      }
      if (convKernelSize > 0 && hiddenSize % convGroups !== 0) {
        refuse('conv_groups', `${convGroups} do not share hidden_size ${hiddenSize} evenly`)
      }
    },
  },
  classes: {
    Base: 'DebertaV2Model',
    MaskedLM: 'DebertaV2ForMaskedLM',
    SequenceClassification: 'DebertaV2ForSequenceClassification',
    TokenClassification: 'DebertaV2ForTokenClassification',
    QuestionAnswering: 'DebertaV2ForQuestionAnswering',
    MultipleChoice: 'DebertaV2ForMultipleChoice',
  },
  prefix: 'deberta',
  build: (weights, config) =>
    new DebertaEncoder(weights, {
      vocabSize: config.vocabSize,
      width: config.hiddenSize,
      embeddingWidth: config.embeddingSize ?? config.hiddenSize,
      layers: config.numHiddenLayers,
      heads: config.numAttentionHeads,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenAct, 'hidden_act'),
      eps: config.layerNormEps,
      std: config.initializerRange,
      paddingIdx: config.padTokenId,
      dropout: { hidden: config.hiddenDropoutProb, weights: config.attentionProbsDropoutProb },
      positions: config.positionBiasedInput ? config.maxPositionEmbeddings : undefined,
      typeVocabSize: typesOf(config),
      contentToPosition: config.posAttType.includes('c2p'),
      positionToContent: config.posAttType.includes('p2c'),
      relative: config.relativeAttention ? relativeOf(config) : undefined,
      normalised: config.normRelEbd
        .toLowerCase()
        .split('|')
        .some((word) => word.trim() === 'layer_norm'),
      convolution:
        config.convKernelSize > 0
          ? {
              kernel: config.convKernelSize,
              groups: config.convGroups,
              activation: activationOf(config.convAct, 'conv_act'),
            }
          : undefined,
    }),
  tokens: (config) => ({
    vocabSize: config.vocabSize,
    maxPositions: config.positionBiasedInput ? config.maxPositionEmbeddings : undefined,
    typeVocabSize: typesOf(config),
    ignoresTypes: true,
  }),
  heads: {
    languageModel: (config) => {
      const weight = normal(config.initializerRange)
      const place = config.legacy ? 'cls.predictions' : 'lm_predictions.lm_head'
      const transform = config.legacy ? `${place}.transform` : place
      if (!config.legacy && (config.embeddingSize ?? config.hiddenSize) !== config.hiddenSize) {
        throw new ConfigError('legacy: without it, embedding_size has to be hidden_size', { key: 'legacy' })
      }
      return {
        decoder: 'cls.predictions.decoder',
        // Two parameters of one value where the weights are tied; where they are not, the decoder's is read.
        bias: config.legacy && !config.tieWordEmbeddings ? `${place}.decoder.bias` : `${place}.bias`,
        weight,
        transform: {
          dense: {
            name: `${transform}.dense`,
            weight,
            width: config.embeddingSize ?? config.hiddenSize,
          },
          activation: activationOf(config.hiddenAct, 'hidden_act'),
          norm: { name: `${transform}.LayerNorm`, eps: config.layerNormEps },
        },
      }
    },
    sequenceClassifier: (config) => ({ ...pooled(config), sharesOfClasses: true }),
    multipleChoice: pooled,
    tokenClassifier: (config) => product(config, 'classifier', config.hiddenDropoutProb),
    questionAnswering: (config) => product(config, 'qa_outputs'),
  },
  checkpoint: {
    spellings: (name) =>
      name === 'cls.predictions.bias'
        ? ['cls.predictions.decoder.bias']
        : name === 'cls.predictions.decoder.bias'
          ? ['cls.predictions.bias']
          : [],
    // Buffers, the other of two names of one bias, and the replaced-token head of version 3's pretraining.
    ignored: [
      /(^|\.)position_ids$/,
      /(^|\.)cls\.predictions\.(decoder\.)?bias$/,
      /(^|\.)position_embeddings\./,
      /^mask_predictions\./,
    ],
    tie: {
      embeddings: 'deberta.embeddings.word_embeddings.weight',
      head: 'cls.predictions.decoder.weight',
      // The newer head multiplies by the embeddings whatever the configuration says.
      fromFile: ({ tieWordEmbeddings, legacy }) => tieWordEmbeddings || !legacy,
      fresh: ({ tieWordEmbeddings, legacy }) => tieWordEmbeddings || !legacy,
    },
  },
}

const typesOf = ({ typeVocabSize }: DebertaV2Config) => (typeVocabSize > 0 ? typeVocabSize : undefined)

function relativeOf(config: DebertaV2Config) {
  const { maxRelativePositions, maxPositionEmbeddings, positionBuckets, shareAttKey } = config
  const maxDistance = maxRelativePositions < 1 ? maxPositionEmbeddings : maxRelativePositions
  const buckets = positionBuckets > 0 ? positionBuckets : undefined
  return {
    span: buckets ?? maxDistance,
    buckets,
    maxDistance,
    shared: shareAttKey,
  }
}

/** `ContextPooler` over the first token, and a product. */
function pooled(config: DebertaV2Config): SequenceHeadOptions {
  const { poolerHiddenSize, hiddenSize, poolerDropout, poolerHiddenAct, initializerRange } = config
  if (poolerHiddenSize !== undefined && poolerHiddenSize !== hiddenSize) {
    throw new ConfigError(`pooler_hidden_size ${poolerHiddenSize} is not hidden_size ${hiddenSize}`, {
      key: 'pooler_hidden_size',
    })
  }
  return {
    ...product(config, 'classifier', config.clsDropout ?? config.hiddenDropoutProb),
    pool: 'firstColumn',
    transform: {
      dropout: poolerDropout,
      dense: { name: 'pooler.dense', weight: normal(initializerRange) },
      activation: activationOf(poolerHiddenAct, 'pooler_hidden_act'),
    },
  }
}
