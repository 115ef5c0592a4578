import { ConfigError, gatherRows, zeros, type Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import { Linear } from '../blocks/linear.js'
import type { Mixer } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import type { SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, oneOf, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { normal, normalWithZeroRow } from '../parameters/initialisers.js'
import type { Role, Weights } from '../parameters/weights.js'

const keys = {
  vocabSize: size(30522),
  hiddenSize: size(768),
  numHiddenLayers: layers(12),
  numAttentionHeads: size(12),
  intermediateSize: size(3072),
  hiddenAct: text('gelu'),
  hiddenDropoutProb: share(0.1),
  attentionProbsDropoutProb: share(0.1),
  maxPositionEmbeddings: size(512),
  typeVocabSize: size(2),
  initializerRange: nonNegative(0.02),
  layerNormEps: nonNegative(1e-12),
  positionEmbeddingType: oneOf(['absolute'], 'absolute'),
  classifierDropout: optional(share(0)),
} satisfies Keys

export type BertConfig = Config<typeof keys>

/** Token, position and type embeddings, summed and normalised. */
class BertEmbeddings {
  readonly words: Embedding
  readonly #positions: Embedding
  readonly #types: Embedding
  readonly #norm: LayerNorm
  readonly #dropout: number

  constructor(weights: Weights, config: BertConfig) {
    const { hiddenSize: width, initializerRange, padTokenId } = config
    const weight = normal(initializerRange)
    this.words = new Embedding(weights.at('word_embeddings'), config.vocabSize, width, {
      weight: normalWithZeroRow(initializerRange, padTokenId),
      paddingIdx: padTokenId,
    })
    this.#positions = new Embedding(weights.at('position_embeddings'), config.maxPositionEmbeddings, width, {
      weight,
    })
    this.#types = new Embedding(weights.at('token_type_embeddings'), config.typeVocabSize, width, { weight })
    this.#norm = new LayerNorm(weights.at('LayerNorm'), width, { eps: config.layerNormEps })
    this.#dropout = config.hiddenDropoutProb
  }

  apply({ inputIds, positions, tokenTypeIds }: Batch<Tensor>): Tensor {
    const types = tokenTypeIds ?? zeros(inputIds.dims, { dtype: 'int32' })
    const words = this.words.apply(inputIds).add(this.#types.apply(types))
    return drop(this.#norm.applySum(words, this.#positions.apply(positions)), this.#dropout) // [tokens, width]
  }
}

/** Post-norm: x = LN(x + attention(x)), x = LN(x + mlp(x)). */
class BertLayer {
  readonly #attention: Attention
  readonly #attentionNorm: LayerNorm
  readonly #mlp: Mlp
  readonly #mlpNorm: LayerNorm

  constructor(weights: Weights, config: BertConfig, layer: number) {
    const { hiddenSize: width, numAttentionHeads: heads, layerNormEps: eps } = config
    const weight = normal(config.initializerRange)
    const headDim = width / heads
    this.#attention = new Attention(weights.at('attention'), {
      width,
      heads,
      headDim,
      layer,
      scale: headDim ** -0.5,
      dropout: { weights: config.attentionProbsDropoutProb, output: config.hiddenDropoutProb },
      projections: {
        query: { name: 'self.query', weight },
        key: { name: 'self.key', weight },
        value: { name: 'self.value', weight },
      },
      output: { name: 'output.dense', weight },
    })
    this.#attentionNorm = new LayerNorm(weights.at('attention.output.LayerNorm'), width, { eps })
    this.#mlp = new Mlp(weights, {
      width,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenAct, 'hidden_act'),
      dropout: { output: config.hiddenDropoutProb },
      up: { name: 'intermediate.dense', weight },
      down: { name: 'output.dense', weight },
    })
    this.#mlpNorm = new LayerNorm(weights.at('output.LayerNorm'), width, { eps })
  }

  apply(x: Tensor, mixer: Mixer): Tensor {
    const attended = this.#attentionNorm.applySum(this.#attention.attend(x, mixer), x)
    return this.#mlpNorm.applySum(this.#mlp.apply(attended), attended)
  }
}

