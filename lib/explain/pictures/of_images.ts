// Pictures of why a network sees in images what it sees: saliency, Grad-CAM and occlusion laid over each.
import { Tensor } from '../../core/tensor.js'
import type { AnyModel } from '../../model/model.js'
import { gradCam } from '../grad_cam.js'
import { occlusion } from '../occlusion.js'
import { laidOver, rgbOf, shareOf } from '../overlay.js'
import { smoothGrad } from '../saliency.js'
import { captioned, imageTag } from './parts.js'

/** Covers along a side of an image. */
const COVERS = 7

/** @param captions what each sample is, and is taken for */
export async function imageExplanations(net: AnyModel, x: Tensor, captions: readonly string[], seed: number | undefined): Promise<string> {
  const [n, height, width, channels] = x.shape as [number, number, number, number]
  const pixels = height * width
  const maps: [name: string, attributions: Tensor][] = []
  const { attributions } = await smoothGrad(net, x, { samples: 15, ...(seed === undefined ? {} : { seed }) })
  maps.push(['saliency (smoothed)', attributions])
  if (net.layers.some((layer) => /conv/i.test(layer.className))) maps.push(['Grad-CAM', (await gradCam(net, x)).attributions])
  const cover = [height, width].map((extent) => Math.max(1, Math.ceil((2 * extent) / COVERS)))
  const covered = await occlusion(net, x, { size: cover, stride: cover.map((one) => Math.max(1, one >> 1)), value: await lowest(x) })
  maps.push(['occlusion', covered.attributions])
  const values = (await x.data()) as Float32Array
  const read = await Promise.all(maps.map(async ([name, t]) => [name, (await t.data()) as Float32Array] as const))
  for (const [, t] of maps) t.dispose()
  const rows = Array.from({ length: n }, (_, i) => {
    const image = rgbOf(values.subarray(i * pixels * channels, (i + 1) * pixels * channels), pixels, channels)
    const caption = captions[i]!
    const pictures = read.map(([name, map]) => {
      const own = map.subarray((i * map.length) / n, ((i + 1) * map.length) / n)
      return captioned(imageTag(laidOver(image, shareOf(own, pixels)), width, height, `${name} of: ${caption}`), name)
    })
    return `<div class="explained">${captioned(imageTag(image, width, height, caption), caption)}${pictures.join('')}</div>`
  })
  return `<p>Light and marked: what speaks for the output. Dark: what does not matter, or speaks against it.</p>\n${rows.join('\n')}`
}

/** What a cover is painted with: the darkest value there is. */
async function lowest(x: Tensor): Promise<number> {
  const least = x.min()
  const value = await least.item()
  least.dispose()
  return Number(value)
}
