import type { Activation } from './blocks/activations.js'
import type { Backbone } from './blocks/stack.js'
import type { Config, ConfigSchema } from './config/config.js'
import type { Keys } from './config/keys.js'
import type { TokenSpec } from './inputs/tokens.js'
import type { Initialiser } from '@tiny/core'
import type { Role, Weights } from './parameters/weights.js'
import type { Task } from './task.js'

/** All that the rest of the package knows of a family of models: its config keys, its blocks, its checkpoint names. */
export interface Family<K extends Keys = Keys> {
  readonly schema: ConfigSchema<K>
  readonly kind: 'encoder' | 'decoder' | 'seq2seq'
  /** transformers' class for each task that the family has. */
  readonly classes: Partial<Record<Task, string>>
  /** Where the base model stands inside those with a head: 'bert' of 'bert.encoder.…'; '' for nowhere. */
  readonly prefix: string
  /** @param options `pooler`: what its absence from a file means; undefined for models without one. */
  build(weights: Weights, config: Config<K>, options: { pooler?: Role | undefined }): Backbone
  /** What the model takes; the decoder's of an encoder–decoder takes the same vocabulary. */
  tokens(config: Config<K>): TokenSpec
  readonly heads: Heads<K>
  readonly checkpoint: CheckpointNames<K>
}

/** What a file may call things, and what of it is no parameter. */
export interface CheckpointNames<K extends Keys = Keys> {
  /** Other spellings under which a file may store a parameter, best first. */
  spellings?(name: string): readonly string[]
  /** Buffers and dead tensors of older files. */
  readonly ignored?: readonly RegExp[]
  /** The head that shares the token embeddings. */
  readonly tie?: Tie<K>
}

export interface Tie<K extends Keys = Keys> {
  /** Names inside the models with a head. */
  readonly embeddings: string
  readonly head: string
  /** Whether a file's head is its embeddings where it has not both, or both and equal. */
  fromFile(config: Config<K>): boolean
  /** Whether a new model's is. */
  fresh(config: Config<K>): boolean
}

/** Heads by task, from parts that all families share. */
export interface Heads<K extends Keys = Keys> {
  languageModel?(config: Config<K>): LanguageHeadOptions
  sequenceClassifier?(config: Config<K>): ClassifierOptions & {
    /** The base model's pooler, or the last token that is no padding. */
    readonly pool: 'pooler' | 'last'
  }
  tokenClassifier?(config: Config<K>): ClassifierOptions
  questionAnswering?(config: Config<K>): ClassifierOptions
}

export interface LanguageHeadOptions {
  /** Name of the product with the vocabulary where it is not tied. */
  readonly decoder: string
  /** Name of its bias. */
  readonly bias?: string
  readonly weight: Initialiser
  /** Factor of the hidden states. */
  readonly scale?: number
  /** A dense layer, an activation and a norm before it. */
  readonly transform?: {
    readonly dense: string
    readonly norm: string
    readonly activation: Activation
    readonly eps: number
  }
}

export interface ClassifierOptions {
  readonly name: string
  readonly bias: boolean
  readonly dropout: number
  readonly weight: Initialiser
}
