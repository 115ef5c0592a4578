import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OptionError, throwIfAborted } from '@tiny/core'
import { RandomStream } from '../data/random.js'
import { readExamples, requireDataset, type Dataset, type Row } from '../data/rows.js'
import { requireMetric } from '../metrics/metric.js'
import { requireModel, type ModelInputs, type TrainableModel } from '../model-loss.js'
import { objectiveOf } from '../objectives/index.js'
import type { Objective } from '../objectives/objective.js'
import { AdamW } from '../optim/adamw.js'
import { makeSchedule, type Schedule } from '../optim/schedule.js'
import { decayGroups } from './decay.js'
import { evaluateRows } from './evaluation.js'
import type { EvaluationResult, TrainResult } from './history.js'
import { Log } from './log.js'
import { checkTrainerOptions } from './names.js'
import { readTrainerOptions, type Settings, type TrainerOptions } from './options.js'
import { planUpdates, type Update } from './plan.js'
import { showProgress } from './progress.js'

/** Place in `RandomStream` of what training draws for a row: masks. */
const trainingPlace = 2

/**
 * Trains a model on a task, which is the one of its head, as transformers' Trainer does. Everything that is drawn
 * follows from `seed`: two runs of one version on one machine give the same weights, bit for bit.
 *
 * Training happens off the event loop; in between, batches are put together on it.
 */
export class Trainer {
  readonly model: TrainableModel
  readonly #settings: Settings
  readonly #objective: Objective
  #training = false

