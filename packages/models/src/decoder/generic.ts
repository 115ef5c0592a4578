import { ConfigError, type Initialiser } from '@tiny/core'
import type { Backbone } from '../blocks/stack.js'
import type { Config, ConfigSchema } from '../config/config.js'
import type { Keys } from '../config/keys.js'
import type { BuildOptions, Family, Heads, LanguageHeadOptions } from '../family.js'
import type { TokenSpec } from '../inputs/tokens.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { Task } from '../task.js'
import { alwaysCausal } from './causal.js'

/** Tasks of transformers' generic decoder heads (modeling_layers.py). */
export const everyTask = [
  'CausalLM',
  'SequenceClassification',
  'TokenClassification',
  'QuestionAnswering',
] as const satisfies readonly Task[]

export interface GenericDecoder<K extends Keys> {
  readonly schema: Omit<ConfigSchema<K>, 'defaults'> & {
    /** Defaults of keys that every family has; the two that decoders differ in must be said. */
    readonly defaults: NonNullable<ConfigSchema<K>['defaults']> & { readonly tieWordEmbeddings: boolean }
  }
  /** 'Llama' of LlamaForCausalLM. */
  readonly name: string
  readonly tasks?: readonly Exclude<Task, 'Base'>[]
  /** Classes whose names are not `name` and the task. */
  readonly classes?: Partial<Record<Task, string>>
  /** Where the base model stands inside the class for question answering, where older code has called it otherwise. */
  readonly questionAnsweringPrefix?: string
  build(weights: Weights, config: Config<K>, options: BuildOptions): Backbone
  /** What differs of the product with the vocabulary. */
  languageModel?(config: Config<K>): Partial<LanguageHeadOptions>
  /** What differs of the other heads. */
  readonly heads?: Partial<Heads<K>>
  readonly tokens?: (config: Config<K>) => Partial<TokenSpec>
  /** How heads are drawn: by `initializer_range` unless given. */
  initializer?(config: Config<K>): Initialiser
  readonly prefix?: string
  /** Name of the token embeddings inside the base model. */
  readonly embeddings?: string
  readonly checkpoint?: Omit<Family<K>['checkpoint'], 'tie'>
}

/** Values that every family made here has. */
interface CommonDecoderConfig {
  readonly vocabSize: number
  readonly initializerRange?: number
  readonly classifierDropout?: number | undefined
  readonly hiddenDropout?: number | undefined
}

/** A family of decoders with transformers' usual names and heads. */
export function decoderFamily<K extends Keys>(decoder: GenericDecoder<K>): Family<K> {
  const { name, tasks = everyTask, prefix = 'model', embeddings = 'embed_tokens', checkpoint } = decoder
  const schema: ConfigSchema<K> = {
    ...decoder.schema,
    keys: { isCausal: alwaysCausal, ...decoder.schema.keys },
    // Decoders are that, whatever this says.
    neutral: [...(decoder.schema.neutral ?? []), 'is_decoder'],
  }
  const common = (config: Config<K>) => config as unknown as CommonDecoderConfig
  const weight = (config: Config<K>): Initialiser =>
    decoder.initializer?.(config) ?? normal(common(config).initializerRange ?? 0.02)
  const head = (config: Config<K>): Partial<LanguageHeadOptions> => decoder.languageModel?.(config) ?? {}
  return {
    kind: 'decoder',
    schema,
    classes: {
      Base: `${name}Model`,
      ...Object.fromEntries(tasks.map((task) => [task, `${name}For${task}`])),
      ...decoder.classes,
    },
    prefix,
    ...(decoder.questionAnsweringPrefix === undefined
      ? {}
      : { prefixes: { QuestionAnswering: decoder.questionAnsweringPrefix } }),
    build: (weights, config, options) => decoder.build(weights, config, options),
    tokens: (config) => ({ vocabSize: common(config).vocabSize, ...decoder.tokens?.(config) }),
    heads: {
      languageModel: (config) => ({
        decoder: 'lm_head',
        weight: weight(config),
        ...head(config),
      }),
      sequenceClassifier: (config) => ({
        pool: 'last',
        name: 'score',
        bias: false,
        dropout: 0,
        weight: weight(config),
      }),
      tokenClassifier: (config) => ({
        name: 'score',
        bias: true,
        dropout: common(config).classifierDropout ?? common(config).hiddenDropout ?? 0.1,
        weight: weight(config),
      }),
      questionAnswering: (config) => ({
        name: 'qa_outputs',
        bias: true,
        dropout: 0,
        weight: weight(config),
      }),
      ...decoder.heads,
    },
    checkpoint: {
      ...checkpoint,
      ...(decoder.questionAnsweringPrefix === undefined
        ? {}
        : { spellings: elsewhere(prefix, decoder.questionAnsweringPrefix) }),
      // Buffers of older files: frequencies and the causal mask.
      ignored: [/rotary_emb\.(inv_freq|cos_cached|sin_cached)$/, ...(checkpoint?.ignored ?? [])],
      tie: {
        embeddings: `${prefix}.${embeddings}.weight`,
        head: 'lm_head.weight',
        fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
        fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      },
    },
  }
}

/** The base model's tensors in a file of the other kind of class. */
const elsewhere =
  (one: string, other: string) =>
  (name: string): readonly string[] =>
    [
      [one, other],
      [other, one],
    ].flatMap(([from, to]) => (name.startsWith(`${from}.`) ? [to + name.slice(from!.length)] : []))

interface HeadCounts {
  readonly hiddenSize: number
  readonly numAttentionHeads: number
  readonly numKeyValueHeads?: number | undefined
  readonly headDim?: number | undefined
}

/** Refuses heads that cannot share key heads, or that have no columns. */
export function requireHeads(config: HeadCounts): void {
  const { hiddenSize, numAttentionHeads: heads, numKeyValueHeads: kvHeads = heads, headDim } = config
  if (headDim === undefined && hiddenSize < heads) {
    throw new ConfigError(
      `hidden_size ${hiddenSize} has no column for each of num_attention_heads ${heads}`,
      {
        key: 'hidden_size',
      },
    )
  }
  if (heads % kvHeads === 0) return
  throw new ConfigError(`num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`, {
    key: 'num_key_value_heads',
  })
}

/** The same, and heads that leave columns over: families in which transformers refuses them. */
export function requireWholeHeads(config: HeadCounts): void {
  const { hiddenSize, numAttentionHeads: heads, headDim } = config
  if (headDim === undefined && hiddenSize % heads !== 0) {
    throw new ConfigError(`hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${heads}`, {
      key: 'hidden_size',
    })
  }
  requireHeads(config)
}
