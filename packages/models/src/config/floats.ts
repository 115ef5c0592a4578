/**
 * Keys of configurations and generation settings, nested ones included, that hold floating-point numbers. transformers
 * checks types: where it wants a float it refuses `0` and takes `0.0`.
 */
const floatKeys = new Set(
  `activation_dropout attention_dropout attention_factor attention_multiplier attention_probs_dropout_prob
  attn_logit_softcapping attn_pdrop beta_fast beta_slow classifier_dropout classifier_dropout_prob cls_dropout decoder_layerdrop
  diversity_penalty dropout dropout_rate embd_pdrop embedding_dropout embedding_multiplier encoder_layerdrop
  encoder_repetition_penalty epsilon_cutoff eta_cutoff factor final_logit_softcapping global_rope_theta guidance_scale
  hidden_dropout hidden_dropout_prob high_freq_factor init_std initializer_cutoff_factor initializer_factor
  initializer_range layer_norm_eps layer_norm_epsilon layerdrop length_penalty local_rope_theta logit_scale
  logits_scaling long_factor low_freq_factor max_time min_p mlp_dropout mscale mscale_all_dim norm_eps norm_epsilon
  partial_rotary_factor penalty_alpha pooler_dropout qa_dropout repetition_penalty resid_pdrop residual_dropout
  residual_multiplier rms_norm_eps rope_local_base_freq rope_theta rotary_emb_base rotary_pct routed_scaling_factor
  router_aux_loss_coef router_jitter_noise seq_classif_dropout short_factor summary_first_dropout
  summary_last_dropout temperature time_step_floor time_step_limit time_step_max time_step_min top_p
  typical_p`.split(/\s+/),
)

/** JSON as Python's transformers writes it: keys in their order, floating-point numbers as such, infinite ones tagged. */
export const configText = (value: object): string => `${render(value, '', false)}\n`

function render(value: unknown, indent: string, isFloat: boolean): string {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return render({ __float__: String(value) }, indent, false)
    const text = String(value)
    return isFloat && /^-?\d+$/.test(text) ? `${text}.0` : text
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const isList = Array.isArray(value)
  const parts = isList
    ? value.map((item) => render(item ?? null, inner, isFloat))
    : Object.entries(value).flatMap(([key, item]) =>
        item === undefined ? [] : `${JSON.stringify(key)}: ${render(item, inner, floatKeys.has(key))}`,
      )
  const [open, close] = isList ? '[]' : '{}'
  return parts.length === 0
    ? `${open}${close}`
    : `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`
}
