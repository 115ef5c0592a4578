/** What a model is made for: the end of transformers' class names (`BertForMaskedLM`); 'Base' has no head. */
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
