// history.plot: the figures of a training as curves, in an SVG file.
import { WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { History } from '../model/history.js'
import { chartSvg } from './chart.js'
import { writeNew } from './folder.js'
import { replaceFile } from './replace_file.js'

declare module '../model/history.js' {
  interface History {
    /**
     * Draws a curve of each figure over the epochs in an SVG file: those of training and validation in one picture,
     * figures below each other. Throws ERR_ARGUMENT for a name that does not end in .svg, ERR_STATE before an epoch is
     * done, or for a full disk and the like.
     */
    plot(file: Place): Promise<void>
  }
}

const GAP = 12

async function svgText({ history, epoch }: History): Promise<string> {
  const names = Object.keys(history)
  const figures = [...new Set(names.map((name) => name.replace(/^val_/, '')))]
  const charts = await Promise.all(
    figures.map((figure) => {
      const known = [figure, `val_${figure}`].filter((name) => Object.hasOwn(history, name))
      const series = known.map((name) => ({
        name: name === figure ? 'training' : 'validation',
        // epochs are counted from 1 in what people read
        points: history[name]!.map((value, i) => [(epoch[i] ?? i) + 1, value] as const),
      }))
      const title = known.length === 1 && known[0] !== figure ? `${figure} (validation)` : figure
      return chartSvg({ title, x: 'epoch', y: figure, series, wholeX: true })
    }),
  )
  const size = (svg: string, name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(svg)![1])
  const width = Math.max(...charts.map((svg) => size(svg, 'width')))
  let top = 0
  const placed = charts.map((svg) => {
    const at = top
    top += size(svg, 'height') + GAP
    return svg.replace('<svg ', `<svg y="${at}" `)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top - GAP}" viewBox="0 0 ${width} ${top - GAP}">\n${placed.join('\n')}\n</svg>\n`
}

History.prototype.plot = async function (place: Place): Promise<void> {
  checkCall('history.plot(file)', arguments)
  const file = pathOf('history.plot', place, 'file')
  if (!/\.svg$/i.test(file))
    throw new WeftError('ERR_ARGUMENT', `history.plot: '${file}' does not end in .svg`, { hint: "Write history.plot('curves.svg')" })
  if (this.epoch.length === 0)
    throw new WeftError('ERR_STATE', 'history.plot: no epoch is done, there is nothing to draw', { hint: 'Await fit() first' })
  const text = await svgText(this)
  await replaceFile('history.plot', file, (fresh) => writeNew(fresh, async (handle) => void (await handle.writeFile(text))))
}
