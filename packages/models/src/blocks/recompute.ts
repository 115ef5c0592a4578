import { checkpoint } from '@tiny/core'

interface Scope {
  layers: number
}

let scope: Scope | undefined

/**
 * Builds a graph whose layers keep only their inputs for the backward pass and are computed again there
 * (`gradientCheckpointing`), and says how many those were.
 */
export function withRecomputation<T>(build: () => T): { result: T; layers: number } {
  const outer = scope
  const own = (scope = { layers: 0 })
  try {
    return { result: build(), layers: own.layers }
  } finally {
    scope = outer
  }
}

/** One layer of a stack, `fn(...args)`: every stack runs its layers through this. */
export function runLayer<A extends readonly unknown[], R>(fn: (...args: A) => R, ...args: A): R {
  if (scope === undefined) return fn(...args)
  scope.layers++
  return checkpoint(fn, ...args)
}
