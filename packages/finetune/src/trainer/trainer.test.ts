import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OptionError, threads } from '@tiny/core'
import {
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoTokenizer,
  type Tokenizer,
} from '@tiny/models'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import type { Example } from '../data/rows.js'
import type { TrainableModel } from '../model-loss.js'
import { AdamW } from '../optim/adamw.js'
import { trainTokenizer } from '../vocabulary/train-tokenizer.js'
import type { LogEntry } from './history.js'
import type { TrainerOptions } from './options.js'
import { Trainer } from './trainer.js'

const bert = {
  model_type: 'bert',
  vocab_size: 64,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 64,
  max_position_embeddings: 48,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
}
const gpt2 = { model_type: 'gpt2', vocab_size: 64, n_embd: 32, n_layer: 2, n_head: 2, n_positions: 48 }
const t5 = {
  model_type: 't5',
  vocab_size: 64,
  d_model: 32,
  d_kv: 16,
  d_ff: 64,
  num_layers: 2,
  num_heads: 2,
  decoder_start_token_id: 0,
  pad_token_id: 0,
  eos_token_id: 1,
}

const random = new RandomStream(9)
const ids = (length: number): number[] => Array.from({ length }, () => 4 + random.below(60))

/** Whether a row has more of token 5 than of token 6: learnable from embeddings alone. */
function countExamples(count: number): Example[] {
  return Array.from({ length: count }, () => {
    const inputIds = ids(4 + random.below(12)).map((id) => (id < 34 ? id : random.below(2) + 5))
    const surplus = inputIds.reduce((sum, id) => sum + (id === 5 ? 1 : id === 6 ? -1 : 0), 0)
    return { inputIds, label: surplus > 0 ? 1 : 0 }
  })
}

async function weightsOf(model: TrainableModel): Promise<Map<string, number[]>> {
  const weights = new Map<string, number[]>()
  for (const [name, parameter] of model.namedParameters())
    weights.set(name, Array.from(await parameter.data()))
  return weights
}

const quiet = { progress: false, batchSize: 8, learningRate: 3e-3 } as const
const models: TrainableModel[] = []
async function kept<M extends TrainableModel>(model: Promise<M>): Promise<M> {
  models.push(await model)
  return model
}
afterAll(async () => {
  for (const model of models) await model.dispose()
})
const classifier = (seed = 1) => kept(AutoModelForSequenceClassification.fromConfig(bert, { seed }))

// These models are too small for more.
threads.set(1)

