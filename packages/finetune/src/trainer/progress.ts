import cliProgress from 'cli-progress'

/** What is shown of a run. */
export interface ProgressState {
  readonly step: number
  readonly loss: number
  readonly tokensPerSecond: number
}

export interface Progress {
  update(state: ProgressState): void
  stop(): void
}

/** Seconds between two lines where there is no terminal. */
const lineSeconds = 10

/**
 * Shows a run on standard error: a bar with loss, speed and time left on a terminal, a line every few seconds
 * elsewhere, nothing where `shown` is false.
 */
export function showProgress(title: string, totalSteps: number, shown: boolean): Progress {
  if (!shown) return { update() {}, stop() {} }
  const stream = process.stderr
  const started = performance.now()
  const remaining = (step: number): string => {
    const seconds = (performance.now() - started) / 1000
    return step === 0 ? '?' : duration((seconds / step) * (totalSteps - step))
  }
  const describe = ({ step, loss, tokensPerSecond }: ProgressState) => ({
    loss: loss.toFixed(4),
    speed: Math.round(tokensPerSecond).toLocaleString('en-US'),
    left: remaining(step),
  })
  if (stream.isTTY) {
    const format = `${title} {bar} {percentage}% | {value}/{total} | loss {loss} | {speed} tokens/s | {left} left`
    const bar = new cliProgress.SingleBar(
      { format, stream, hideCursor: true, barsize: 24, gracefulExit: false },
      cliProgress.Presets.shades_classic,
    )
    bar.start(totalSteps, 0, { loss: '–', speed: '–', left: '?' })
    return {
      update: (state) => bar.update(state.step, describe(state)),
      stop: () => bar.stop(),
    }
  }
  let last = -Infinity
  return {
    update(state) {
      const now = performance.now()
      if (now - last < lineSeconds * 1000 && state.step < totalSteps) return
      last = now
      const { loss, speed, left } = describe(state)
      stream.write(`${title} ${state.step}/${totalSteps}: loss ${loss}, ${speed} tokens/s, ${left} left\n`)
    },
    stop() {},
  }
}

/** Seconds as people read them: 45s, 3m05s, 2h10m. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (number: number): string => String(number).padStart(2, '0')
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
}