  /** @throws OptionError, UnsupportedError naming the option. */
  constructor(model: TrainableModel, options: TrainerOptions) {
    requireModel('Trainer', model)
    this.model = model
    this.#settings = readTrainerOptions(options, model.task)
    requireMetric(options.metric)
    const { tokenizer, blockSize, mlmProbability } = this.#settings
    const config = model.config as unknown as Readonly<Record<string, unknown>>
    const positions =
      model.maxTokens ?? numberIn(config, 'maxPositionEmbeddings') ?? numberIn(config, 'nPositions')
    if (blockSize !== undefined && positions !== undefined && blockSize > positions) {
      throw new OptionError(`Trainer: blockSize ${blockSize} is beyond the model's ${positions} positions`, {
        option: 'blockSize',
        maxPositions: positions,
      })
    }
    const bounds = [this.#settings.maxLength, positions, tokenizer?.modelMaxLength].filter(
      (bound) => bound !== undefined,
    )
    this.#objective = objectiveOf(model.task, {
      tokenizer,
      maxLength: bounds.length === 0 ? undefined : Math.min(...bounds),
      blockSize,
      mlmProbability,
      vocabSize: numberIn(config, 'vocabSize'),
      label2id: model.config.label2id,
      tokenTypes: numberIn(config, 'typeVocabSize') !== undefined,
      ownLabels: model.packSpec.ownLabels === true,
    })
    this.#schedule(1) // refuses names and numbers now rather than after the data is read
  }

  /**
   * Trains to the end. The model is in its former mode afterwards.
   *
   * @throws OptionError for data that does not fit the task; `signal.reason` when aborted: the updates made until
   *   then stay, the one under way leaves nothing.
   */
  async train(options: { readonly resumeFromCheckpoint?: false | undefined } = {}): Promise<TrainResult> {
    checkTrainerOptions(options, [], 'Trainer.train')
    if (this.#training) throw new OptionError('this Trainer is training already', {})
    this.#training = true
    const { training } = this.model
    try {
      const result = await this.#run()
      const { outputDir, tokenizer } = this.#settings
      if (outputDir !== undefined) {
        await this.model.savePretrained(outputDir, tokenizer === undefined ? {} : { tokenizer })
        await saveState(outputDir, result)
      }
      return result
    } finally {
      this.model.train(training)
      this.#training = false
    }
  }

  /**
   * Loss and metric on a data set; default the one given as `eval`.
   *
   * @throws OptionError without either; `signal.reason` when aborted.
   */
  async evaluate(dataset: Dataset | undefined = this.#settings.eval): Promise<EvaluationResult> {
    if (dataset === undefined) {
      throw new OptionError('Trainer.evaluate needs data: there is no eval among the options', {
        option: 'eval',
      })
    }
    requireDataset('eval', dataset)
    return this.#evaluate(await this.#rows('eval', dataset))
  }

  async #run(): Promise<TrainResult> {
    const settings = this.#settings
    const {
      signal,
      seed,
      labelSmoothing,
      gradientCheckpointing,
      maxGradNorm,
      learningRate: lr,
      adamBeta1,
      adamBeta2,
      adamEpsilon: eps,
    } = settings
    throwIfAborted(signal)
    const rows = await this.#rows('train', settings.train)
    const evaluated = settings.eval === undefined ? undefined : await this.#rows('eval', settings.eval)
    const updates = this.#plan(rows)
    const schedule = this.#schedule(updates.length)
    const trainable = [...this.model.namedParameters()].filter(([, parameter]) => parameter.requiresGrad)
    const optimizer = new AdamW(decayGroups(trainable, settings.weightDecay), {
      lr,
      betas: [adamBeta1, adamBeta2],
      eps,
    })
    const progress = showProgress(`Training ${this.model.task}`, updates.length, settings.progress)
    const log = new Log(settings, progress)
    try {
      this.model.train()
      let inputs = this.#inputs(rows, updates[0]!)
      for (const [index, update] of updates.entries()) {
        const [step, last] = [index + 1, index + 1 === updates.length]
        const learningRate = schedule(index)
        const clip = maxGradNorm > 0 ? { maxGradNorm } : {}
        const running = optimizer.step(this.model, inputs, {
          lr: learningRate,
          seed,
          labelSmoothing,
          gradientCheckpointing,
          signal,
          ...clip,
        })
        // The next batch is put together while the engine works on this one.
        if (!last) inputs = this.#inputs(rows, updates[step]!)
        const made = await running
        const tokens = update.batches.flat().reduce((sum, row) => sum + rows[row]!.length, 0)
        log.step({ step, epoch: update.epoch, ...made, learningRate, tokens }, last)
        const due = settings.evalSteps !== undefined && step % settings.evalSteps === 0
        if (evaluated === undefined || !(due || last)) continue
        log.pause()
        log.evaluation(step, update.epoch, await this.#evaluate(evaluated))
        log.resume()
      }
      return log.result()
    } finally {
      progress.stop()
      await optimizer.dispose()
    }
  }

  async #rows(name: string, dataset: Dataset): Promise<Row[]> {
    const examples = await readExamples(name, dataset)
    const rows = await this.#objective.prepare(examples, name)
    if (rows.length > 0) return rows
    throw new OptionError(`${name} has ${examples.length} examples but not one row to learn from`, {
      option: name,
    })
  }

  #plan(rows: readonly Row[]): Update[] {
    const { batchSize, maxTokensPerBatch: maxTokens, trainSamplingStrategy: strategy, seed } = this.#settings
    const { epochs, maxSteps, gradientAccumulationSteps: accumulation } = this.#settings
    const size = maxTokens === undefined ? { batchSize } : { maxTokens }
    const lengths = rows.map((row) => row.length)
    return planUpdates(lengths, { ...size, strategy, seed, epochs, maxSteps, accumulation })
  }

  #inputs(rows: readonly Row[], { batches, pass }: Update): ModelInputs[] {
    const { seed } = this.#settings
    return batches.map((batch) =>
      this.#objective.collate(
        batch.map((row) => rows[row]!),
        (i) => new RandomStream(seed, trainingPlace, pass, batch[i]!),
      ),
    )
  }

  #schedule(totalSteps: number): Schedule {
    const {
      lrScheduler,
      learningRate,
      lrSchedulerKwargs: kwargs,
      warmupSteps,
      warmupRatio = 0,
    } = this.#settings
    const steps = warmupSteps ?? Math.ceil(warmupRatio * totalSteps)
    return makeSchedule(lrScheduler, { learningRate, warmupSteps: steps, totalSteps, kwargs })
  }

  #evaluate(rows: readonly Row[]): Promise<EvaluationResult> {
    const { batchSize, evalBatchSize, maxTokensPerBatch, metric, seed, signal } = this.#settings
    const size =
      evalBatchSize === undefined && maxTokensPerBatch !== undefined
        ? { maxTokens: maxTokensPerBatch }
        : { batchSize: evalBatchSize ?? batchSize }
    return evaluateRows(this.model, this.#objective, rows, { ...size, metric, seed, signal })
  }
}

function numberIn(config: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = config[key]
  return typeof value === 'number' ? value : undefined
}

/** trainer_state.json, where transformers keeps a run's history, too. */
async function saveState(directory: string, result: TrainResult): Promise<void> {
  const { history, steps, loss, metrics, seconds, tokensPerSecond } = result
  const state = {
    global_step: steps,
    train_loss: loss,
    train_runtime: seconds,
    tokens_per_second: tokensPerSecond,
    metrics,
  }
  const path = join(directory, 'trainer_state.json')
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, `${JSON.stringify({ ...state, log_history: history }, undefined, 2)}\n`)
  await rename(temporary, path)
}
