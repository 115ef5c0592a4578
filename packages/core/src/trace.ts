import { OptionError } from './errors.js'

let tracing: string | undefined

/** Runs `body` as the trace of the function `name`. Traces do not nest. */
export function whileTracing<T>(name: string, body: () => T): T {
  refuseWhileTracing(`a call of ${name}`)
  tracing = name
  try {
    return body()
  } finally {
    tracing = undefined
  }
}

/** @throws OptionError inside a trace, where nothing can be computed yet. */
export function refuseWhileTracing(what: string): void {
  if (tracing === undefined) return
  throw new OptionError(
    `${what} inside the compiled function ${tracing}: it is traced once, with sizes and values that are not known yet; return the tensor instead`,
    { function: tracing },
  )
}
