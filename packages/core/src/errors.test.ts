import { describe, expect, it } from 'vitest'
import * as errors from './errors.js'

describe('errors', () => {
  it('carry a code, their facts and a cause', () => {
    const cause = new Error('below')
    const error = new errors.ShapeError('does not fit', { op: 'matmul', a: '[2, 3]', cause })
    expect(error).toBeInstanceOf(errors.TinyError)
    expect(error).toMatchObject({ name: 'ShapeError', code: 'SHAPE', op: 'matmul', a: '[2, 3]', cause })
    expect(error.facts.op).toBe('matmul')
  })

  it('keep their own name and message beside facts of those names', () => {
    const error = new errors.CheckpointError('truncated', {
      name: 'lm_head',
      message: 'x',
      code: 'y',
      stack: 'z',
    })
    expect(error).toMatchObject({ name: 'CheckpointError', message: 'truncated', code: 'CHECKPOINT' })
    expect(error.facts.name).toBe('lm_head')
    expect(error.stack).toContain('errors.test')
  })

  it('have a code each', () => {
    const classes = Object.values(errors).filter(
      (value) => typeof value === 'function' && value !== errors.TinyError,
    )
    const codes = classes.map((Class) => new (Class as typeof errors.ShapeError)('').code)
    expect(codes).toHaveLength(14)
    expect(new Set(codes).size).toBe(codes.length)
  })
})