/** BERT (Devlin et al. 2019): an encoder whose tokens see each other both ways. */
export class BertModel implements SingleBackbone, Stack {
  readonly width: number
  readonly #embeddings: BertEmbeddings
  readonly #layers: readonly BertLayer[]
  readonly #pooler: Linear | undefined

  constructor(weights: Weights, config: BertConfig, pooler: Role | undefined) {
    this.width = config.hiddenSize
    this.#embeddings = new BertEmbeddings(weights.at('embeddings'), config)
    this.#layers = Array.from(
      { length: config.numHiddenLayers },
      (_, i) => new BertLayer(weights.at('encoder.layer').at(i), config, i),
    )
    this.#pooler =
      pooler &&
      new Linear(weights.as(pooler).at('pooler.dense'), this.width, this.width, {
        weight: normal(config.initializerRange),
      })
  }

  get stack(): Stack {
    return this
  }

  get embeddings() {
    return this.#embeddings.words.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    let x = this.#embeddings.apply(batch)
    states?.push(x)
    for (const layer of this.#layers) {
      x = layer.apply(x, mixer)
      states?.push(x)
    }
    return x // [tokens, width]
  }

  pool(hidden: Tensor, { offsets }: Batch<Tensor>): Tensor | undefined {
    if (this.#pooler?.weight.materialised !== true) return undefined
    const first = gatherRows(hidden, offsets.sliceRows(0, offsets.dim(0).sub(1)))
    return this.#pooler.apply(first, { activation: 'tanh' }) // [sequences, width]
  }
}

export const bert: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'bert',
    keys,
    defaults: { padTokenId: 0 },
    // Of multilingual checkpoints; transformers does not read them.
    neutral: [
      'directionality',
      'pooler_fc_size',
      'pooler_num_attention_heads',
      'pooler_num_fc_layers',
      'pooler_size_per_head',
      'pooler_type',
    ],
    check({ hiddenSize, numAttentionHeads }) {
      if (hiddenSize % numAttentionHeads === 0) return
      throw new ConfigError(
        `hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numAttentionHeads}`,
        {
          key: 'hidden_size',
        },
      )
    },
  },
  classes: {
    Base: 'BertModel',
    MaskedLM: 'BertForMaskedLM',
    SequenceClassification: 'BertForSequenceClassification',
    TokenClassification: 'BertForTokenClassification',
    QuestionAnswering: 'BertForQuestionAnswering',
  },
  prefix: 'bert',
  build: (weights, config, { pooler }) => new BertModel(weights, config, pooler),
  tokens: ({ vocabSize, maxPositionEmbeddings, typeVocabSize }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    typeVocabSize,
  }),
  heads: {
    languageModel: ({ initializerRange, hiddenAct, layerNormEps }) => ({
      decoder: 'cls.predictions.decoder',
      bias: 'cls.predictions.bias',
      weight: normal(initializerRange),
      transform: {
        dense: 'cls.predictions.transform.dense',
        norm: 'cls.predictions.transform.LayerNorm',
        activation: activationOf(hiddenAct, 'hidden_act'),
        eps: layerNormEps,
      },
    }),
    sequenceClassifier: (config) => ({ pool: 'pooler', ...classifier(config) }),
    tokenClassifier: classifier,
    questionAnswering: ({ initializerRange }) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
  },
  checkpoint: {
    spellings: (name) =>
      name === 'cls.predictions.bias'
        ? ['cls.predictions.decoder.bias']
        : /LayerNorm\.(weight|bias)$/.test(name)
          ? [name.replace(/weight$/, 'gamma').replace(/bias$/, 'beta')]
          : [],
    ignored: [/(^|\.)position_ids$/],
    tie: {
      embeddings: 'bert.embeddings.word_embeddings.weight',
      head: 'cls.predictions.decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

function classifier({ initializerRange, classifierDropout, hiddenDropoutProb }: BertConfig) {
  return {
    name: 'classifier',
    bias: true,
    dropout: classifierDropout ?? hiddenDropoutProb,
    weight: normal(initializerRange),
  }
}
