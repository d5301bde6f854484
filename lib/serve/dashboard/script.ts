// The program of the dashboard: asks for the figures, and shows them as text. Nothing that it is told becomes markup.
import { PAGE_ELEMENTS } from '../../core/page_elements.js'

export const SCRIPT: string = `
'use strict'
const PERIOD_MS = 2000
const KEPT = 150
// the address of the page may have a name and a key in it, which requests may not
const SOURCE = new URL('dashboard/data', location.origin + location.pathname)
${PAGE_ELEMENTS}
const short = (value, digits = 3) => (Number.isFinite(value) ? String(Number(value.toPrecision(digits))) : '–')
const seconds = (value) => (!Number.isFinite(value) ? '–' : value < 0.001 ? short(value * 1e6) + ' µs' : value < 1 ? short(value * 1000) + ' ms' : short(value) + ' s')
const share = (value) => (Number.isFinite(value) ? short(value * 100) + ' %' : '–')

/** The value below which a share of a histogram lies, evenly spread within a bucket. */
function quantile(bounds, counts, wanted) {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return NaN
  let seen = 0
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0 && seen + counts[i] >= wanted * total) {
      const low = i === 0 ? 0 : bounds[i - 1]
      const high = i < bounds.length ? bounds[i] : low
      return low + (high - low) * ((wanted * total - seen) / counts[i])
    }
    seen += counts[i]
  }
  return bounds[bounds.length - 1]
}

/** What happened between two looks at a version. */
function between(before, now, milliseconds) {
  const rate = (now.requests - before.requests) / (milliseconds / 1000)
  const failed = now.failures - before.failures
  const asked = now.requests - before.requests + failed
  const counts = now.latency.counts.map((count, i) => count - before.latency.counts[i])
  const batches = now.batch.count - before.batch.count
  return {
    rate,
    errors: asked === 0 ? NaN : failed / asked,
    p50: quantile(now.latency.bounds, counts, 0.5),
    p99: quantile(now.latency.bounds, counts, 0.99),
    size: batches === 0 ? NaN : (now.batch.sum - before.batch.sum) / batches,
  }
}

const history = new Map()
let last

function line(values, caption, format) {
  const figure = make('figure')
  const known = values.filter(Number.isFinite)
  const most = Math.max(...known, 0)
  const picture = svg('svg', { viewBox: '0 0 ' + (KEPT - 1) + ' 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': caption })
  const from = KEPT - values.length
  const points = values.flatMap((value, i) => (Number.isFinite(value) ? [(from + i) + ',' + (100 - 95 * (most === 0 ? 0 : value / most))] : []))
  picture.append(svg('polyline', { points: points.join(' ') }))
  figure.append(picture, make('figcaption', caption + ', at most ' + (known.length ? format(most) : '–')))
  return figure
}

function bars(bounds, counts) {
  const figure = make('figure')
  const most = Math.max(...counts, 1)
  const picture = svg('svg', { viewBox: '0 0 ' + counts.length * 10 + ' 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': 'batch sizes' })
  counts.forEach((count, i) => picture.append(svg('rect', { x: i * 10 + 1, width: 8, y: 100 - (95 * count) / most, height: (95 * count) / most })))
  figure.append(picture, make('figcaption', 'batches of up to ' + bounds.join(', ') + ' rows'))
  return figure
}

function driftTable({ input, rows, features }) {
  const table = make('table')
  table.append(make('caption', 'Drift of ' + input + ', over ' + rows + ' rows'))
  const head = table.createTHead().insertRow()
  for (const text of ['feature', 'index', 'missing', 'in training', 'out of range']) head.append(make('th', text))
  const body = table.createTBody()
  for (const one of [...features].sort((a, b) => b.psi - a.psi).slice(0, 10)) {
    const row = body.insertRow()
    row.append(make('th', one.feature), make('td', short(one.psi), one.psi > 0.25 ? 'bad' : one.psi > 0.1 ? 'warn' : 'good'))
    for (const value of [one.missing, one.missingInTraining, one.outOfRange]) row.append(make('td', share(value)))
  }
  return table
}

function card(version, points) {
  const article = make('article')
  article.dataset.model = version.name
  const title = make('h2', version.name + (version.version ? ' / ' + version.version : ''))
  for (const label of version.labels) title.append(make('span', label, 'label'))
  if (version.state) title.append(make('span', version.state, version.state === 'READY' ? 'good' : 'warn'))
  article.append(title)
  if (version.reason) article.append(make('p', version.reason, 'reason'))
  if (version.state !== 'READY' || !version.latency) return article
  const now = points.at(-1) ?? {}
  const facts = make('dl')
  for (const [name, text] of [
    ['requests a second', short(now.rate)],
    ['latency, median', seconds(now.p50)],
    ['latency, 99th percentile', seconds(now.p99)],
    ['errors', share(now.errors)],
    ['rows a batch', short(now.size)],
    ['waiting', String(version.waiting)],
    ['requests in all', String(version.requests)],
    ['failed in all', String(version.failures)],
  ]) {
    const pair = make('div')
    pair.append(make('dt', name), make('dd', text))
    facts.append(pair)
  }
  const charts = make('div', undefined, 'charts')
  charts.append(
    line(points.map(({ rate }) => rate), 'requests a second', short),
    line(points.map(({ p99 }) => p99), 'latency, 99th percentile', seconds),
    bars(version.batch.bounds, version.batch.counts),
  )
  article.append(facts, charts, ...version.drift.filter(({ rows }) => rows > 0).map(driftTable))
  return article
}

function show(data) {
  byId('server').textContent = data.server.name + ' ' + data.server.version + (data.server.ready ? '' : ', being closed')
  const before = new Map((last?.models ?? []).map((version) => [version.name + '/' + version.version, version]))
  for (const version of data.models) {
    const key = version.name + '/' + version.version
    const earlier = before.get(key)
    if (!version.latency || !earlier?.latency || earlier.requests > version.requests) continue
    const points = history.get(key) ?? []
    points.push(between(earlier, version, data.time - last.time))
    history.set(key, points.slice(-KEPT))
  }
  last = data
  const cards = data.models.map((version) => card(version, history.get(version.name + '/' + version.version) ?? []))
  byId('models').replaceChildren(...(cards.length ? cards : [make('p', 'There are no models.')]))
}

async function look() {
  const state = byId('state')
  try {
    const reply = await fetch(SOURCE, { cache: 'no-store', signal: AbortSignal.timeout(10_000) })
    if (!reply.ok) throw new Error('status ' + reply.status)
    show(await reply.json())
    state.className = ''
    state.textContent = 'as of ' + new Date().toLocaleTimeString()
  } catch (error) {
    state.className = 'lost'
    state.textContent = 'no answer: ' + error.message
  }
  setTimeout(look, PERIOD_MS)
}
look()
`
