// Pictures of texts: words shaded by their part in the output, and where attention looks.
import { escaped } from '../../io/xml.js'
import type { Tensor } from '../../core/tensor.js'
import type { AnyModel } from '../../model/model.js'
import type { AttentionMap } from '../attention_maps.js'
import { integratedGradients } from '../integrated_gradients.js'
import { captioned, heat, imageTag, shadedTable } from './parts.js'

/** Words of a text that are shown, and those of a table. */
const [MOST_WORDS, MOST_COLUMNS] = [300, 24]

/** @param words of each sample; padding is undefined */
export async function wordExplanations(
  net: AnyModel,
  ids: Tensor,
  words: readonly (readonly (string | undefined)[])[],
  captions: readonly string[],
): Promise<string> {
  const { attributions } = await integratedGradients(net, ids, { steps: 64 })
  const parts = (await attributions.data()) as Float32Array
  attributions.dispose()
  const time = ids.shape[1]!
  const texts = words.map((row, i) => {
    const own = parts.subarray(i * time, (i + 1) * time)
    const most = own.reduce((so, value) => Math.max(so, Math.abs(value)), 0) || 1
    const spans = row.flatMap((word, at) => (word === undefined ? [] : [span(word, own[at]!, most)]))
    const shown = spans.slice(0, MOST_WORDS).join(' ') + (spans.length > MOST_WORDS ? ' …' : '')
    return `<div class="explained"><p class="words"><b>${escaped(captions[i]!)}:</b> ${shown}</p></div>`
  })
  return `<p>Integrated gradients. Darker: a larger part. Underlined: for the output. <span class="against">Dotted</span>: against it.</p>\n${texts.join('\n')}`
}

function span(word: string, part: number, most: number): string {
  const share = Math.abs(part) / most
  const side = share < 0.05 ? '' : part > 0 ? ' class="for"' : ' class="against"'
  const hue = part > 0 ? 210 : 30
  return `<span${side} style="background:hsl(${hue} 70% ${Math.round(100 - 40 * share)}%)" title="${part.toPrecision(3)}">${escaped(word)}</span>`
}

/** The mean over the heads of each layer, for one sample. */
export async function attentionTables(maps: readonly AttentionMap[], words: readonly (string | undefined)[]): Promise<string> {
  const pictures: string[] = []
  for (const { layer, weights } of maps) {
    const [, heads, queries, keys] = weights.shape as [number, number, number, number]
    const data = (await weights.data()) as Float32Array
    const mean = new Float64Array(queries * keys)
    for (let h = 0; h < heads; h++) for (let i = 0; i < mean.length; i++) mean[i]! += data[h * mean.length + i]! / heads
    const text = words.length === keys && queries === keys && keys <= MOST_COLUMNS
    const labels = Array.from({ length: keys }, (_, i) => words[i] ?? (text ? '–' : String(i)))
    const most = mean.reduce((so, value) => Math.max(so, value), 0) || 1
    const title = `${layer}, mean of ${heads} ${heads === 1 ? 'head' : 'heads'}`
    pictures.push(
      text
        ? `<h3>${escaped(title)}</h3>\n${shadedTable(labels, labels, (row, column) => mean[row * keys + column]!)}`
        : captioned(imageTag(heat(mean.map((value) => value / most)), keys, queries, title), title),
    )
  }
  return `<p>Rows: queries. Columns: keys. The share of each key in what a query becomes; in pictures, light is much.</p>\n<div class="explained">${pictures.join('\n')}</div>`
}
