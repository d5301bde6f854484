// What the programs of examples/tfjs are given: data sets as arrays, and a CSV file.
import { mkdtempSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { datasets } from '../../lib/index.js'

export const PROGRAMS = ['curve', 'iris', 'digits', 'regression', 'addition'] as const

interface Plain {
  x: number[]
  y: number[]
}
export interface Given {
  iris: Plain
  digits: Plain
  csvUrl: string
  label: string
}

const COLUMNS = ['age', 'sex', 'bmi', 'pressure', 's1', 's2', 's3', 's4', 's5', 's6']

/** The data; the file is in a folder of its own. */
export async function given(): Promise<Given> {
  const plain = async ({ x, y }: Awaited<ReturnType<typeof datasets.iris>>): Promise<Plain> => ({
    x: Array.from((await x.data()) as Float32Array),
    y: Array.from((await y.data()) as Int32Array),
  })
  const [iris, digits, diabetes] = [await datasets.iris(), await datasets.digits(), await datasets.diabetes()]
  const rows = (await diabetes.x.array()) as number[][]
  const targets = await diabetes.y.data()
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'weft-tfjs-')), 'diabetes.csv')
  const lines = [[...COLUMNS, 'progression'], ...rows.map((row, i) => [...row, targets[i]!])]
  writeFileSync(file, `${lines.map((line) => line.join(',')).join('\n')}\n`)
  return { iris: await plain(iris), digits: await plain(digits), csvUrl: pathToFileURL(file).href, label: 'progression' }
}
