import { toSnake } from './keys.js'

/**
 * Keys that transformers writes and that change no number of a forward pass: kept for the file, read by nobody, by
 * generation alone, or by sentence-transformers.
 */
const neutral = new Set(
  `_name_or_path _num_labels _attn_implementation _attn_implementation_autoset _attn_implementation_internal
  _commit_hash _flash_attn_2_enabled add_cross_attention architectures attn_implementation auto_map bad_words_ids
  begin_suppress_tokens bos_token_id chunk_size_feed_forward cross_attention_hidden_size custom_pipelines
  decoder_start_token_id diversity_penalty do_sample dtype early_stopping encoder_no_repeat_ngram_size eos_token_id
  exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id gradient_checkpointing
  id2label is_decoder is_encoder_decoder label2id language length_penalty max_length max_new_tokens
  max_sequence_length min_length model_type no_repeat_ngram_size num_beam_groups num_beams num_labels
  num_return_sequences output_attentions output_hidden_states output_past output_scores pad_token_id prefix
  problem_type remove_invalid_values repetition_penalty return_dict return_dict_in_generate
  sbert_ce_default_activation_function sep_token_id suppress_tokens task_specific_params temperature tf_legacy_loss
  tie_encoder_decoder tie_word_embeddings tokenizer_class top_k top_p torch_dtype torchscript transformers_version
  typical_p use_bfloat16 use_cache use_flash_attention use_flash_attention_2 use_flash_attn`.split(/\s+/),
)

/** Keys that are neutral only while they hold this value. */
const neutralValues: Readonly<Record<string, readonly unknown[]>> = {
  add_cross_attention: [false],
  cross_attention_hidden_size: [],
  is_decoder: [false],
  position_embedding_type: ['absolute'],
  tie_encoder_decoder: [false],
}

/**
 * Words that occur in names of keys which change the maths. A family that does not read such a key would compute
 * something else than the file asks for.
 */
const mathsWords = new Set(
  `act activation afn alibi alpha attention attn aux bias blocks bucket buckets cap capping channel channels clamp clip
  conv cross decoder depth dim dims dropout embd embedding embeddings encoder epsilon eps experts expert factor
  feed ffn forward freq gate gated gating group groups head heads hidden inner intermediate interleave interleaved
  kernel kv latent layer layers linear local logit logits lora mamba mixer mlp moe multiplier nope norm normalization
  normalize num pattern position positional positions post pre proj projection quantization qk query rank
  relative residual rms rope rotary router scale scaled scaling sequence shared sinks size sizes sliding softcap
  softcapping sparse sparsity ssm state style temperature theta type width window yarn`.split(/\s+/),
)

/**
 * Whether leaving this key unread could change what a model computes.
 *
 * @param name in either spelling: what is misspelled in camelCase is ignored no more than in a file.
 */
export function changesTheMaths(name: string, value: unknown, familyNeutral: ReadonlySet<string>): boolean {
  const key = toSnake(name)
  if (familyNeutral.has(key)) return false
  if (isOff(value) || (value === 0 && isDropout(key)) || neutralValues[key]?.includes(value)) return false
  if (neutral.has(key) && !(key in neutralValues)) return false
  return key in neutralValues || key.split('_').some((word) => mathsWords.has(word))
}

/** Shares that training drops, in any family's spelling. */
const isDropout = (key: string): boolean => /dropout|pdrop/.test(key)

function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
