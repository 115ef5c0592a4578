import {
  CheckpointError,
  checkOptions,
  ConfigError,
  openCheckpoint,
  OptionError,
  UnsupportedError,
  type Checkpoint,
  type Parameter,
} from '@tiny/core'
import {
  createConfig,
  modelTypeOf,
  type Config,
  type ConfigChanges,
  type ConfigJson,
  ModelConfig,
} from './config/config.js'
import { toCamel } from './config/keys.js'
import { textPartOf } from './config/text-part.js'
import type { Family } from './family.js'
import { generationConfigOf, storedGenerationConfig } from './generation/defaults.js'
import { readJson, requireFolder } from './files.js'
import { hasVocabulary, makeHead, poolOf } from './heads/index.js'
import { hubOptions, type HubOptions } from './hub/options.js'
import { openSource } from './hub/source.js'
import { configFiles, modelFiles } from './hub/wanted.js'
import type { ModelParts } from './model.js'
import type { Network } from './network.js'
import { drawWeights, loadWeights, storedName, type LoadReport } from './parameters/load.js'
import { differingTables, resolveTie, type ResolvedTie } from './parameters/ties.js'
import { Weights, type Precision, type Role } from './parameters/weights.js'
import { isHeadless, type Task } from './task.js'

export interface FromConfigOptions {
  /** What fresh weights follow from; default 0. */
  readonly seed?: number | undefined
  /** How weights are held; default float32, or as stored where they are loaded. */
  readonly dtype?: 'float32' | 'bfloat16' | 'float16' | undefined
  /** What products multiply in; default bfloat16 for bfloat16 weights, else float32. */
  readonly precision?: Precision | undefined
}

export interface FromPretrainedOptions extends FromConfigOptions, ConfigChanges, HubOptions {
  /** Draws what the file lacks of the head, from `seed`. `numLabels` and `id2label` say so, too. */
  readonly newHead?: boolean | undefined
  /** Which of several sets of weights: 'fp16' reads model.fp16.safetensors, or the shards of its index. */
  readonly variant?: string | undefined
}

const fromConfigOptions = ['seed', 'dtype', 'precision']
const configChanges = ['numLabels', 'id2label', 'label2id', 'problemType']
const fromPretrainedOptions = [...fromConfigOptions, ...configChanges, 'newHead', 'variant', ...hubOptions]

/** The configuration in a folder. @throws CheckpointError without config.json, ConfigError for what it says. */
export async function readConfig(
  folder: string,
  familyOf: (modelType: unknown, where: string) => Promise<Family>,
): Promise<{ family: Family; config: Config }> {
  await requireFolder(folder)
  const whole = await readJson(folder, 'config.json')
  if (whole === undefined) throw new CheckpointError(`${folder} has no config.json`, { path: folder })
  const json = textPartOf(whole)
  const family = await familyOf(json['model_type'], `${folder}/config.json`)
  return { family, config: createConfig(family.schema, json) }
}

/** Loads a model's parts from a folder or a hub's repository. */
export async function loadParts(
  given: string,
  task: Task,
  options: FromPretrainedOptions,
  familyOf: (modelType: unknown, where: string) => Promise<Family>,
): Promise<ModelParts> {
  requireLoadOptions(options)
  const source = await openSource(given, options)
  // Before weights are downloaded.
  const { family, config: stored } = await readConfig(await source.folder(configFiles()), familyOf)
  requireTask(family, task)
  const { numLabels, id2label, label2id, problemType, seed = 0, dtype, precision } = options
  const config = stored.with({ numLabels, id2label, label2id, problemType })
  const newHead = options.newHead ?? (numLabels !== undefined || id2label !== undefined)
  const folder = await source.folder(modelFiles('', options.variant))
  const generationConfig =
    (await readJson(folder, 'generation_config.json')) ?? storedGenerationConfig(config)
  const file = await openCheckpoint(folder, { variant: options.variant })
  try {
    const names = family.checkpoint
    // Files of other tasks may have one where this task has none.
    const prefix = prefixOf(family, task) || family.prefix
    const tie = await tieOf(family, task, config, file)
    const differing = await differingTables(names.repeated ?? {}, file, { prefix, names })
    const assembled = assemble(family, task, config, {
      precision,
      tied: tie.tied,
      holds: (name) => storedName(name, file, { prefix, names }) !== undefined,
      differs: (name) => differing.has(name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name),
    })
    const loadReport = await loadWeights(assembled.weights, file, {
      prefix,
      names,
      alsoNamed: tie.alsoNamed,
      newHead,
      seed,
      dtype,
    })
    return {
      family,
      config,
      task,
      ...assembled,
      loadReport: withoutDead(loadReport, family, tie.tied),
      generationConfig,
    }
  } finally {
    file.close()
  }
}

