import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import type { Config } from '../config/config.js'
import { flag, layers, optional, size, text, type Keys, type ValuesOf } from '../config/keys.js'
import type { BuildOptions, Family, Heads } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { T5Encoder, t5Keys, T5Model, type T5LikeConfig, type T5Options } from './t5-stack.js'

const keys = {
  ...t5Keys,
  scaleDecoderOutputs: optional(flag(true)),
} satisfies Keys

export type T5Config = Config<typeof keys>

const mostDistance = 2 ** 20

/** @throws ConfigError for combinations that cannot be, naming the key. */
function checkConfig(config: ValuesOf<typeof t5Keys>): void {
  const { feedForwardProj: proj } = config
  const parts = proj.split('-')
  if (parts.length > 2 || (parts.length === 2 && parts[0] !== 'gated')) {
    throw new ConfigError(`feed_forward_proj is 'ACTIVATION' or 'gated-ACTIVATION', not '${proj}'`, {
      key: 'feed_forward_proj',
    })
  }
  const { relativeAttentionNumBuckets: buckets, relativeAttentionMaxDistance: distance } = config
  if (buckets < 4) {
    throw new ConfigError(`relative_attention_num_buckets must be at least 4, not ${buckets}`, {
      key: 'relative_attention_num_buckets',
    })
  }
  // Distances up to half of the buckets have one each, and a table holds every distance.
  if (distance <= buckets / 2 || distance > mostDistance) {
    throw new ConfigError(
      `relative_attention_max_distance must be above ${buckets / 2} (half of relative_attention_num_buckets) and at ` +
        `most ${mostDistance}, not ${distance}`,
      { key: 'relative_attention_max_distance' },
    )
  }
}

/** Classes of tokens, and texts as sets of vectors, need the encoder alone. */
const build =
  (parts: T5Options = {}) =>
  (weights: Weights, config: T5LikeConfig, { task }: BuildOptions) =>
    task === 'TokenClassification' || task === 'TextEncoding'
      ? new T5Encoder(weights, config, parts)
      : new T5Model(weights, config, parts)

/** @param scales whether what the head multiplies is scaled. */
const heads = <C extends T5LikeConfig>(scales: (config: C) => boolean) => {
  const std = ({ initializerFactor, dModel }: C) => initializerFactor * dModel ** -0.5
  return {
    languageModel: (config: C) => ({
      decoder: 'lm_head',
      weight: normal(config.initializerFactor),
      ...(scales(config) ? { scale: config.dModel ** -0.5 } : {}),
    }),
    sequenceClassifier: (config: C) => ({
      pool: 'eos' as const,
      transform: {
        dropout: config.classifierDropout,
        dense: { name: 'classification_head.dense', weight: normal(std(config)) },
        activation: activationOf('tanh', 'classification_head'),
      },
      dropout: config.classifierDropout,
      name: 'classification_head.out_proj',
      bias: true,
      weight: normal(std(config)),
    }),
    tokenClassifier: ({ classifierDropout, initializerFactor }: C) => ({
      name: 'classifier',
      bias: true,
      dropout: classifierDropout,
      weight: normal(initializerFactor),
    }),
    questionAnswering: (config: C) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(std(config)),
    }),
  } satisfies Heads<never>
}

export const t5: Family<typeof keys> = {
  kind: 'seq2seq',
  schema: {
    modelType: 't5',
    keys,
    defaults: { padTokenId: 0, eosTokenId: 1, isEncoderDecoder: true },
    neutral: ['n_positions'], // of older files
    check: checkConfig,
  },
  classes: {
    Base: 'T5Model',
    Seq2SeqLM: 'T5ForConditionalGeneration',
    SequenceClassification: 'T5ForSequenceClassification',
    TokenClassification: 'T5ForTokenClassification',
    QuestionAnswering: 'T5ForQuestionAnswering',
    TextEncoding: 'T5EncoderModel',
  },
  prefix: 'transformer',
  prefixes: { Seq2SeqLM: '', QuestionAnswering: '' },
  build: build(),
  tokens: ({ vocabSize }) => ({ vocabSize }),
  shift: { first: 'start', fromInputs: false },
  heads: heads<T5Config>(
    // T5 1.0 scales; transformers 5 keeps the fact in scale_decoder_outputs.
    ({ scaleDecoderOutputs, tieWordEmbeddings }) => scaleDecoderOutputs ?? tieWordEmbeddings,
  ),
  checkpoint: {
    spellings: (name) =>
      name.endsWith('shared.weight')
        ? ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'].map((other) =>
            name.replace('shared.weight', other),
          )
        : [],
    repeated: {
      'encoder.embed_tokens.weight': 'shared.weight',
      'decoder.embed_tokens.weight': 'shared.weight',
    },
    ignored: [
      /(^|\.)(en|de)coder\.embed_tokens\.weight$/,
      /EncDecAttention\.relative_attention_bias\.weight$/,
    ],
    tie: {
      embeddings: 'shared.weight',
      head: 'lm_head.weight',
      // transformers 5 ties whatever the key says, unless the file holds a head of its own.
      fromFile: () => true,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

/** Defaults in which mT5 and UMT5 differ from T5. */
const multilingualKeys = {
  ...t5Keys,
  vocabSize: size(250112),
  dFf: size(1024),
  numLayers: layers(8, 'numHiddenLayers'),
  numHeads: size(6, 'numAttentionHeads'),
  feedForwardProj: text('gated-gelu'),
} satisfies Keys

/** The same classes under another name. */
const classesOf = (name: string): Family['classes'] =>
  Object.fromEntries(Object.entries(t5.classes).map(([task, t5Name]) => [task, t5Name.replace('T5', name)]))

const multilingualDefaults = { padTokenId: 0, eosTokenId: 1, decoderStartTokenId: 0, isEncoderDecoder: true }

/** mT5 (Xue et al. 2021). transformers 5 scales no output of it, whatever the file says of ties. */
export const mt5: Family<typeof t5Keys> = {
  ...t5,
  schema: { modelType: 'mt5', keys: multilingualKeys, defaults: multilingualDefaults, check: checkConfig },
  classes: classesOf('MT5'),
  heads: heads<T5LikeConfig>(() => false),
}

/** UMT5 (Chung et al. 2023): every layer has relative positions of its own. transformers 5 always scales. */
export const umt5: Family<typeof t5Keys> = {
  ...t5,
  schema: {
    modelType: 'umt5',
    keys: multilingualKeys,
    defaults: multilingualDefaults,
    neutral: ['scalable_attention'],
    check: checkConfig,
  },
  classes: classesOf('UMT5'),
  build: build({ relativeInEach: true }),
  heads: heads<T5LikeConfig>(() => true),
}
