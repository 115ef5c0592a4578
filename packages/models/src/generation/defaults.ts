import type { ModelConfig } from '../config/config.js'

/** Keys of generation_config.json that older files have in config.json. */
const movedKeys =
  `bad_words_ids begin_suppress_tokens bos_token_id decoder_start_token_id diversity_penalty do_sample
  early_stopping encoder_no_repeat_ngram_size encoder_repetition_penalty eos_token_id epsilon_cutoff eta_cutoff
  exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id guidance_scale length_penalty max_length
  max_new_tokens max_time min_length min_new_tokens min_p no_repeat_ngram_size num_beam_groups num_beams
  num_return_sequences pad_token_id penalty_alpha remove_invalid_values renormalize_logits repetition_penalty
  sequence_bias suppress_tokens temperature token_healing top_k top_p typical_p watermarking_config`.split(
    /\s+/,
  )

/**
 * generation_config.json of a new model: what its configuration says of generation, over the family's defaults, as
 * transformers' `GenerationConfig.from_model_config` takes it.
 */
export function generationConfigOf(config: ModelConfig): Record<string, unknown> {
  const { bosTokenId, eosTokenId, padTokenId, decoderStartTokenId } = config
  return withoutNulls({
    ...config.generationDefaults,
    ...moved(config),
    bos_token_id: bosTokenId,
    eos_token_id: eosTokenId,
    pad_token_id: padTokenId,
    decoder_start_token_id: decoderStartTokenId,
  })
}

/** The same where a folder has none: config.json as it stands; transformers adds no defaults of the family then. */
export const storedGenerationConfig = (config: ModelConfig): Record<string, unknown> =>
  withoutNulls(moved(config))

function moved(config: ModelConfig): Record<string, unknown> {
  const json = config.toJSON()
  return Object.fromEntries(movedKeys.filter((key) => key in json).map((key) => [key, json[key]]))
}

const withoutNulls = (settings: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null))