describe('Trainer', () => {
  let tokenizer: Tokenizer
  beforeAll(async () => {
    tokenizer = await trainTokenizer(['a small text', 'more text of small words'], {
      model: 'wordpiece',
      vocabSize: 64,
    })
  })

  it('learns to classify, and evaluates with a metric', async () => {
    const model = await classifier()
    const seen: LogEntry[] = []
    const trainer = new Trainer(model, {
      ...quiet,
      train: countExamples(400),
      eval: countExamples(200),
      epochs: 4,
      weightDecay: 0.01,
      warmupRatio: 0.1,
      evalSteps: 100,
      metric: 'accuracy',
      onLog: (entry) => seen.push(entry),
    })
    const before = await trainer.evaluate()
    const result = await trainer.train()
    expect(result.steps).toBe(200)
    expect(result.metrics!.accuracy).toBeGreaterThan(0.9)
    expect(result.metrics!.loss).toBeLessThan(before.loss / 2)
    expect(result.history).toEqual(seen)
    expect(seen.filter((entry) => entry.eval).map((entry) => entry.step)).toEqual([100, 200])
    expect(seen.filter((entry) => entry.loss !== undefined)).toHaveLength(20)
    expect(await trainer.evaluate()).toEqual(result.metrics)
    expect(model.training).toBe(false)
    const own = new Trainer(model, {
      ...quiet,
      train: [{ inputIds: [1], label: 0 }],
      eval: countExamples(10),
      metric: ({ predictions, labels, logits }) => ({
        right: predictions.filter((p, i) => p === labels[i]).length,
        width: logits![0]!.length,
      }),
    })
    const evaluated = await own.evaluate()
    expect(evaluated.width).toBe(2)
    expect(evaluated.right).toBeGreaterThan(6)
  })

  it('gives the same weights from the same seed, bit for bit, with dropout, and others from another', async () => {
    const train = countExamples(60)
    const run = async (seed: number): Promise<Map<string, number[]>> => {
      const model = await classifier()
      await new Trainer(model, { ...quiet, train, epochs: 1, seed }).train()
      return weightsOf(model)
    }
    const first = await run(3)
    expect(await run(3)).toEqual(first)
    expect(await run(4)).not.toEqual(first)
  })

  it('accumulates two half batches to what one batch gives', async () => {
    const train = countExamples(64)
    const run = async (options: Partial<TrainerOptions>) => {
      const model = await kept(
        AutoModelForSequenceClassification.fromConfig(
          { ...bert, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 },
          { seed: 1 },
        ),
      )
      const result = await new Trainer(model, {
        ...quiet,
        train,
        epochs: 1,
        trainSamplingStrategy: 'sequential',
        ...options,
      }).train()
      return { weights: await weightsOf(model), result }
    }
    const whole = await run({ batchSize: 16 })
    const halves = await run({ batchSize: 8, gradientAccumulationSteps: 2 })
    expect(halves.result.steps).toBe(whole.result.steps)
    expect(halves.result.loss).toBeCloseTo(whole.result.loss, 4)
    const weight = 'bert.encoder.layer.1.output.dense.weight'
    const wanted = whole.weights.get(weight)!
    halves.weights.get(weight)!.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 3))
  })

  it.each([
    ['masked', () => AutoModelForMaskedLM.fromConfig(bert, { seed: 1 })],
    ['causal', () => AutoModelForCausalLM.fromConfig(gpt2, { seed: 1 })],
    ['seq2seq', () => AutoModelForSeq2SeqLM.fromConfig(t5, { seed: 1 })],
  ] as const)('trains %s language models', async (kind, make) => {
    const model = await kept<TrainableModel>(make())
    // Every row counts up from a random id.
    const train = Array.from({ length: 96 }, () => {
      const start = 5 + random.below(40)
      const inputIds = Array.from({ length: 8 + random.below(6) }, (_, i) => start + i)
      return kind === 'seq2seq'
        ? { inputIds: inputIds.slice(0, 4), labels: [...inputIds.slice(4, 7), 1] }
        : { inputIds }
    })
    const trainer = new Trainer(model, {
      ...quiet,
      tokenizer: kind === 'masked' ? tokenizer : undefined,
      train,
      eval: train.slice(0, 24),
      maxTokensPerBatch: 120,
      batchSize: undefined,
      trainSamplingStrategy: 'group_by_length',
      maxSteps: 60,
      metric: 'accuracy',
      learningRate: 1e-2,
    })
    const before = await trainer.evaluate()
    const { metrics, tokensPerSecond } = await trainer.train()
    expect(metrics!.loss).toBeLessThan(0.9 * before.loss)
    expect(metrics!.accuracy).toBeGreaterThan(before.accuracy!)
    expect(tokensPerSecond).toBeGreaterThan(0)
    const plain = new Trainer(model, {
      ...quiet,
      tokenizer: kind === 'masked' ? tokenizer : undefined,
      train,
      eval: train.slice(0, 24),
    })
    model.train() // evaluations drop nothing and leave the mode as it was
    expect((await plain.evaluate()).loss).toBeCloseTo(metrics!.loss, 3)
    expect(model.training).toBe(true)
  })

  it('saves model, tokenizer and history', async () => {
    const model = await classifier()
    const outputDir = await mkdtemp(join(tmpdir(), 'tiny-trainer-'))
    try {
      const train = [
        { text: 'small text', label: 'LABEL_1' },
        { text: 'more', label: 0 },
      ]
      const result = await new Trainer(model, { ...quiet, tokenizer, train, outputDir, maxSteps: 2 }).train()
      const state = JSON.parse(await readFile(join(outputDir, 'trainer_state.json'), 'utf8')) as Record<
        string,
        unknown
      >
      expect(state).toMatchObject({ global_step: 2, log_history: result.history })
      const loaded = await kept(AutoModelForSequenceClassification.fromPretrained(outputDir))
      expect(await weightsOf(loaded)).toEqual(await weightsOf(model))
      const words = await AutoTokenizer.fromPretrained(outputDir)
      expect(await words.encode('small text')).toEqual(await tokenizer.encode('small text'))
    } finally {
      await rm(outputDir, { recursive: true })
    }
  })

  it('stops on a signal with the weights of the last update, and the optimizer goes on after one', async () => {
    const model = await classifier()
    const controller = new AbortController()
    const reason = new Error('enough')
    const steps: number[] = []
    const onLog = ({ step }: LogEntry): void => {
      steps.push(step)
      if (step === 3) setImmediate(() => controller.abort(reason))
    }
    const train = countExamples(4000)
    const options = { ...quiet, train, loggingSteps: 1, onLog, signal: controller.signal, epochs: 1 }
    await expect(new Trainer(model, options).train()).rejects.toBe(reason)
    expect(steps.at(-1)).toBeLessThan(500)
    const reached = await classifier()
    await using optimizer = new AdamW(reached.parameters())
    const inputs = { inputIds: [ids(8)], labels: [1] }
    reached.train()
    await optimizer.step(reached, inputs)
    const before = await weightsOf(reached)
    const aborting = new AbortController()
    const big = {
      inputIds: Array.from({ length: 400 }, () => ids(40)),
      labels: Array.from({ length: 400 }, () => 1),
    }
    const step = optimizer.step(reached, big, { signal: aborting.signal })
    aborting.abort(reason)
    await expect(step).rejects.toBe(reason)
    expect(optimizer.steps).toBe(1)
    expect(await weightsOf(reached)).toEqual(before)
    await optimizer.step(reached, inputs)
    expect(optimizer.steps).toBe(2)
  })

  it('leaves the event loop free during a long step', async () => {
    const model = await classifier()
    model.train()
    await using optimizer = new AdamW(model.parameters())
    const inputs = {
      inputIds: Array.from({ length: 600 }, () => ids(40)),
      labels: Array.from({ length: 600 }, () => 1),
    }
    await optimizer.step(model, inputs)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await optimizer.step(model, inputs)
    clearInterval(timer)
    // Work on the event loop would have kept it from turning once.
    expect(turns).toBeGreaterThan(2)
  })

  it('refuses data that the task cannot use', async () => {
    const model = await classifier()
    const trained = (train: TrainerOptions['train']) => new Trainer(model, { ...quiet, train }).train()
    await expect(trained([])).rejects.toThrow(/train has no examples/)
    await expect(trained([{ inputIds: [1, 2] }])).rejects.toThrow(/train\[0\] lacks label/)
    await expect(trained([{ inputIds: ids(49), label: 1 }])).rejects.toThrow(/49 ids.*48/)
    await expect(trained([{ inputIds: [1, 99], label: 1 }])).rejects.toThrow(/99/)
    await expect(new Trainer(model, { ...quiet, train: countExamples(1) }).evaluate()).rejects.toThrow(
      OptionError,
    )
    const causal = await kept(AutoModelForCausalLM.fromConfig(gpt2, { seed: 1 }))
    expect(() => new Trainer(causal, { train: [], blockSize: 64 })).toThrow(/blockSize 64.*48/)
  })
})
