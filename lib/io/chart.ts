// Charts as SVG: lines and points on two axes. Series differ by dashes and marks, not by colour alone. Scales, ticks
// and marks are those of d3 (d3-scale, d3-shape), which only who draws loads.
import { escaped } from './xml.js'

export type Point = readonly [x: number, y: number]

export interface Series {
  readonly name: string
  /** Points that are no finite numbers leave a gap. */
  readonly points: readonly Point[]
  /** Joined by a line ('line', the default), marked ('marks'), or both. */
  readonly drawn?: 'line' | 'marks' | 'both'
}

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
  /** Where the axes begin and end. Default: what the points need. */
  readonly xDomain?: readonly [number, number]
  readonly yDomain?: readonly [number, number]
  /** A thin line from corner to corner: what chance, or perfection, would give. */
  readonly diagonal?: string
  /** Ticks at whole numbers only, as of epochs. */
  readonly wholeX?: boolean
}

const [WIDTH, HEIGHT] = [440, 300]
const [TOP, RIGHT, BOTTOM, LEFT] = [34, 16, 46, 62]
const LEGEND_LINE = 18
/** Distinguishable with all kinds of colour vision (Okabe and Ito 2008), each dark enough on white. */
const COLOURS = ['#0072b2', '#d55e00', '#007a5a', '#a34a7f', '#8a6d00', '#1b1b1b'] as const
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '4 2', '12 4'] as const

/** Where values lie; a little around a single one. */
function domainOf(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return [0, 1]
  const low = finite.reduce((a, b) => Math.min(a, b))
  const high = finite.reduce((a, b) => Math.max(a, b))
  if (low < high) return [low, high]
  const around = Math.abs(low) > 0 ? Math.abs(low) / 2 : 1
  return [low - around, low + around]
}

/** The name as it fits, the whole of it shown by the pointer. */
const shortened = (name: string): string =>
  name.length <= 24 ? escaped(name) : `${escaped(`${name.slice(0, 23)}…`)}<title>${escaped(name)}</title>`

const n = (value: number): string => String(Math.round(value * 100) / 100)

