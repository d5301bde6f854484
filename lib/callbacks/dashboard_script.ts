// The program of the dashboard's page: it draws what the server tells. Nothing that it is told becomes markup.
import { PAGE_ELEMENTS } from '../core/page_elements.js'

export const SCRIPT: string = `
'use strict'
${PAGE_ELEMENTS}
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value)
const short = (value, digits = 4) => (isNumber(value) ? String(Number(value.toPrecision(digits))) : '–')
const time = (seconds) => (seconds < 90 ? short(seconds, 3) + ' s' : Math.floor(seconds / 60) + ' min ' + Math.round(seconds % 60) + ' s')

/** About four round numbers from low to high. */
function ticks(low, high) {
  const rough = (high - low) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)
  const found = []
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)))
  return found
}

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [400, 220, 52, 12, 34]

/** Lines over numbers. Those of validation are dashed, with rings. */
function chart(title, across, series) {
  const figure = make('figure')
  figure.dataset.chart = title
  figure.append(make('figcaption', title))
  const points = series.flatMap((one) => one.points).filter(([x, y]) => isNumber(x) && isNumber(y))
  const picture = svg('svg', { viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, role: 'img', 'aria-label': title })
  figure.append(picture)
  if (points.length === 0) {
    picture.append(svg('text', { x: WIDTH / 2, y: HEIGHT / 2, 'text-anchor': 'middle' }, 'nothing yet'))
    return figure
  }
  const range = (values) => {
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
    const around = low === high ? Math.abs(low) / 2 || 1 : 0
    return [low - around, high + around]
  }
  const [x0, x1] = range(points.map(([x]) => x))
  const [y0, y1] = range(points.map(([, y]) => y))
  const x = (value) => LEFT + ((value - x0) / (x1 - x0)) * (WIDTH - LEFT - 10)
  const y = (value) => HEIGHT - BOTTOM - ((value - y0) / (y1 - y0)) * (HEIGHT - BOTTOM - TOP)
  for (const tick of ticks(y0, y1)) {
    picture.append(svg('path', { d: 'M' + LEFT + ' ' + y(tick) + 'H' + (WIDTH - 10), class: 'rule' }))
    picture.append(svg('text', { x: LEFT - 6, y: y(tick) + 4, 'text-anchor': 'end' }, short(tick)))
  }
  for (const tick of ticks(x0, x1).filter(Number.isInteger))
    picture.append(svg('text', { x: x(tick), y: HEIGHT - BOTTOM + 14, 'text-anchor': 'middle' }, String(tick)))
  picture.append(svg('path', { d: 'M' + LEFT + ' ' + TOP + 'V' + (HEIGHT - BOTTOM) + 'H' + (WIDTH - 10), class: 'axis' }))
  picture.append(svg('text', { x: (LEFT + WIDTH) / 2, y: HEIGHT - 5, 'text-anchor': 'middle' }, across))
  for (const { points: own, kind } of series) {
    let path = ''
    for (const [a, b] of own) path += isNumber(b) ? (path === '' || path.endsWith(' ') ? 'M' : 'L') + x(a).toFixed(1) + ',' + y(b).toFixed(1) : ' '
    picture.append(svg('path', { d: path.trim() || 'M0,0', class: kind }))
    if (own.length <= 40)
      for (const [a, b] of own) if (isNumber(b)) picture.append(svg('circle', { cx: x(a), cy: y(b), r: 3, class: 'mark ' + kind }))
  }
  if (series.length > 1) {
    const legend = series.map(({ name, kind }) => (kind === 'validation' ? '- ○ - ' : '—●— ') + name).join('    ')
    figure.firstChild.append(make('span', '    ' + legend))
  }
  return figure
}

/** Counts of values between the least and the greatest. */
function histogram({ name, buckets }) {
  const figure = make('figure')
  figure.dataset.weight = name
  figure.append(make('figcaption', name))
  if (!buckets) {
    figure.append(make('p', 'no finite values', 'none'))
    return figure
  }
  const { min, max, mean, counts } = buckets
  const most = Math.max(...counts)
  const picture = svg('svg', { viewBox: '0 0 ' + counts.length * 10 + ' 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': 'values of ' + name })
  picture.style.height = '70px'
  counts.forEach((count, i) => picture.append(svg('rect', { x: i * 10 + 1, width: 8, y: 100 - (95 * count) / most, height: (95 * count) / most, class: 'bar' })))
  figure.append(picture)
  const text = make('figcaption')
  text.append(make('span', short(min, 3) + ' to ' + short(max, 3) + ', mean ' + short(mean, 2)))
  figure.append(text)
  return figure
}

function sample({ picture, values, target, outputs, right }) {
  const figure = make('figure')
  if (picture) {
    const canvas = make('canvas')
    canvas.width = picture.width
    canvas.height = picture.height
    const bytes = Uint8Array.from(atob(picture.rgb), (letter) => letter.charCodeAt(0))
    const data = new ImageData(picture.width, picture.height)
    for (let i = 0; i < picture.width * picture.height; i++) data.data.set([bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2], 255], 4 * i)
    canvas.getContext('2d').putImageData(data, 0, 0)
    figure.append(canvas)
  } else figure.append(make('figcaption', values.map((value) => short(value, 3)).join(', ')))
  const verdict = right === undefined ? '' : right ? ' ✓ right' : ' ✗ wrong'
  if (target !== undefined) figure.append(make('figcaption', 'target ' + target + verdict))
  const table = make('table')
  for (const { name, value } of outputs) {
    const row = table.insertRow()
    row.append(make('th', name), make('td', short(value, 3)))
  }
  figure.append(table)
  return figure
}

let state

function facts() {
  const { live, lastEpoch, status } = state
  const last = state.epochs.at(-1)
  const entries = [
    ['epoch', Math.min(live.epoch + 1, lastEpoch) + ' of ' + lastEpoch],
    ['step', live.step + (live.steps ? ' of ' + live.steps : '')],
    ['steps a second', short(live.stepsPerSecond, 3)],
    ['rows a second', short(live.rowsPerSecond, 3)],
    ['learning rate', short(live.rate ?? NaN)],
    ['last epoch took', last ? time(last.seconds) : '–'],
    ...Object.entries(live.logs).map(([name, value]) => [name, short(value)]),
  ]
  byId('facts').replaceChildren(
    ...entries.map(([name, text]) => {
      const pair = make('div')
      pair.append(make('dt', name), make('dd', text))
      return pair
    }),
  )
  const progress = byId('progress')
  if (live.steps) {
    progress.max = live.steps
    progress.value = live.step
  } else if (status !== 'training') progress.value = progress.max
  byId('status').textContent = status
}

function curves() {
  const { epochs } = state
  const names = [...new Set(epochs.flatMap(({ logs }) => Object.keys(logs).map((name) => name.replace(/^val_/, ''))))]
  const over = (name) => epochs.filter(({ logs }) => name in logs).map(({ epoch, logs }) => [epoch + 1, logs[name]])
  const charts = names.map((name) =>
    chart(
      name,
      'epoch',
      [
        { name: 'training', kind: 'train', points: over(name) },
        { name: 'validation', kind: 'validation', points: over('val_' + name) },
      ].filter(({ points }) => points.length > 0),
    ),
  )
  const rates = epochs.filter(({ rate }) => rate !== undefined).map(({ epoch, rate }) => [epoch + 1, rate])
  charts.unshift(chart('loss of single batches', 'step', [{ name: 'batch', kind: 'train', points: state.curve }]))
  if (rates.length > 0) charts.push(chart('learning rate', 'epoch', [{ name: 'rate', kind: 'train', points: rates }]))
  byId('curves').replaceChildren(...charts)
}

function list(id, elements, otherwise) {
  byId(id).replaceChildren(...(elements.length > 0 ? elements : [make('p', otherwise, 'none')]))
}

function show(next) {
  state = next
  byId('model').textContent = state.model
  facts()
  curves()
  const later = 'after the first epoch'
  list('samples', state.samples.map(sample), 'of samples: { x, y }, if they are given, ' + later)
  list('weights', state.weights.map(histogram), later)
  list('gradients', state.gradients.map(histogram), 'of samples: { x, y }, if they are given, ' + later)
}

const source = new EventSource('events')
source.addEventListener('state', (event) => show(JSON.parse(event.data)))
source.addEventListener('live', (event) => {
  const { curve, ...live } = JSON.parse(event.data)
  if (!state) return
  state.live = live
  if (curve && state.curve.at(-1)?.[0] !== curve[0]) state.curve.push(curve)
  facts()
  byId('curves').firstChild?.replaceWith(chart('loss of single batches', 'step', [{ name: 'batch', kind: 'train', points: state.curve }]))
})
let ended = false
source.addEventListener('end', () => {
  ended = true
  source.close()
  byId('status').textContent = (state?.status ?? '') + '; the program has closed this page, which stays as it is'
})
source.addEventListener('error', () => {
  if (!ended) byId('status').textContent = 'no answer from the program'
})
`
