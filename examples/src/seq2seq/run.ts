import { Trainer, type Example } from '@tiny/finetune'
import { AutoModelForSeq2SeqLM, type GenerativeModel, type Tokenizer } from '@tiny/models'
import { minutes, parameterCount, percent, thousands } from '../numbers.js'
import { evaluationCurve, trainingCurve, type Attention, type Story } from '../story.js'
import { readWords, splitWords, type Word } from './data.js'
import { errorRates, type ErrorRates } from './metrics.js'
import { NearestSpelling } from './nearest.js'
import { lettersAndPhonemes } from './vocabulary.js'

const SEED = 11
const TEST_WORDS = 2000
/** Held out of the training words besides, for the curve alone. */
const VALIDATION_WORDS = 1000
const STEPS = 3000
/** Few: at this size many small updates teach more than few large ones. */
const TOKENS_PER_STEP = 1024
/** Longer than any pronunciation of the dictionary. */
const MOST_PHONEMES = 40
const WORDS_AT_ONCE = 250

/** A small T5 learns to pronounce English, and is compared with looking up the nearest spelling that is known. */
export const seq2seqStory: Story = async (io) => {
  io.section('The words')
  const words = readWords()
  const { train: known, test } = splitWords(words, TEST_WORDS, SEED)
  const { train, test: validation } = splitWords(known, VALIDATION_WORDS, SEED)
  io.say(
    `The CMU Pronouncing Dictionary tells how ${thousands(words.length)} words are spoken, as phonemes: ` +
      `"${train[0].spelling}" is ${train[0].pronunciations[0].join(' ')}. ${thousands(test.length)} words are kept ` +
      'for the test; neither they nor their plurals and possessives are among the words to learn from. Where a word ' +
      'may be spoken in several ways, any of them is right.',
  )

  io.section('Looking up')
  const golden = test.map(({ pronunciations }) => pronunciations)
  const lookedUp = lookUp(train, test)
  const lookUpRates = errorRates(
    lookedUp.map(({ phonemes }) => phonemes),
    golden,
  )
  io.say(
    'Without a model one can take the nearest spelling that is known (by insertions, deletions and replacements of ' +
      `letters) and say what it says. That gets ${percent(lookUpRates.phonemes)} of the phonemes wrong.`,
  )

  io.section('Learning to read')
  const tokenizer = lettersAndPhonemes(train)
  const model = await AutoModelForSeq2SeqLM.fromConfig(
    {
      modelType: 't5',
      vocabSize: tokenizer.vocabSize,
      dModel: 128,
      dKv: 32,
      dFf: 512,
      numLayers: 3,
      numHeads: 4,
      relativeAttentionMaxDistance: 32,
      dropoutRate: 0,
      padTokenId: tokenizer.padTokenId,
      eosTokenId: tokenizer.eosTokenId,
      decoderStartTokenId: tokenizer.padTokenId,
    },
    { seed: SEED },
  )
  try {
    io.say(
      `A T5 with three layers on each side (${thousands(parameterCount(model))} parameters, drawn at random) reads ` +
        'letters and writes phonemes. It is trained on every pronunciation of every word.',
    )
    const trainer = new Trainer(model, {
      tokenizer,
      train: examplesOf(train),
      eval: examplesOf(validation),
      evalSteps: STEPS / 8,
      maxSteps: STEPS,
      maxTokensPerBatch: TOKENS_PER_STEP,
      learningRate: 2e-3,
      lrScheduler: 'cosine',
      warmupRatio: 0.05,
      weightDecay: 0.1,
      adamBeta2: 0.99,
      loggingSteps: 20,
      seed: SEED,
      signal: io.signal,
    })
    const { history, seconds, tokensPerSecond } = await trainer.train()
    io.chart({
      caption: 'Loss by update, per phoneme',
      x: 'update',
      y: 'loss',
      series: [trainingCurve('training words', history), evaluationCurve('held-out words', history)],
    })
    io.say(`${minutes(seconds)} at ${thousands(tokensPerSecond)} letters and phonemes a second.`)

    io.section('Unseen words')
    const spoken = await pronounce(model, tokenizer, test, io.signal)
    const rates = errorRates(spoken, golden)
    io.table({
      caption: `Errors on ${thousands(test.length)} unseen words`,
      columns: ['', 'phonemes wrong', 'words wrong'],
      rows: [ratesRow('nearest known spelling', lookUpRates), ratesRow('T5', rates)],
      highlight: 1,
    })
    io.table({
      caption: 'The first of them',
      columns: ['word', 'T5', 'dictionary', 'nearest spelling'],
      rows: test
        .slice(0, 12)
        .map(({ spelling, pronunciations }, i) => [
          spelling,
          mark(spoken[i], pronunciations),
          pronunciations.map((phonemes) => phonemes.join(' ')).join(', '),
          `${lookedUp[i].spelling}: ${lookedUp[i].phonemes.join(' ')}`,
        ]),
    })
    io.attention(await lookAtLetters(model, tokenizer, wordToLookAt(test, spoken)))
    return {
      title: 'A T5 that learns to pronounce',
      claims: [
        claim('T5 gets fewer phonemes wrong than the look-up', rates.phonemes, lookUpRates.phonemes),
        claim('T5 gets fewer words wrong than the look-up', rates.words, lookUpRates.words),
      ],
    }
  } finally {
    await model.dispose()
  }
}

