import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openCheckpoint, type Parameter } from '@tiny/core'
import {
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
} from '@tiny/models'
import { describe, expect, it } from 'vitest'
import type { ModelInputs } from '../model-loss.js'
import { AdamW } from './adamw.js'
import { makeSchedule } from './schedule.js'

interface Case {
  architecture: string
  lr: number
  betas: [number, number]
  eps: number
  weight_decay: number
  warmup_steps: number
  steps: number
  clip_norm: number
  accumulation: number
  /** A part of the names of parameters that are not trained. */
  frozen?: string
  losses: number[]
  grad_norms: number[]
}

const folder = fileURLToPath(new URL('../../../../golden/trajectories/', import.meta.url))
/** By the end of the name of transformers' class. */
const classes = {
  ForSequenceClassification: AutoModelForSequenceClassification,
  ForMaskedLM: AutoModelForMaskedLM,
  ForCausalLM: AutoModelForCausalLM,
  LMHeadModel: AutoModelForCausalLM,
  ForConditionalGeneration: AutoModelForSeq2SeqLM,
}
const classOf = (architecture: string) =>
  Object.entries(classes).find(([ending]) => architecture.endsWith(ending))![1]

/** Relative distance of two vectors. */
function distance(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  const norm = (at: (i: number) => number): number => Math.hypot(...Array.from(wanted, (_, i) => at(i)))
  return norm((i) => got[i]! - wanted[i]!) / (norm((i) => wanted[i]!) + 1e-12)
}

/** 1-D parameters and norms do not decay. */
function isPlain([name, parameter]: [string, Parameter]): boolean {
  return parameter.rank < 2 || /norm/i.test(name)
}

describe("PyTorch's training runs", () => {
  it.each(readdirSync(folder))(
    '%s: updates have the same losses, gradient norms and final weights',
    async (name) => {
      const info = JSON.parse(readFileSync(`${folder}${name}/case.json`, 'utf8')) as Case
      const expected = await openCheckpoint(`${folder}${name}/expected.safetensors`)
      const keys = [...expected.keys()]
      const batch = async (index: number): Promise<ModelInputs> => {
        const prefix = `batch.${index}.`
        const entries = keys
          .filter((key) => key.startsWith(prefix))
          .map(async (key) => {
            const camel = key
              .slice(prefix.length)
              .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
            return [
              camel,
              { shape: expected.info(key).shape, data: await expected.tensor(key).data<'int64'>() },
            ] as const
          })
        return Object.fromEntries(await Promise.all(entries)) as unknown as ModelInputs
      }
      const batches = (step: number) =>
        Promise.all(Array.from({ length: info.accumulation }, (_, i) => batch(step * info.accumulation + i)))
      await using model = await classOf(info.architecture).fromPretrained(`${folder}${name}/model`, {
        dtype: 'float32',
      })
      model.train()
      const named = [...model.namedParameters()]
      const isFrozen = ([parameterName]: [string, Parameter]) =>
        info.frozen !== undefined && parameterName.includes(info.frozen)
      expect(named.some(isFrozen)).toBe(info.frozen !== undefined)
      for (const [, parameter] of named.filter(isFrozen)) parameter.requiresGrad = false
      const params = (plain: boolean): Parameter[] =>
        named.filter((entry) => isPlain(entry) === plain).map(([, p]) => p)
      await using optimizer = new AdamW(
        [
          { params: params(false), weightDecay: info.weight_decay },
          { params: params(true), weightDecay: 0 },
        ],
        { lr: info.lr, betas: info.betas, eps: info.eps },
      )
      const schedule = makeSchedule('linear', {
        learningRate: info.lr,
        warmupSteps: info.warmup_steps,
        totalSteps: info.steps,
      })
      for (let step = 0; step < info.steps; step++) {
        const options = { lr: schedule(step), maxGradNorm: info.clip_norm }
        const { loss, gradNorm } = await optimizer.step(model, await batches(step), options)
        expect(Math.abs(loss - info.losses[step]!)).toBeLessThan(1e-3 * Math.max(1, info.losses[step]!))
        expect(Math.abs(gradNorm - info.grad_norms[step]!)).toBeLessThan(
          3e-3 * Math.max(1, info.grad_norms[step]!),
        )
      }
      const final = new Map(model.namedParameters())
      // A key's bias has no gradient but rounding, which Adam magnifies: its final value means nothing.
      const compared = keys.filter(
        (key) => key.startsWith('final.') && !/(key|k_proj|c_attn)\.bias$/.test(key),
      )
      expect(compared.length).toBeGreaterThan(10)
      const off: string[] = []
      for (const key of compared) {
        const got = await final.get(key.slice('final.'.length))!.data()
        const by = distance(got, await expected.tensor(key).data())
        if (!(by < 5e-3)) off.push(`${key} by ${by}`)
      }
      expect(off).toEqual([])
      expected.close()
    },
  )
})
