import { Trainer, trainTokenizer } from '@tiny/finetune'
import { AutoModelForCausalLM, type GenerativeModel, type Tokenizer } from '@tiny/models'
import { minutes, parameterCount, thousands } from '../numbers.js'
import { evaluationCurve, trainingCurve, type Story, type StoryIo } from '../story.js'
import { readChapters, splitChapters, utf8Length, windows, type Chapter } from './data.js'
import { fitTrigrams } from './trigram.js'

const SEED = 7
const HELD_OUT_CHAPTERS = 14
/**
 * Bytes, the end of a text, and the commonest joins of two. Both sides score the same tokens, and in nats per byte this one
 * is better for both than bytes alone. Measured in the time of the story, nats per byte, GPT against trigrams: 257 tokens
 * 1.61 / 1.97, 320 1.50 / 1.61, 384 1.48 / 1.51, 512 1.45 / 1.44. From there on a million bytes are better counted.
 */
const VOCABULARY = 320
/** Tokens that the GPT has places for, and that its windows hold. */
const CONTEXT = 128
const STEPS = 4200
const TOKENS_PER_STEP = 768

/** A small GPT reads Moby Dick, is compared with trigrams on chapters that neither has read, and writes. */
export const decoderStory: Story = async (io) => {
  io.section('The book')
  const book = splitChapters(readChapters(), HELD_OUT_CHAPTERS, SEED)
  const tokenizer = await trainTokenizer(
    book.train.map(({ text }) => text),
    { model: 'bpe', vocabSize: VOCABULARY, signal: io.signal },
  )
  const end = tokenizer.eosTokenId!
  const train = await encode(tokenizer, book.train)
  const heldOut = await encode(tokenizer, book.heldOut)
  const heldOutTokens = heldOut.flat().length
  io.say(
    `Moby Dick has ${book.train.length + book.heldOut.length} chapters. ${book.heldOut.length} of them, drawn by lot, ` +
      `are kept for the test: ${thousands(heldOutTokens)} tokens. Tokens are bytes, letters nearly always, and what often ` +
      `follows one another, joined; the chapters to learn from come to ${thousands(train.flat().length)}.`,
  )

  io.section('Counting')
  const counted = train.map((ids) => [end, end, ...ids])
  const trigrams = fitTrigrams(
    counted.filter((_, i) => i % 10 !== 0),
    counted.filter((_, i) => i % 10 === 0),
    VOCABULARY,
  )
  const { nats, tokens } = trigrams.loss(heldOut.map((ids) => [end, end, ...ids]))
  const trigramLoss = nats / tokens
  io.say(
    'What came after each pair of tokens, counted and smoothed as well as is known (interpolated Kneser–Ney): the loss ' +
      `of that is ${trigramLoss.toFixed(3)} nats per token on the held-out chapters.`,
  )

  io.section('Learning')
  const model = await AutoModelForCausalLM.fromConfig(
    {
      modelType: 'gpt2',
      vocabSize: VOCABULARY,
      nPositions: CONTEXT,
      nEmbd: 128,
      nLayer: 4,
      nHead: 4,
      residPdrop: 0,
      embdPdrop: 0,
      attnPdrop: 0,
      bosTokenId: end,
      eosTokenId: end,
    },
    { seed: SEED },
  )
  try {
    io.say(
      `A GPT-2 with four layers (${thousands(parameterCount(model))} parameters, drawn at random) learns the next token ` +
        `from up to ${CONTEXT - 1} before it.`,
    )
    const whole = train.flatMap((ids) => [end, ...ids])
    const rows = windows(whole, CONTEXT - 1)
    const trainer = new Trainer(model, {
      train: rows.map((inputIds) => ({ inputIds })),
      // Each row begins with the last token of the row before, so that every token of a chapter is predicted once.
      eval: heldOut.flatMap((ids) => windows([end, ...ids], CONTEXT - 1)).map((inputIds) => ({ inputIds })),
      evalSteps: Math.ceil(STEPS / 6),
      maxSteps: STEPS,
      maxTokensPerBatch: TOKENS_PER_STEP,
      learningRate: 3e-3,
      lrScheduler: 'cosine',
      warmupRatio: 0.05,
      weightDecay: 0.1,
      adamBeta2: 0.99,
      loggingSteps: 40,
      seed: SEED,
      signal: io.signal,
    })
    const { history, metrics, seconds, tokensPerSecond } = await trainer.train()
    const gptLoss = metrics!.loss
    io.chart({
      caption: 'Loss by update, in nats per token',
      x: 'update',
      y: 'loss',
      series: [
        trainingCurve('chapters it learns from', history),
        evaluationCurve('held-out chapters', history),
      ],
      levels: [{ name: 'trigrams, held-out chapters', y: trigramLoss }],
    })
    io.say(`${minutes(seconds)} at ${thousands(tokensPerSecond)} tokens a second.`)

    io.section('On chapters that neither has read')
    const bytes = utf8Length(book.heldOut) / heldOutTokens
    const row = (name: string, loss: number): string[] => [
      name,
      loss.toFixed(3),
      Math.exp(loss).toFixed(1),
      (loss / Math.LN2 / bytes).toFixed(3),
    ]
    io.say(
      'All score the same: every token of the held-out chapters, once. The trigrams know the two tokens before it; the ' +
        'GPT knows those of its window, which begins anew every ' +
        `${CONTEXT - 1} tokens.`,
    )
    io.table({
      caption: `Loss on ${thousands(heldOutTokens)} held-out tokens`,
      columns: ['', 'nats per token', 'perplexity', 'bits per byte'],
      rows: [row('any token alike', Math.log(VOCABULARY)), row('trigrams', trigramLoss), row('GPT', gptLoss)],
      highlight: 2,
    })

    io.section('Writing')
    io.say('The GPT goes on with the first words of held-out chapters, always with the likeliest token.')
    for (const chapter of book.heldOut.slice(0, 3)) await write(io, model, tokenizer, chapter)
    return {
      title: 'A GPT that reads Moby Dick',
      claims: [
        {
          text:
            'the GPT is less surprised by unread chapters than trigrams: ' +
            `${gptLoss.toFixed(3)} against ${trigramLoss.toFixed(3)} nats per token`,
          holds: gptLoss < trigramLoss,
        },
      ],
    }
  } finally {
    await model.dispose()
  }
}

async function encode(tokenizer: Tokenizer, chapters: readonly Chapter[]): Promise<number[][]> {
  const { inputIds } = await tokenizer.encodeBatch(chapters.map(({ text }) => text))
  return inputIds
}

/** Shows a chapter's beginning and what the model makes of it, as it comes. */
async function write(
  io: StoryIo,
  model: GenerativeModel,
  tokenizer: Tokenizer,
  { title, text }: Chapter,
): Promise<void> {
  const prompt = text.split(' ').slice(0, 6).join(' ')
  // What the GPT has places for: it cannot read what lies further back.
  const maxNewTokens = CONTEXT - (await tokenizer.encode(prompt)).length
  async function* written(): AsyncGenerator<string> {
    yield `${prompt} |`
    for await (const piece of model.stream(prompt, { tokenizer, maxNewTokens, signal: io.signal })) {
      yield piece.text
    }
  }
  await io.quote(`"${title}"`, written())
}