/** Every pronunciation is an example of its own. */
function examplesOf(words: readonly Word[]): Example[] {
  return words.flatMap(({ spelling, pronunciations }) =>
    pronunciations.map((phonemes) => ({ text: spelling, target: phonemes.join(' ') })),
  )
}

/** The first pronunciation of the nearest known spelling. */
function lookUp(known: readonly Word[], asked: readonly Word[]): { spelling: string; phonemes: string[] }[] {
  const spoken = new Map(known.map(({ spelling, pronunciations }) => [spelling, pronunciations[0]]))
  const spellings = new NearestSpelling([...spoken.keys()])
  return asked.map(({ spelling }) => {
    const { word } = spellings.find(spelling)
    return { spelling: word, phonemes: spoken.get(word)! }
  })
}

/** What the model says to each spelling, greedily, in batches. */
async function pronounce(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  words: readonly Word[],
  signal: AbortSignal,
): Promise<string[][]> {
  const { inputIds } = await tokenizer.encodeBatch(words.map(({ spelling }) => spelling))
  const spoken: string[][] = []
  for (let start = 0; start < inputIds.length; start += WORDS_AT_ONCE) {
    const batch = inputIds.slice(start, start + WORDS_AT_ONCE)
    const { sequences } = await model.generate({ inputIds: batch }, { maxNewTokens: MOST_PHONEMES, signal })
    const texts = await tokenizer.decodeBatch(sequences, { skipSpecialTokens: true })
    spoken.push(...texts.map((text) => text.split(' ').filter((phoneme) => phoneme !== '')))
  }
  return spoken
}

/** A word of some length that was pronounced right, to see how; any word where none was. */
function wordToLookAt(test: readonly Word[], spoken: readonly (readonly string[])[]): Word {
  const right = test.filter(({ spelling, pronunciations }, i) => {
    return spelling.length >= 8 && spelling.length <= 12 && isAmong(spoken[i], pronunciations)
  })
  return right[0] ?? test[0]
}

/** The letters that the last layer of the decoder looks at when it writes each phoneme. */
async function lookAtLetters(model: GenerativeModel, tokenizer: Tokenizer, word: Word): Promise<Attention> {
  const letters = await tokenizer.encode(word.spelling)
  const phonemes = await tokenizer.encode(word.pronunciations[0].join(' '))
  const read = [tokenizer.padTokenId!, ...phonemes.slice(0, -1)]
  const outputs = await model.run(
    { inputIds: [letters], decoderInputIds: [read] },
    { outputAttentions: true, outputLogits: false },
  )
  const { shape, data } = outputs.crossAttentions!.at(-1)! // [1, heads, phonemes, letters]
  const size = shape[2] * shape[3]
  const names = (ids: readonly number[]): string[] => ids.map((id) => tokenizer.idToToken(id)!)
  return {
    caption: `Which letters of "${word.spelling}" the T5 looks at while it writes each phoneme`,
    tokens: names(phonemes),
    keys: names(letters),
    heads: Array.from({ length: shape[1] }, (_, head) => ({
      name: `head ${head + 1}`,
      weights: data.slice(head * size, (head + 1) * size),
    })),
  }
}

const isAmong = (spoken: readonly string[], pronunciations: readonly (readonly string[])[]): boolean =>
  pronunciations.some((phonemes) => phonemes.join(' ') === spoken.join(' '))

const mark = (spoken: readonly string[], pronunciations: readonly (readonly string[])[]): string =>
  `${spoken.join(' ')} ${isAmong(spoken, pronunciations) ? '✓' : '✗'}`

const ratesRow = (name: string, { phonemes, words }: ErrorRates): string[] => [
  name,
  percent(phonemes),
  percent(words),
]

const claim = (text: string, own: number, other: number) => ({
  text: `${text}: ${percent(own)} against ${percent(other)}`,
  holds: own < other,
})
