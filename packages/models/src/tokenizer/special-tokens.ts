/** The roles that Hugging Face names, in its order. */
export const specialTokenRoles = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const

export type SpecialTokenRole = (typeof specialTokenRoles)[number]
export type SpecialTokens = Partial<Record<SpecialTokenRole, string>>

interface TokenizerFamily {
  readonly tokenizerClass: string
  readonly tokens: SpecialTokens
  readonly tokenTypeIds?: boolean
}

const bertTokens: SpecialTokens = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
}
const robertaTokens: SpecialTokens = {
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  sep_token: '</s>',
  pad_token: '<pad>',
  cls_token: '<s>',
  mask_token: '<mask>',
}
const endOfText = '<|endoftext|>'
const gpt2Tokens: SpecialTokens = { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText }
const t5Tokens: SpecialTokens = { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' }

// What the classes of transformers 5 take where tokenizer_config.json does not say. Keys: tokenizer classes without
// their ending, lower case, which are also the model types without separators.
const families: Readonly<Record<string, TokenizerFamily>> = {
  bert: { tokenizerClass: 'BertTokenizer', tokens: bertTokens, tokenTypeIds: true },
  electra: { tokenizerClass: 'ElectraTokenizer', tokens: bertTokens, tokenTypeIds: true },
  distilbert: { tokenizerClass: 'DistilBertTokenizer', tokens: bertTokens },
  roberta: { tokenizerClass: 'RobertaTokenizer', tokens: robertaTokens },
  xlmroberta: { tokenizerClass: 'XLMRobertaTokenizer', tokens: robertaTokens },
  camembert: { tokenizerClass: 'CamembertTokenizer', tokens: robertaTokens },
  bart: { tokenizerClass: 'BartTokenizer', tokens: robertaTokens },
  mpnet: { tokenizerClass: 'MPNetTokenizer', tokens: { ...robertaTokens, unk_token: '[UNK]' } },
  albert: {
    tokenizerClass: 'AlbertTokenizer',
    tokens: {
      ...bertTokens,
      bos_token: '[CLS]',
      eos_token: '[SEP]',
      unk_token: '<unk>',
      pad_token: '<pad>',
    },
  },
  debertav2: {
    tokenizerClass: 'DebertaV2Tokenizer',
    tokens: { ...bertTokens, bos_token: '[CLS]', eos_token: '[SEP]' },
    tokenTypeIds: true,
  },
  gpt2: { tokenizerClass: 'GPT2Tokenizer', tokens: gpt2Tokens },
  gptneox: { tokenizerClass: 'GPTNeoXTokenizer', tokens: gpt2Tokens },
  t5: { tokenizerClass: 'T5Tokenizer', tokens: t5Tokens },
  mt5: { tokenizerClass: 'T5Tokenizer', tokens: t5Tokens },
  llama: {
    tokenizerClass: 'LlamaTokenizer',
    tokens: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  },
}

/** The family of a `tokenizer_class` or, in old repositories that name none, of a `model_type`. */
export function tokenizerFamily(tokenizerClass?: string, modelType?: string): TokenizerFamily | undefined {
  const key = tokenizerClass?.replace(/Tokenizer(Fast)?$/, '') ?? modelType ?? ''
  return families[key.replace(/[_-]/g, '').toLowerCase()]
}

const spellings: Readonly<Record<SpecialTokenRole, readonly string[]>> = {
  bos_token: ['<s>', '<bos>', '[BOS]', endOfText],
  eos_token: ['</s>', '<eos>', '[EOS]', endOfText],
  unk_token: ['[UNK]', '<unk>', endOfText],
  sep_token: ['[SEP]', '<sep>'],
  pad_token: ['[PAD]', '<pad>'],
  cls_token: ['[CLS]', '<cls>'],
  mask_token: ['[MASK]', '<mask>'],
}

/**
 * The roles of special tokens that nothing but their spelling describes: a tokenizer.json that stands alone, or a
 * vocabulary that has just been trained.
 */
export function rolesBySpelling(tokens: readonly string[]): SpecialTokens {
  const roles: SpecialTokens = {}
  for (const role of specialTokenRoles) {
    const token = spellings[role].find((spelling) => tokens.includes(spelling))
    if (token !== undefined) roles[role] = token
  }
  return roles
}
