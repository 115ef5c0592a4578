/**
 * What a model is made for: the end of transformers' class names (`BertForMaskedLM`); 'Base' has no
 * head, and 'TextEncoding' is the encoder of an encoder–decoder (`T5EncoderModel`).
 */
export type Task =
  | 'Base'
  | 'PreTraining'
  | 'MaskedLM'
  | 'CausalLM'
  | 'Seq2SeqLM'
  | 'SequenceClassification'
  | 'TokenClassification'
  | 'QuestionAnswering'
  | 'MultipleChoice'
  | 'NextSentencePrediction'
  | 'TextEncoding'

/** Whether a task has no head: hidden states are what it gives. */
export const isHeadless = (task: Task): task is 'Base' | 'TextEncoding' =>
  task === 'Base' || task === 'TextEncoding'

/** Whether a task's models make tokens: theirs alone are folders with generation_config.json. */
export const generates = (task: Task): boolean => task === 'CausalLM' || task === 'Seq2SeqLM'
