// Boosted trees and forests score on unseen rows what scikit-learn's score (recorded by trees_sklearn.py).
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { table } from './tables.js'

interface Case {
  data: string
  kind: string
  options: object
  score: number
  /** Of forests: the largest less the smallest score of ten seeds. */
  spread?: number
}
const file = path.join(import.meta.dirname, '..', '..', '..', 'test', 'learn', 'trees_sklearn.json')
const { cases } = JSON.parse(await readFile(file, 'utf8')) as { cases: Case[] }
assert.is(cases.length, 15)

for (const { data, kind, options, score, spread = 0 } of cases) {
  test(`${kind} ${JSON.stringify(options)} on unseen rows of ${data}`, async () => {
    const { x, y } = table(data === 'diabetes' ? 'diabetes-raw' : data)
    const make = (learn as unknown as Record<string, (options: object) => learn.Estimator>)[kind]!
    const unseen = (_: unknown, row: number): boolean => row % 4 === 1
    const seen = (_: unknown, row: number): boolean => row % 4 !== 1
    const model = await make(options).fit(x.filter(seen), y.filter(seen))
    const found = await model.score(x.filter(unseen), y.filter(unseen))
    assert.ok(Math.abs(found - score) <= 0.01 + spread, `${found}, scikit-learn ${score}`)
  })
}
test.run()
