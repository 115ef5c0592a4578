/** Configurations with the shapes of the real models; weights are drawn. */

export const bertBase = {
  model_type: 'bert',
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
  type_vocab_size: 2,
}

export const gpt2 = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
}

/** nanoGPT's configuration for a processor: characters of Shakespeare, 4 layers, 4 heads, 128 wide, 12 blocks of 64. */
export const nanoGpt = {
  model_type: 'gpt2',
  vocab_size: 65,
  n_positions: 64,
  n_embd: 128,
  n_layer: 4,
  n_head: 4,
  resid_pdrop: 0,
  embd_pdrop: 0,
  attn_pdrop: 0,
}

/**
 * Operations of a forward pass: two for each weight of a layer's matrices and each token, and attention's products
 * with all keys (`causal`: half of them).
 */
export function forwardOperations(
  shape: { layers: number; width: number; vocabulary?: number },
  lengths: readonly number[],
  causal = false,
): number {
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const pairs = lengths.reduce((sum, length) => sum + length * length, 0) / (causal ? 2 : 1)
  const { layers, width, vocabulary = 0 } = shape
  return 2 * tokens * (12 * layers * width * width + vocabulary * width) + 4 * layers * width * pairs
}
