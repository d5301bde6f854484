// The part of a report that says why: pictures of some samples, by what the model takes.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type AnyPredictor, type Samples, tensorOf } from '../../learn/report/predictor.js'
import { type AnyModel, Model } from '../../model/model.js'
import { cast, gather } from '../../ops/index.js'
import { attentionMaps } from '../attention_maps.js'
import { embeddingOf } from '../embedded.js'
import { imageExplanations } from './of_images.js'
import { rowExplanations } from './of_tables.js'
import { attentionTables, wordExplanations } from './of_words.js'

/** Words of ids; padding is undefined. */
export type WordsOf = (ids: readonly number[]) => readonly (string | undefined)[]

export interface Explained {
  /** Places of the samples to explain. */
  readonly chosen: readonly number[]
  /** What each of them is, and is taken for. */
  readonly captions: readonly string[]
  /** Place of the output that is explained of each. */
  readonly outputs: readonly number[]
  readonly featureNames: readonly string[]
  readonly wordsOf: WordsOf | undefined
  readonly seed: number | undefined
}

/** Features of a table that bars are drawn of. */
const MOST_FEATURES = 200

/** HTML; ERR_ARGUMENT for samples that no picture can be made of. */
export async function explanationsOf(what: string, model: unknown, x: Samples, about: Explained): Promise<string> {
  const { x: all, own } = tensorOf(what, x, model instanceof Model ? model.device : undefined)
  const owned: Tensor[] = own ? [all] : []
  try {
    const picked = gather(all, Int32Array.from(about.chosen) as never, 0)
    owned.push(picked)
    if (embeddingOf(model) !== undefined && all.rank === 2) return await ofTexts(what, model as AnyModel, picked, about)
    if (all.rank === 2) return await ofRows(what, model as AnyPredictor, all, about)
    if (all.rank === 4 && model instanceof Model) {
      const floats = cast(picked, 'float32')
      owned.push(floats)
      const html = await imageExplanations(model as AnyModel, floats, about.captions, about.seed)
      return html + (await attentionOf(model as AnyModel, picked, []))
    }
    const maps = model instanceof Model ? await attentionOf(model as AnyModel, picked, []) : ''
    if (maps !== '') return maps
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: explain makes pictures of tables, of networks on images and texts, and of attention; x is [${all.shape}]`,
    )
  } finally {
    for (const t of owned) t.dispose()
  }
}

async function ofRows(what: string, model: AnyPredictor, x: Tensor, about: Explained): Promise<string> {
  const features = x.shape[1]!
  if (features > MOST_FEATURES)
    throw new WeftError('ERR_ARGUMENT', `${what}: bars are drawn of at most ${MOST_FEATURES} features, x has ${features}`)
  const rows = (await x.array()) as unknown as number[][]
  const { chosen, outputs, captions, seed } = about
  return rowExplanations(model, rows, chosen, outputs, about.featureNames, captions, seed)
}

async function ofTexts(what: string, net: AnyModel, ids: Tensor, { wordsOf, captions }: Explained): Promise<string> {
  const rows = (await ids.array()) as unknown as number[][]
  const words = rows.map((row) => {
    const own = wordsOf ? wordsOf(row) : row.map((id) => (id === 0 ? undefined : String(id)))
    if (Array.isArray(own) && own.length === row.length) return own as (string | undefined)[]
    throw new WeftError('ERR_ARGUMENT', `${what}: words(ids) gives a word, or undefined, for each of ${row.length} ids, got ${show(own)}`)
  })
  return (await wordExplanations(net, ids, words, captions)) + (await attentionOf(net, ids, words[0]!))
}

/** Of the first sample; nothing where the network has no attention. */
async function attentionOf(net: AnyModel, samples: Tensor, words: readonly (string | undefined)[]): Promise<string> {
  const first = gather(samples, Int32Array.of(0) as never, 0)
  try {
    const maps = await attentionMaps(net, first)
    const html = await attentionTables(maps, words)
    for (const { weights } of maps) weights.dispose()
    return `\n<h2>Attention of the first sample</h2>\n${html}`
  } catch (error) {
    if (error instanceof WeftError && /has no attention/.test(error.message)) return ''
    throw error
  } finally {
    first.dispose()
  }
}
