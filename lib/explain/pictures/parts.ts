// Parts of the pages that show explanations: pictures and shaded tables, as HTML without scripts.
import { pngOf } from '../../io/png.js'
import { escaped } from '../../io/xml.js'
import type { Rgb } from '../overlay.js'

/** A picture that is in the page itself. */
export function imageTag(rgb: Rgb, width: number, height: number, alt: string): string {
  const source = pngOf(rgb, width, height).toString('base64')
  const shown = Math.max(112, Math.min(224, width))
  return `<img src="data:image/png;base64,${source}" width="${shown}" height="${Math.max(1, Math.round((shown * height) / width))}" alt="${escaped(alt)}">`
}

export const captioned = (picture: string, caption: string): string =>
  `<figure>${picture}<figcaption>${escaped(caption)}</figcaption></figure>`

/** Dark for 0, light for 1: the same without colour. */
export function heat(share: ArrayLike<number>): Rgb {
  const rgb = new Uint8Array(3 * share.length)
  for (let i = 0; i < share.length; i++) {
    const at = Math.min(1, Math.max(0, share[i]!)) * (STOPS.length - 1)
    const low = Math.min(STOPS.length - 2, Math.floor(at))
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = Math.round(STOPS[low]![c]! + (STOPS[low + 1]![c]! - STOPS[low]![c]!) * (at - low))
  }
  return rgb
}
/** From black over violet and orange to white, each lighter than the one before. */
const STOPS = [
  [0, 0, 0],
  [80, 20, 125],
  [185, 60, 115],
  [250, 150, 85],
  [255, 255, 225],
] as const

/** A table of shares, the darker the larger, each with its number for the pointer. */
export function shadedTable(rows: readonly string[], columns: readonly string[], share: (row: number, column: number) => number): string {
  const head = columns.map((name) => `<th scope="col">${escaped(name)}</th>`).join('')
  const body = rows.map((name, i) => {
    const cells = columns.map((_, j) => {
      const value = share(i, j)
      return `<td class="heat" style="background:hsl(210 60% ${Math.round(100 - 55 * value)}%)">${value < 0.005 ? '' : value.toFixed(2)}</td>`
    })
    return `<tr><th scope="row">${escaped(name)}</th>${cells.join('')}</tr>`
  })
  return `<div class="scroll"><table class="attention"><tr><th></th>${head}</tr>\n${body.join('\n')}</table></div>`
}
