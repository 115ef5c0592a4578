import type { Tensor } from '@tiny/core'
import { EncoderMixer, SelfMixer, type WeightRecorder } from './blocks/mixer.js'
import { balanceLoss, recordRouters } from './blocks/router.js'
import type { Backbone, HiddenStates } from './blocks/stack.js'
import type { Head, LossOptions, LossSum } from './heads/index.js'
import type { Batch } from './inputs/batch.js'

/** A backbone and what stands on it, as a function of packed tokens. */
export interface Network {
  readonly backbone: Backbone
  readonly head: Head | undefined
}

/** What to keep of a forward pass beside its last hidden state. */
export interface Keep {
  readonly hiddenStates?: boolean
  readonly attentions?: boolean
  /** With the loss that balances experts, where the model has one; as the configuration says unless given. */
  readonly routerLogits?: boolean | undefined
}

/** Everything as packed rows, before it is laid out for the caller. */
export interface BackboneResult {
  readonly hidden: Tensor // [tokens, width]
  readonly hiddenStates?: readonly Tensor[] // [tokens, width] each
  readonly attentions?: readonly Tensor[] // [sequences, heads, length, length] each
  readonly encoderHidden?: Tensor // [encoder tokens, width]
  readonly encoderHiddenStates?: readonly Tensor[]
  readonly encoderAttentions?: readonly Tensor[]
  readonly crossAttentions?: readonly Tensor[] // [sequences, heads, length, encoder length]
  readonly routerLogits?: readonly Tensor[] // [tokens, experts] each
  /** Beside the mean over labels: a scalar, and its factor. */
  readonly auxiliaryLoss?: { readonly value: Tensor; readonly coefficient: number }
}

/** Longest rows of a call, which recorded attention weights are padded to. */
export const longest = { tokens: 'length', encoderTokens: 'encoderLength' } as const

/** Runs the backbone over a batch. */
export function runBackbone(backbone: Backbone, batch: Batch<Tensor>, keep: Keep = {}): BackboneResult {
  const states = (): HiddenStates | undefined => (keep.hiddenStates === true ? [] : undefined)
  const recorder = (queries: string, keys: string): WeightRecorder | undefined =>
    keep.attentions === true ? { weights: [], queries, keys } : undefined
  const own = { states: states(), attentions: recorder(longest.tokens, longest.tokens) }

  if (!('encoder' in backbone)) {
    const { balance } = backbone
    const { result: hidden, logits } = recordRouters(() =>
      backbone.stack.forward(batch, new SelfMixer(batch, own.attentions), { states: own.states }),
    )
    const routed = (keep.routerLogits ?? balance?.usual ?? false) && logits.length > 0
    const auxiliaryLoss =
      routed && balance !== undefined
        ? {
            value: balanceLoss(logits, { ...balance, rows: batch.padding?.keyRows }),
            coefficient: balance.coefficient,
          }
        : undefined
    return {
      hidden,
      ...kept({
        hiddenStates: own.states,
        attentions: own.attentions?.weights,
        routerLogits: routed ? logits : undefined,
        auxiliaryLoss,
      }),
    }
  }
  const source = batch.encoder!
  const theirs = { states: states(), attentions: recorder(longest.encoderTokens, longest.encoderTokens) }
  const crossed = recorder(longest.tokens, longest.encoderTokens)
  const encoded = backbone.encoder.forward(source, new SelfMixer(source, theirs.attentions), {
    states: theirs.states,
  })
  const cross = new EncoderMixer(batch.offsets, encoded, source.offsets, crossed)
  const hidden = backbone.decoder.forward(batch, new SelfMixer(batch, own.attentions), {
    states: own.states,
    cross,
  })
  return {
    hidden,
    encoderHidden: encoded,
    ...kept({
      hiddenStates: own.states,
      attentions: own.attentions?.weights,
      encoderHiddenStates: theirs.states,
      encoderAttentions: theirs.attentions?.weights,
      crossAttentions: crossed?.weights,
    }),
  }
}

/** The loss of a batch with labels. */
export function networkLoss(
  { backbone, head }: Network,
  batch: Batch<Tensor>,
  options: LossOptions,
): LossSum {
  return headLoss(head!, runBackbone(backbone, batch), batch, options)
}

/** The loss of what `runBackbone` gave. */
export function headLoss(
  head: Head,
  { hidden, auxiliaryLoss }: BackboneResult,
  batch: Batch<Tensor>,
  options: LossOptions,
): LossSum {
  const { lossSum, count } = head.loss(hidden, batch, options)
  if (auxiliaryLoss === undefined) return { lossSum, count }
  const { value, coefficient } = auxiliaryLoss
  return { lossSum: lossSum.add(value.scale(coefficient).mul(count)), count }
}

/** Without the undefined ones. */
function kept<T extends object>(results: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(results).filter(([, value]) => value !== undefined)) as never
}
