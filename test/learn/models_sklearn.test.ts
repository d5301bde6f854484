// Models learn what scikit-learn learns (recorded by models_sklearn.py), and the same after save and load.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Estimator, load } from '../../lib/learn/index.js'
import * as learn from '../../lib/learn/index.js'
import { table } from './tables.js'

interface Case {
  data: string
  kind: string
  options: object
  weighted: boolean
  attributes: Record<string, unknown>
  methods: Record<string, unknown>
  score: number | null
}
const file = path.join(import.meta.dirname, '..', '..', '..', 'test', 'learn', 'models_sklearn.json')
const { cases } = JSON.parse(await readFile(file, 'utf8')) as { cases: Case[] }
assert.ok(cases.length > 40)

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))

/** How far values may be from the recorded ones, relative to the largest of them. */
const TOLERANCES: Record<string, number> = {
  linearRegression: 1e-8,
  ridge: 1e-8,
  lasso: 1e-5,
  elasticNet: 1e-5,
  logisticRegression: 1e-4,
  svc: 1e-3,
  svr: 1e-3,
  linearSvc: 1e-4,
  kMeans: 1e-9,
}

function flat(value: unknown): number[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value as number]
}

function near(what: string, found: unknown, expected: unknown, tolerance: number): void {
  const [values, wanted] = [flat(found), flat(expected)]
  assert.is(values.length, wanted.length, `${what}: ${values.length} values, ${wanted.length} recorded`)
  const size = Math.max(...wanted.map(Math.abs), Number.MIN_VALUE)
  for (const [i, value] of values.entries())
    assert.ok(Math.abs(value - wanted[i]!) <= tolerance * size, `${what}[${i}]: ${value}, recorded ${wanted[i]}`)
}

const whole = new Set(['support', 'nSupport', 'rank', 'labels'])
for (const { data, kind, options, weighted, attributes, methods, score } of cases) {
  test(`${kind} ${JSON.stringify(options)} on ${data}${weighted ? ', weighted' : ''}`, async () => {
    const { x, y } = table(data)
    const make = (learn as unknown as Record<string, (options: object) => Estimator>)[kind]!
    const model = make(options) as Estimator & Record<string, unknown>
    const sampleWeight = weighted ? x.map((_, row) => ((row % 3) + 1) / 2) : undefined
    await model.fit(x, y, ...(sampleWeight ? [{ sampleWeight }] : []))
    const loose = kind.startsWith('sv') && !('tol' in options)
    const tolerance = loose ? 2e-3 : (TOLERANCES[kind] ?? 1e-9)
    // support vectors at the edge of the tolerance may come out either way
    const skipped = loose ? ['dualCoef', 'intercept'] : []
    for (const [name, expected] of Object.entries(attributes)) {
      if (whole.has(name)) assert.equal(model[name], expected, name)
      else if (!skipped.includes(name)) near(name, model[name], expected, name === 'gamma' ? 1e-12 : tolerance)
    }
    const rows = x.filter((_, row) => row % (data === 'digits' ? 300 : 37) === 0)
    const results = async (of: Estimator): Promise<Record<string, unknown>> => {
      const found: Record<string, unknown> = {}
      for (const name of Object.keys(methods))
        found[name] = await (of as unknown as Record<string, (x: number[][]) => Promise<unknown>>)[name]!(rows)
      return found
    }
    const found = await results(model)
    for (const [name, expected] of Object.entries(methods)) near(name, found[name], expected, tolerance)
    if (score !== null) near('score', await model.score(x, y), score, kind.startsWith('sv') ? 1e-3 : Math.min(tolerance, 1e-6))
    const place = path.join(folder, kind)
    await model.save(place)
    const loaded = await load(place)
    assert.equal(loaded.getParams(), model.getParams())
    assert.equal(await results(loaded), found)
  })
}
test.run()
