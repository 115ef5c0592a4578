import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { percent, thousands } from '../numbers.js'
import { evaluationCurve, meanCurve, plusMinus, trainingCurve } from '../story.js'
import type { Series, StoryIo, StoryResult } from '../story.js'
import { examine, fineTune, freshClassifier, pretrainedClassifier, type Classifier } from './classifier.js'
import { drawLabelled, readCorpus, splitMails, type MailData } from './data.js'
import { mailText, type Mail } from './mail.js'
import { meanAndDeviation, score, type Score } from './metrics.js'
import { NaiveBayes } from './naive-bayes.js'
import { pretrain } from './pretraining.js'
import { data, fineTuning, pretraining, shape } from './settings.js'

const sentences = [
  'Congratulations! You have won a free prize. Click here to claim your money now.',
  'I fixed the bug in the patch, but the kernel still crashes on my machine.',
]

/** Transfer learning on mail: what reading without labels is worth when labels are few. */
export async function encoderStory(io: StoryIo): Promise<StoryResult> {
  const folder = await mkdtemp(join(tmpdir(), 'tiny-encoder-'))
  try {
    const mails = await readMails(io)
    await readWithoutLabels(io, mails, folder)
    const results = await learnFromLabels(io, mails, folder)
    return { title: 'Encoder: spam or not, from a few hundred labels', claims: compare(io, results) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function readMails(io: StoryIo): Promise<MailData> {
  io.section('The mails')
  io.say('Reading the SpamAssassin corpus: real mail of 2002, some of it spam.')
  const mails = splitMails(await readCorpus(io.signal), data.testMails, data.splitSeed)
  const { raw, empty, duplicates } = mails.counts
  io.say(
    `Of ${raw} mails ${empty} are empty and ${duplicates} are copies of others; they go first. A mail is its subject ` +
      'and its body as a reader sees them. What mailing lists add goes, too: nearly all honest mail came through ' +
      'lists, so their footers would give the answer away.',
  )
  const spam = mails.test.filter(({ label }) => label === 1).length
  io.say(
    `${mails.test.length} mails are set aside for the test, whole threads at a time; ${spam} of them are spam. ` +
      `The other ${mails.pool.length} may be read.`,
  )
  return mails
}

/** Vocabulary and masked language model from the pool; a few mails of it are only watched. */
async function readWithoutLabels(io: StoryIo, { pool }: MailData, folder: string): Promise<void> {
  io.section('Reading without labels')
  io.say(
    `A small BERT with ${shape.num_hidden_layers} layers of width ${shape.hidden_size} reads the pool. ` +
      `${100 * pretraining.mlmProbability} % of the words are hidden and it guesses them from the words around. ` +
      'Nobody tells it what spam is.',
  )
  const texts = pool.map(mailText)
  const watched = texts.slice(0, data.watchedMails)
  const { result, vocabSize, parameters } = await pretrain(
    texts.slice(data.watchedMails),
    watched,
    folder,
    io.signal,
  )
  const chance = Math.log(vocabSize)
  io.say(
    `After ${result.steps} steps its loss on ${watched.length} mails that it only guesses at is ` +
      `${result.metrics!.loss.toFixed(2)} nats per hidden word; picking among the ${vocabSize} entries of its ` +
      `vocabulary at random costs ${chance.toFixed(2)}. It has ${thousands(parameters)} parameters and ` +
      `read ${thousands(result.tokensPerSecond)} tokens per second.`,
  )
  io.chart({
    caption: 'Guessing hidden words',
    x: 'step',
    y: 'nats per hidden word',
    series: [trainingCurve('training', result.history), evaluationCurve('watched', result.history)],
  })
}

interface Results {
  readonly pretrained: Score[]
  readonly scratch: Score[]
  readonly bayes: Score[]
  readonly majority: Score[]
}

async function learnFromLabels(io: StoryIo, { test, pool }: MailData, folder: string): Promise<Results> {
  io.section('Learning from a few labels')
  io.say(
    `Now ${fineTuning.labelledMails} mails come with labels. The pretrained model gets a new head and learns from ` +
      'them; so does the same model from scratch, with the same settings, and naive Bayes, which counts words. ' +
      `All of it ${fineTuning.seeds.length} times, each time with other mails and other random numbers.`,
  )
  const actual = test.map(({ label }) => label)
  const majority = majorityOf(pool)
  const results: Results = { pretrained: [], scratch: [], bayes: [], majority: [] }
  const curves: { pretrained: Series[]; scratch: Series[] } = { pretrained: [], scratch: [] }
  results.majority.push(
    score(
      test.map(() => majority),
      actual,
    ),
  )
  for (const seed of fineTuning.seeds) {
    io.signal.throwIfAborted()
    const labelled = drawLabelled(pool, fineTuning.labelledMails, seed)
    const examples = labelled.map((mail) => ({ text: mailText(mail), label: mail.label }))
    const bayes = new NaiveBayes(examples, 2)
    results.bayes.push(
      score(
        test.map((mail) => bayes.predict(mailText(mail))),
        actual,
      ),
    )
    for (const kind of ['pretrained', 'scratch'] as const) {
      const make = kind === 'pretrained' ? pretrainedClassifier : freshClassifier
      const classifier = await make(folder, seed)
      try {
        const tuned = await fineTune(classifier, labelled, test, seed, io.signal)
        results[kind].push(tuned.score)
        curves[kind].push(trainingCurve(kind, tuned.result.history))
        const { accuracy, f1 } = tuned.score
        io.say(`Seed ${seed}, ${names[kind]}: accuracy ${accuracy.toFixed(3)}, F1 ${f1.toFixed(3)}.`)
        if (kind === 'pretrained' && seed === fineTuning.seeds[0]) await showAttention(io, classifier)
      } finally {
        await classifier.model.dispose()
      }
    }
  }
  io.chart({
    caption: `Learning from ${fineTuning.labelledMails} labelled mails, mean over the seeds`,
    x: 'step',
    y: 'training loss, nats per mail',
    series: [meanCurve(names.pretrained, curves.pretrained), meanCurve(names.scratch, curves.scratch)],
  })
  return results
}

const names = { pretrained: 'pretrained', scratch: 'from scratch' } as const

async function showAttention(io: StoryIo, classifier: Classifier): Promise<void> {
  for (const sentence of sentences) {
    const { spam, attention } = await examine(classifier, sentence, io.signal)
    io.say(`“${sentence}” is spam, it thinks, with ${percent(spam)}.`)
    if (sentence !== sentences[0]) continue
    io.attention({ caption: 'Where the tokens of this sentence look (rows look at columns)', ...attention })
  }
}

function compare(io: StoryIo, { pretrained, scratch, bayes, majority }: Results): StoryResult['claims'] {
  io.section('What reading was worth')
  const mean = (scores: readonly Score[]) => ({
    accuracy: meanAndDeviation(scores.map(({ accuracy }) => accuracy)),
    f1: meanAndDeviation(scores.map(({ f1 }) => f1)),
  })
  const [read, unread] = [mean(pretrained), mean(scratch)]
  const row = (name: string, { accuracy, f1 }: ReturnType<typeof mean>) => [
    name,
    plusMinus(accuracy),
    plusMinus(f1),
  ]
  io.table({
    caption: `On the test mails, mean ± standard deviation over ${fineTuning.seeds.length} seeds`,
    columns: [`${fineTuning.labelledMails} labelled mails`, 'accuracy', 'F1 of spam'],
    rows: [
      row('BERT, pretrained', read),
      row('BERT, from scratch', unread),
      row('naive Bayes', mean(bayes)),
      row('always the majority', mean(majority)),
    ],
    highlight: 0,
  })
  return (['accuracy', 'f1'] as const).map((measure) => ({
    text:
      `Mails: ${measure === 'f1' ? 'F1' : 'accuracy'} of the pretrained BERT (${plusMinus(read[measure])}) is above ` +
      `the one from scratch (${plusMinus(unread[measure])})`,
    holds: read[measure].mean > unread[measure].mean,
  }))
}

function majorityOf(mails: readonly Mail[]): number {
  const spam = mails.filter(({ label }) => label === 1).length
  return 2 * spam > mails.length ? 1 : 0
}
