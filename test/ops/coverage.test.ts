// Coverage: the table of operations has a kernel for each, no kernel is without its operation, and rows test every
// operation's value, gradient, zero sizes and broadcasting. WEFT_PRINT_TABLES=1 prints the table.
import { readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { device, setDevice } from '../../lib/core/device.js'
import { grad, jit, type Tensor } from '../../lib/index.js'
import { ops } from '../../lib/core/op.js'
import { isFloat } from '../../lib/core/spec.js'
import { derivativesOf, gradientRun, operandsOf, type Row, scalarRun } from '../check.js'

/** Whose kernels are looked at; the rows themselves are on the CPU. */
const backend = device() === 'cpu' ? 'cpu' : 'cuda'
setDevice('cpu')

const withoutRows = [
  'conv_pool',
  'coverage',
  'documented',
  'families',
  'errors',
  'optimizers_joined',
  'products',
  'products_bfloat16',
  'recurrent_joined',
  'wide',
].map((name) => `${name}.test.js`)
const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.test.js') && !withoutRows.includes(file))
const rows: Row[] = []
for (const file of files) rows.push(...((await import(`./${file}`)) as { rows: readonly Row[] }).rows)

interface Covered {
  value: boolean
  gradient: boolean
  zero: boolean
  broadcast: boolean
}
const covered = new Map<string, Covered>(
  [...ops.keys()].map((name) => [name, { value: false, gradient: false, zero: false, broadcast: false }]),
)

/** The ops that a function's graph calls, as it is run. */
const called = (graph: string): string[] => [...graph.matchAll(/ = (\w+)\(/g)].map(([, name]) => name!)

const mark = (names: readonly string[], what: keyof Covered): void => {
  for (const name of names) if (covered.has(name)) covered.get(name)![what] = true
}

async function hasEmptyResult(row: Row): Promise<boolean> {
  const result = row.reference(...(await operandsOf(row, row.dtypes?.[0] ?? 'float64')).exact)
  return (Array.isArray(result) ? result : [result]).some(({ shape }) => shape.includes(0))
}

// a row's own op is compared with the reference; what its gradient calls is compared with finite differences of it, and
// so on
for (const row of rows) {
  mark([row.op], 'value')
  const empty = row.operands.some(({ shape }) => shape.includes(0)) || (!covered.get(row.op)!.zero && (await hasEmptyResult(row)))
  const shapes = row.operands.filter((operand) => operand.dtype === undefined || operand.dtype === 'bool').map(({ shape }) => String(shape))
  if (empty) mark([row.op], 'zero')
  if (new Set(shapes).size > 1) mark([row.op], 'broadcast')
  const order = derivativesOf(row)
  if (order === 0) continue
  const { tensors } = await operandsOf(row, 'float64')
  const value = scalarRun(row)
  const wrt = row.operands.flatMap((operand, i) => (operand.dtype === undefined || isFloat(operand.dtype) ? [i] : []))
  const first = jit(gradientRun(row)).graph(...tensors)
  mark(called(jit(value).graph(...tensors)), 'gradient')
  mark(called(first), 'value')
  if (empty) mark(called(first), 'zero')
  if (order === 2) {
    mark(called(first), 'gradient')
    const second = jit((...inputs: Tensor[]) => grad(gradientRun(row), { wrt })(...inputs)).graph(...tensors)
    mark(called(second), 'value')
  }
}

function gradientOf(name: string): boolean {
  const op = ops.get(name)!
  return op.grad !== undefined || op.compose !== undefined
}
const ARITHMETIC = ['add', 'sub', 'mul', 'div', 'pow', 'minimum', 'maximum', 'squaredDifference', 'mod', 'floorDiv', 'atan2']
const COMPARISON = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual', 'logicalAnd', 'logicalOr', 'logicalXor']
const BROADCASTING = new Set([...ARITHMETIC, ...COMPARISON, 'where', 'matMul'])

test(`every operation has a ${backend} kernel, every kernel an operation`, () => {
  const kernels = new Set(native.kernels(backend))
  assert.equal(
    [...ops.values()]
      .filter((op) => !kernels.has(op.name) && op.alias === undefined && (backend === 'cpu' || !op.cpuOnly))
      .map((op) => op.name),
    [],
    'operations without a kernel',
  )
  assert.equal(
    [...kernels].filter((name) => !ops.has(name)),
    [],
    'kernels without an operation',
  )
})

for (const what of ['value', 'gradient', 'zero', 'broadcast'] as const) {
  test(`rows test each operation: ${what}`, () => {
    const blank = [...covered].filter(([name, cell]) => {
      if (what === 'gradient' && !gradientOf(name)) return false
      if (what === 'broadcast' && !BROADCASTING.has(name)) return false
      return !cell[what]
    })
    assert.equal(
      blank.map(([name]) => name),
      [],
    )
  })
}

test('an operation without a gradient says so by design', () => {
  const without = [...ops.values()].filter((op) => !gradientOf(op.name)).map((op) => op.name)
  const optimizers = [...ops.values()].filter((op) => op.updates).map((op) => op.name)
  const drawn = ['randomUniform', 'randomNormal', 'truncatedNormal', 'randomInteger', 'bernoulli', 'fill', 'arange', 'eye', 'oneHot']
  const discrete = [...COMPARISON, 'logicalNot', 'isNaN', 'isFinite', 'any', 'all', 'argMax', 'argMin']
  const quantized = ['quantize', 'dequantize', 'int8Dense', 'int8Conv2d', 'groupedDense']
  assert.equal(without.sort(), [...optimizers, ...drawn, ...discrete, ...quantized, 'orthonormalRows'].sort())
})

if (process.env['WEFT_PRINT_TABLES'] === '1') {
  console.log(`${'operation'.padEnd(32)}${'value'.padEnd(8)}${'gradient'.padEnd(14)}${'zero size'.padEnd(12)}broadcast`)
  for (const [name, cell] of [...covered].sort()) {
    const gradient = gradientOf(name) ? (cell.gradient ? 'yes' : '') : 'none'
    const broadcast = BROADCASTING.has(name) ? (cell.broadcast ? 'yes' : '') : 'none'
    console.log(
      `${name.padEnd(32)}${(cell.value ? 'yes' : '').padEnd(8)}${gradient.padEnd(14)}${(cell.zero ? 'yes' : '').padEnd(12)}${broadcast}`,
    )
  }
}

test.run()