/** The chart as an SVG element. */
export async function chartSvg(chart: Chart): Promise<string> {
  const [{ scaleLinear }, shape] = await Promise.all([import('d3-scale'), import('d3-shape')])
  const symbols = [shape.symbolCircle, shape.symbolSquare, shape.symbolTriangle, shape.symbolDiamond, shape.symbolCross, shape.symbolStar]
  const legend = chart.series.length > 1 ? Math.ceil(chart.series.length / 2) * LEGEND_LINE : 0
  const height = HEIGHT + legend
  const all = chart.series.flatMap(({ points }) => points)
  const x = scaleLinear()
    .domain(chart.xDomain ?? domainOf(all.map(([value]) => value)))
    .range([LEFT, WIDTH - RIGHT])
  const y = scaleLinear()
    .domain(chart.yDomain ?? domainOf(all.map(([, value]) => value)))
    .range([HEIGHT - BOTTOM, TOP])
  if (!chart.yDomain) y.nice()
  if (!chart.xDomain && !chart.wholeX) x.nice()
  const xTicks = x.ticks(6).filter((tick) => !chart.wholeX || Number.isInteger(tick))
  const [xText, yText] = [x.tickFormat(6), y.tickFormat(6)]
  const parts: string[] = []
  for (const tick of y.ticks(6)) {
    parts.push(`<path d="M${LEFT} ${n(y(tick))}H${WIDTH - RIGHT}" stroke="#d9dde3"/>`)
    parts.push(`<text x="${LEFT - 8}" y="${n(y(tick) + 4)}" text-anchor="end">${escaped(yText(tick))}</text>`)
  }
  for (const tick of xTicks) {
    parts.push(`<path d="M${n(x(tick))} ${HEIGHT - BOTTOM}v5" stroke="#555"/>`)
    parts.push(`<text x="${n(x(tick))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escaped(xText(tick))}</text>`)
  }
  parts.push(`<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="#555"/>`)
  if (chart.diagonal !== undefined) {
    const [[x0, x1], [y0, y1]] = [x.domain() as [number, number], y.domain() as [number, number]]
    const [low, high] = [Math.max(x0, y0), Math.min(x1, y1)]
    parts.push(
      `<path d="M${n(x(low))} ${n(y(low))}L${n(x(high))} ${n(y(high))}" stroke="#555" stroke-dasharray="2 4"><title>${escaped(chart.diagonal)}</title></path>`,
    )
  }
  const isThere = ([a, b]: Point): boolean => Number.isFinite(a) && Number.isFinite(b)
  const lineOf = shape
    .line<Point>()
    .defined(isThere)
    .x(([value]) => x(value))
    .y(([, value]) => y(value))
    .digits(2)
  chart.series.forEach(({ points, drawn = 'line' }, i) => {
    const colour = COLOURS[i % COLOURS.length]!
    const mark =
      shape
        .symbol()
        .type(symbols[i % symbols.length]!)
        .size(36)
        .digits(2)() ?? ''
    const alone = points.filter(isThere).length === 1
    if (drawn !== 'marks' && !alone)
      parts.push(
        `<path d="${lineOf(points) ?? ''}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${DASHES[i % DASHES.length]}"/>`,
      )
    if (drawn === 'line' && !alone) return
    for (const [a, b] of points.filter(isThere))
      parts.push(`<path d="${mark}" transform="translate(${n(x(a))} ${n(y(b))})" fill="${colour}" fill-opacity="0.75"/>`)
  })
  if (chart.series.length > 1)
    chart.series.forEach(({ name, drawn = 'line' }, i) => {
      const [left, top] = [LEFT + (i % 2) * ((WIDTH - LEFT) / 2), HEIGHT + Math.floor(i / 2) * LEGEND_LINE + 6]
      const colour = COLOURS[i % COLOURS.length]!
      if (drawn !== 'marks')
        parts.push(`<path d="M${left} ${top - 4}h30" stroke="${colour}" stroke-width="2" stroke-dasharray="${DASHES[i % DASHES.length]}"/>`)
      if (drawn !== 'line') {
        const mark =
          shape
            .symbol()
            .type(symbols[i % symbols.length]!)
            .size(36)
            .digits(2)() ?? ''
        parts.push(`<path d="${mark}" transform="translate(${left + 15} ${top - 4})" fill="${colour}"/>`)
      }
      parts.push(`<text x="${left + 36}" y="${top}">${shortened(name)}</text>`)
    })
  if (all.filter(isThere).length === 0) parts.push(`<text x="${WIDTH / 2}" y="${HEIGHT / 2}" text-anchor="middle">no finite values</text>`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escaped(chart.title)}" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="bold">${escaped(chart.title)}</text>`,
    ...parts,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escaped(chart.x)}</text>`,
    `<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(chart.y)}</text>`,
    '</svg>',
  ].join('\n')
}

export interface Bar {
  readonly name: string
  readonly value: number
  /** How far the value may be off, to both sides. */
  readonly error?: number
}

/** Bars to the right or left of zero, each with its number. */
export async function barsSvg(title: string, x: string, bars: readonly Bar[]): Promise<string> {
  const { scaleLinear } = await import('d3-scale')
  const [row, left, right] = [24, 170, 70]
  const height = TOP + bars.length * row + BOTTOM
  const ends = bars.flatMap(({ value, error = 0 }) => [value - error, value + error])
  const scale = scaleLinear()
    .domain(domainOf([0, ...ends]))
    .nice()
    .range([left, WIDTH - right])
  const parts = bars.flatMap(({ name, value, error = 0 }, i) => {
    const [from, to] = [Math.min(scale(0), scale(value)), Math.max(scale(0), scale(value))]
    const middle = TOP + (i + 0.5) * row
    return [
      `<text x="${left - 8}" y="${n(middle + 4)}" text-anchor="end">${shortened(name)}</text>`,
      `<rect x="${n(from)}" y="${n(middle - 8)}" width="${n(Math.max(1, to - from))}" height="16" fill="${COLOURS[0]}"/>`,
      error > 0 ? `<path d="M${n(scale(value - error))} ${n(middle)}H${n(scale(value + error))}" stroke="#222" stroke-width="2"/>` : '',
      `<text x="${n(Math.max(to, scale(value + error)) + 6)}" y="${n(middle + 4)}">${escaped(String(Number(value.toPrecision(3))))}</text>`,
    ]
  })
  const ticks = scale
    .ticks(4)
    .map(
      (tick) => `<text x="${n(scale(tick))}" y="${height - BOTTOM + 18}" text-anchor="middle">${escaped(scale.tickFormat(4)(tick))}</text>`,
    )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escaped(title)}" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="20" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...parts,
    `<path d="M${n(scale(0))} ${TOP}V${height - BOTTOM}" stroke="#555"/>`,
    ...ticks,
    `<text x="${n((left + WIDTH - right) / 2)}" y="${height - 10}" text-anchor="middle">${escaped(x)}</text>`,
    '</svg>',
  ].join('\n')
}