/** Draws a model's parts. */
export async function freshParts(
  given: ConfigJson | ModelConfig,
  task: Task,
  options: FromConfigOptions,
  familyOf: (modelType: unknown, where: string) => Promise<Family>,
): Promise<ModelParts> {
  checkOptions(options, fromConfigOptions, 'fromConfig')
  requireDtype(options.dtype)
  requireSeed(options.seed)
  const json = textPartOf(given instanceof ModelConfig ? given.toJSON() : given)
  const family = await familyOf(modelTypeOf(json), 'the configuration')
  requireTask(family, task)
  const config = given instanceof ModelConfig ? (given as Config) : createConfig(family.schema, json)
  const tied = family.checkpoint.tie?.fresh(config) === true
  const assembled = assemble(family, task, config, { precision: options.precision, tied })
  const loadReport = await drawWeights(assembled.weights, { seed: options.seed ?? 0, dtype: options.dtype })
  return { family, config, task, ...assembled, loadReport, generationConfig: generationConfigOf(config) }
}

const prefixOf = ({ prefix, prefixes }: Family, task: Task): string => prefixes?.[task] ?? prefix

/** Declares every parameter: nothing has contents yet. */
function assemble(
  family: Family,
  task: Task,
  config: Config,
  options: { precision: Precision | undefined; tied: boolean } & Parameters<typeof Weights.root>[0],
): { network: Network; weights: Weights['all']; constants: Weights['constants'] } {
  requirePrecision(options.precision)
  const weights = Weights.root(options)
  const prefix = isHeadless(task) ? '' : prefixOf(family, task)
  const backbone = family.build(weights.at(prefix), config, {
    task,
    pooler: poolerOf(family, task, config),
  })
  const tied: Parameter | undefined = options.tied ? backbone.embeddings : undefined
  const head = makeHead(task, weights, { family, config, backbone, tied })
  return { network: { backbone, head }, weights: weights.all, constants: weights.constants }
}

/** Some heads stand on the pooler, a base model may do without, other heads have none. */
function poolerOf(family: Family, task: Task, config: Config): Role | undefined {
  if (task === 'Base') return 'optional'
  return poolOf(family, task, config) === 'pooler' ? 'head' : undefined
}

async function tieOf(family: Family, task: Task, config: Config, file: Checkpoint): Promise<ResolvedTie> {
  const { tie } = family.checkpoint
  if (tie === undefined || !hasVocabulary(family, task)) return { tied: false, alsoNamed: {} }
  const embeddings = tie.embeddingsOf?.(config, task) ?? tie.embeddings
  const prefix = prefixOf(family, task) || family.prefix
  return resolveTie({ embeddings, head: tie.head }, tie.fromFile(config), file, {
    prefix,
    names: family.checkpoint,
  })
}

/** Buffers of older files and a head that repeats the embeddings are no news. */
function withoutDead(report: LoadReport, { checkpoint, prefix }: Family, tied: boolean): LoadReport {
  const { ignored = [], tie } = checkpoint
  const repeated = tied && tie !== undefined ? [tie.head, `${prefix}.${tie.head}`] : []
  const isNews = (name: string) => !ignored.some((pattern) => pattern.test(name)) && !repeated.includes(name)
  return { ...report, unread: report.unread.filter(isNews) }
}

function requireTask(family: Family, task: Task): void {
  if (family.classes[task] !== undefined) return
  const has = Object.keys(family.classes).map((name) =>
    name === 'Base' ? 'AutoModel' : `AutoModelFor${name}`,
  )
  throw new ConfigError(`${family.schema.modelType} has no model for ${task}; it has ${has.join(', ')}`, {
    modelType: family.schema.modelType,
    task,
  })
}

function requireLoadOptions(options: FromPretrainedOptions): void {
  for (const name of Object.keys(options ?? {})) {
    if (toCamel(name) === 'torchDtype') {
      throw new OptionError(`fromPretrained has no option '${name}': use dtype`, { option: name })
    }
  }
  checkOptions(options, fromPretrainedOptions, 'fromPretrained')
  requireDtype(options.dtype)
  requireSeed(options.seed)
  const { newHead, variant } = options
  if (variant !== undefined && !/^\w[\w-]*$/.test(variant)) {
    throw new OptionError(`variant is a word in the files' names, like 'fp16', not '${String(variant)}'`, {
      option: 'variant',
    })
  }
  if (newHead === undefined || typeof newHead === 'boolean') return
  throw new OptionError(`newHead is true or false, not ${JSON.stringify(newHead)}`, { option: 'newHead' })
}

function requireSeed(seed: number | undefined): void {
  if (seed === undefined || (Number.isSafeInteger(seed) && seed >= 0)) return
  throw new OptionError(`seed is an integer of at least 0, not ${String(seed)}`, { option: 'seed' })
}

function requireDtype(dtype: string | undefined): void {
  if (dtype === undefined || dtype === 'float32' || dtype === 'bfloat16' || dtype === 'float16') return
  if (dtype === 'int8' || dtype === 'int4')
    throw new UnsupportedError(`dtype '${dtype}' is not there yet`, { option: 'dtype' })
  throw new OptionError(`dtype is 'float32', 'bfloat16' or 'float16', not '${dtype}'`, { option: 'dtype' })
}

function requirePrecision(precision: string | undefined): void {
  if (precision === undefined || precision === 'float32' || precision === 'bfloat16') return
  throw new OptionError(`precision is 'float32' or 'bfloat16', not '${precision}'`, { option: 'precision' })
}
