import { checkOptions, ConfigError } from '@tiny/core'
import {
  loadParts,
  freshParts,
  readConfig,
  type FromConfigOptions,
  type FromPretrainedOptions,
} from './build.js'
import { textPartOf } from './config/text-part.js'
import { createConfig, modelTypeOf, type Config, type ConfigJson, type ModelConfig } from './config/config.js'
import type { Family } from './family.js'
import { GenerativeModel } from './generation/generative-model.js'
import { hubOptions, type HubOptions } from './hub/options.js'
import { openSource } from './hub/source.js'
import { configFiles } from './hub/wanted.js'
import { PreTrainedModel, type ModelParts } from './model.js'
import { familyOf } from './registry.js'
import type { Task } from './task.js'

/** Makes models for a task: `AutoModelFor…` of any family, `BertFor…` of one. */
export class ModelClass<M extends PreTrainedModel> {
  readonly task: Task
  /** The one family that it makes; undefined for AutoModel…. */
  readonly modelType: string | undefined
  readonly #make: new (parts: ModelParts) => M
  readonly #familyOf: (modelType: unknown, where: string) => Promise<Family>

  constructor(task: Task, make: new (parts: ModelParts) => M, modelType?: string) {
    this.task = task
    this.#make = make
    this.modelType = modelType
    // A plain configuration may leave out what the class says.
    this.#familyOf = async (found = modelType, where) => {
      if (modelType === undefined || found === modelType) return familyOf(found, where)
      throw new ConfigError(
        `${where}: model_type is '${String(found)}', not '${modelType}'; AutoModel… takes any`,
        {
          key: 'model_type',
          modelType: found,
        },
      )
    }
  }

  /**
   * Loads a model from a folder with config.json and safetensors, single or sharded, or by its id from the hub ("name" or
   * "owner/name"), whose files are kept in the cache that Python's huggingface_hub has. A local folder wins.
   *
   * @throws CheckpointError naming a tensor that is missing or has another shape, ConfigError naming a key, HubError for
   *   what the hub refuses or lacks; the signal's reason when aborted.
   */
  async fromPretrained(source: string, options: FromPretrainedOptions = {}): Promise<M> {
    return new this.#make(await loadParts(source, this.task, options, this.#familyOf))
  }

  /** Draws a model's weights as transformers does (`_init_weights`), from `seed`. */
  async fromConfig(config: ConfigJson | ModelConfig, options: FromConfigOptions = {}): Promise<M> {
    return new this.#make(await freshParts(config, this.task, options, this.#familyOf))
  }

  /** `model instanceof BertForMaskedLM`. */
  [Symbol.hasInstance](model: unknown): model is M {
    if (!(model instanceof PreTrainedModel) || model.task !== this.task) return false
    return this.modelType === undefined || model.config.modelType === this.modelType
  }
}

export const AutoModel = new ModelClass('Base', PreTrainedModel)
/** An encoder–decoder's encoder alone. */
export const AutoModelForTextEncoding = new ModelClass('TextEncoding', PreTrainedModel)
export const AutoModelForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel)
export const AutoModelForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel)
export const AutoModelForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel)
export const AutoModelForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel)
export const AutoModelForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel)
export const AutoModelForNextSentencePrediction = new ModelClass('NextSentencePrediction', PreTrainedModel)
export const AutoModelForPreTraining = new ModelClass('PreTraining', PreTrainedModel)
export const AutoModelForCausalLM = new ModelClass('CausalLM', GenerativeModel)
export const AutoModelForSeq2SeqLM = new ModelClass('Seq2SeqLM', GenerativeModel)

/** Configurations of any family. */
export const AutoConfig = {
  /**
   * From a folder or a hub id.
   *
   * @throws CheckpointError without config.json, ConfigError for what it says, HubError for what the hub refuses.
   */
  async fromPretrained(source: string, options: HubOptions = {}): Promise<Config> {
    checkOptions(options, hubOptions, 'AutoConfig.fromPretrained')
    const folder = await (await openSource(source, options)).folder(configFiles())
    return (await readConfig(folder, familyOf)).config
  },

  /** From keys in config.json's spelling or in camelCase. */
  async fromConfig(json: ConfigJson): Promise<Config> {
    const part = textPartOf(json)
    const family = await familyOf(modelTypeOf(part), 'the configuration')
    return createConfig(family.schema, part)
  },
}
