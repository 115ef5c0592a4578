import type { Backbone } from './blocks/stack.js'
import type { Config, ConfigSchema } from './config/config.js'
import type { Keys } from './config/keys.js'
import type { TokenSpec } from './inputs/tokens.js'
import type { Initialiser } from '@tiny/core'
import type { Pool } from './blocks/pooling.js'
import type { TransformOptions } from './heads/transform.js'
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
  /** Where it stands in the class of one task, where that differs. */
  readonly prefixes?: Partial<Record<Task, string>>
  build(weights: Weights, config: Config<K>, options: BuildOptions): Backbone
  /** What the model takes; an encoder–decoder's decoder takes the same, unless it says otherwise. */
  tokens(config: Config<K>): TokenSpec
  decoderTokens?(config: Config<K>): TokenSpec
  /** Whether a causal language model's labels stand at their own tokens, as BART's do, not one further on. */
  readonly ownLabels?: boolean
  /** Of encoder–decoders: where the decoder's inputs come from. */
  readonly shift?: Shift
  readonly heads: Heads<K>
  readonly checkpoint: CheckpointNames<K>
}

/** What a file may call things, and what of it is no parameter. */
export interface CheckpointNames<K extends Keys = Keys> {
  /** Other spellings under which a file may store a parameter, best first. */
  spellings?(name: string): readonly string[]
  /** The name under which files store a parameter, where it is not the parameter's. */
  stored?(name: string): string
  /** Whether transformers leaves a tensor out of the files that it writes for a task. */
  omits?(name: string, task: Task): boolean
  /** Buffers and dead tensors of older files. */
  readonly ignored?: readonly RegExp[]
  /** Tables of the base model by the one that they repeat, unless a file holds both and they differ. */
  readonly repeated?: Readonly<Record<string, string>>
  /** The head that shares the token embeddings. */
  readonly tie?: Tie<K>
}

export interface Tie<K extends Keys = Keys> {
  /** Names inside the models with a head. */
  readonly embeddings: string
  /** The same, where it depends on the configuration. */
  embeddingsOf?(config: Config<K>, task: Task): string
  readonly head: string
  /** Whether the head's modules stand before the base model's: what both share is then listed under the head's name. */
  readonly headFirst?: boolean
  /** Whether a file's head is its embeddings where it has not both, or both and equal. */
  fromFile(config: Config<K>): boolean
  /** Whether a new model's is. */
  fresh(config: Config<K>): boolean
}

/** What comes out of a language model, and goes in again: the decoder's of an encoder–decoder. */
export const outputTokens = (family: Family, config: Config): TokenSpec =>
  family.decoderTokens?.(config) ?? family.tokens(config)

/** Heads by task, from parts that all families share. */
export interface Heads<K extends Keys = Keys> {
  languageModel?(config: Config<K>): LanguageHeadOptions
  sequenceClassifier?(config: Config<K>): SequenceHeadOptions
  tokenClassifier?(config: Config<K>): TokenHeadOptions
  questionAnswering?(config: Config<K>): TokenHeadOptions
  /** One score for each choice. */
  multipleChoice?(config: Config<K>): SequenceHeadOptions
  /** Whether a second text follows a first: next-sentence prediction, and a part of pretraining. */
  sentencePair?(config: Config<K>): SentencePairOptions
  /** Pretraining of a discriminator: which tokens a generator has replaced. */
  replacedTokens?(config: Config<K>): TokenHeadOptions
}

export interface BuildOptions {
  /** What the pooler's absence from a file means; undefined for models without one. */
  readonly pooler?: Role | undefined
  readonly task: Task
}

/** How an encoder–decoder's labels, or the encoder's own ids, become the decoder's inputs: moved right by one. */
export interface Shift {
  /** What comes first: decoder_start_token_id, or a row's own last token (mBART's language). */
  readonly first: 'start' | 'last'
  /** Whether the decoder reads the encoder's ids where it is given neither inputs nor labels, as BART does. */
  readonly fromInputs: boolean
}

export interface LanguageHeadOptions {
  /** Name of the product with the vocabulary where it is not tied. */
  readonly decoder: string
  /** Name of its bias. */
  readonly bias?: string | undefined
  /** A buffer [1, vocabulary] that is added to the logits: loaded and saved, not trained. */
  readonly logitsBias?: string
  readonly weight: Initialiser
  /** Factor of the logits, before a bias: of the hidden states, which comes to the same. */
  readonly scale?: number | undefined
  /** cap tanh(logit / cap). */
  readonly softcap?: number | undefined
  /** What comes before the product: a dense layer, an activation, a norm. */
  readonly transform?: TransformOptions
}

/** A last product, and what comes before it. */
export interface TokenHeadOptions {
  readonly transform?: TransformOptions | undefined
  /** Share of the product's input that training drops. */
  readonly dropout: number
  readonly name: string
  readonly bias: boolean
  readonly weight: Initialiser
}

export interface SequenceHeadOptions extends TokenHeadOptions {
  readonly pool: Pool
  /** Whether rows of labels are shares of one class each where the configuration has no problem_type (DeBERTa). */
  readonly sharesOfClasses?: boolean
}

export interface SentencePairOptions extends SequenceHeadOptions {
  readonly classes: number
  /** transformers' names of the label and of the logits in pretraining. */
  readonly label: 'nextSentenceLabel' | 'sentenceOrderLabel'
  readonly output: 'seqRelationshipLogits' | 'sopLogits'
}
