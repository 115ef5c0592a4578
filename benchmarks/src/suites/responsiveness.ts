import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { AdamW } from '@tiny/finetune'
import { AutoModelForSequenceClassification } from '@tiny/models'
import { Draw } from '../random.js'
import { bertBase } from './architectures.js'

/**
 * The delay of the event loop, sampled every millisecond, while training steps of BERT-base on 2x128 tokens run, of
 * several hundred milliseconds each. The first step, which traces the plan on the event loop, is given by itself.
 */
export async function responsiveness(folder: string, date: Date): Promise<void> {
  const model = await AutoModelForSequenceClassification.fromConfig(
    { ...bertBase, num_labels: 2 },
    { seed: 1 },
  )
  model.train()
  const optimizer = new AdamW([{ params: [...model.parameters()] }], { lr: 1e-5 })
  const inputs = { inputIds: new Draw(7).ids([128, 128], bertBase.vocab_size), labels: [0, 1] }
  const measured = async (steps: number) => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const start = performance.now()
    for (let step = 0; step < steps; step++) await optimizer.step(model, inputs, { maxGradNorm: 1 })
    delay.disable()
    const milliseconds = (nanoseconds: number): number => nanoseconds / 1e6
    return {
      steps,
      stepMs: (performance.now() - start) / steps,
      p50: milliseconds(delay.percentile(50)),
      p99: milliseconds(delay.percentile(99)),
      max: milliseconds(delay.max),
    }
  }
  const first = await measured(1)
  const later = await measured(10)
  await optimizer.dispose()
  await model.dispose()
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${date.toISOString().slice(0, 10)}-responsiveness.json`)
  writeFileSync(
    path,
    `${JSON.stringify({ suite: 'responsiveness', date: date.toISOString(), first, later }, null, 2)}\n`,
  )
  const line = ({ stepMs, p50, p99, max }: typeof later): string =>
    `a step takes ${stepMs.toFixed(0)} ms; the event loop waits ${p50.toFixed(1)} ms (p50), ${p99.toFixed(1)} ms (p99), ${max.toFixed(1)} ms (most)`
  console.log(`\nresponsiveness\nlater steps: ${line(later)}\nfirst step:  ${line(first)}\nkept in ${path}`)
}
