/** What an error knows about its cause: shapes as text, byte counts, names. `cause` becomes the error's cause. */
export type Facts = Readonly<Record<string, unknown>>

const reserved = new Set(['name', 'message', 'stack', 'code', 'cause', 'facts'])

/**
 * Base of every error of these packages. `code` says which kind it is, `facts` holds what is known about it; facts
 * are properties of the error, too (`error.op`), unless Error has a property of that name.
 */
export abstract class TinyError extends Error {
  declare readonly facts: Facts
  abstract get code(): string

  constructor(message: string, facts: Facts = {}) {
    super(message, 'cause' in facts ? { cause: facts.cause } : undefined)
    hidden(this, 'name', new.target.name)
    hidden(this, 'facts', facts)
    for (const [fact, value] of Object.entries(facts)) if (!reserved.has(fact)) hidden(this, fact, value)
  }
}

// Not enumerable: consoles and test runners would print every fact twice.
function hidden(error: Error, property: string, value: unknown): void {
  Object.defineProperty(error, property, { value, configurable: true, writable: true })
}

/** Shapes that do not fit the op, a symbolic size read as a number, sizes of a call that contradict each other. */
export class ShapeError extends TinyError {
  get code() {
    return 'SHAPE' as const
  }
}

/** A dtype that the op does not take; nothing is promoted silently. */
export class DTypeError extends TinyError {
  get code() {
    return 'DTYPE' as const
  }
}

/** An id, offset or label out of range, found while running. */
export class IndexError extends TinyError {
  get code() {
    return 'INDEX' as const
  }
}

/** A file that is truncated, malformed or lacks what was asked for. */
export class CheckpointError extends TinyError {
  get code() {
    return 'CHECKPOINT' as const
  }
}

/** The graph reads a version of a variable that was overwritten. */
export class StaleGraphError extends TinyError {
  get code() {
    return 'STALE_GRAPH' as const
  }
}

/** Something was used after dispose(). */
export class DisposedError extends TinyError {
  get code() {
    return 'DISPOSED' as const
  }
}

/** More memory than `memory.limit` or than the system gives. */
export class OutOfMemoryError extends TinyError {
  get code() {
    return 'OUT_OF_MEMORY' as const
  }
}

/** Stopped. What was given an AbortSignal rejects with the signal's reason instead. */
export class AbortError extends TinyError {
  get code() {
    return 'ABORTED' as const
  }
}

/** No gradient is defined there. */
export class GradientError extends TinyError {
  get code() {
    return 'GRADIENT' as const
  }
}

/** An option that does not exist or a value that it does not take. */
export class OptionError extends TinyError {
  get code() {
    return 'OPTION' as const
  }
}

/** A broken invariant: a bug of these packages. */
export class InternalError extends TinyError {
  get code() {
    return 'INTERNAL' as const
  }
}

/** A model's configuration that is malformed or contradicts itself; names the key. */
export class ConfigError extends TinyError {
  get code() {
    return 'CONFIG' as const
  }
}

/** Something known that these packages do not do; says what. */
export class UnsupportedError extends TinyError {
  get code() {
    return 'UNSUPPORTED' as const
  }
}

/** A model hub that refuses, lacks or cannot be asked for something; knows the repository, revision, file and status. */
export class HubError extends TinyError {
  get code() {
    return 'HUB' as const
  }
}

/** The classes by the names under which native code throws them. */
export const nativeErrors = {
  ShapeError,
  DTypeError,
  IndexError,
  CheckpointError,
  StaleGraphError,
  DisposedError,
  OutOfMemoryError,
  AbortError,
  GradientError,
  OptionError,
  InternalError,
}
