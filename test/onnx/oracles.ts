// What exported ONNX files are checked with: ONNX's own checker (Debian's python3-onnx), and onnxruntime-node, which
// is installed with the peers in bench/.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import * as assert from 'uvu/assert'
import { importOnnx, jit, type Tensor } from '../../lib/index.js'
import { walk } from '../../lib/core/tree.js'
import type { AnyModel } from '../../lib/model/model.js'
import { parseModel } from '../../lib/onnx/model_file.js'
import type { ModelProto } from '../../lib/onnx/proto/onnx_pb.js'
import { SYSTEM_PYTHON } from '../skip.js'

/** Whether Debian's package python3-onnx is installed. */
export const hasChecker: boolean = existsSync('/usr/lib/python3/dist-packages/onnx/__init__.py')
export const CHECKER = 'python3-onnx'

const root = path.join(import.meta.dirname, '..', '..', '..')

interface Session {
  readonly outputNames: readonly string[]
  run(feeds: Record<string, unknown>): Promise<Record<string, { data: ArrayLike<number | bigint>; dims: readonly number[]; type: string }>>
}
interface Runtime {
  readonly InferenceSession: { create(file: string, options: object): Promise<Session> }
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => unknown
}

function findRuntime(): Runtime | undefined {
  for (const folder of [path.join(root, 'bench'), root, process.env['WEFT_PEERS'] ?? root]) {
    try {
      return createRequire(path.join(folder, 'package.json'))('onnxruntime-node') as Runtime
    } catch {
      // it may be in the next place
    }
  }
  return undefined
}

const runtime = findRuntime()
export const hasRuntime: boolean = runtime !== undefined
export const RUNTIME = 'onnxruntime-node (cd bench && npm install)'

/** A folder that is removed when the process ends. */
export function scratch(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-onnx-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const SCRIPT = `
import sys, onnx
newest = onnx.defs.onnx_opset_version()
checked = 0
for file in sys.argv[1:]:
    model = onnx.load(file, load_external_data=False)
    if model.opset_import[0].version > newest: continue
    try:
        onnx.checker.check_model(file, full_check=False)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:
        print(file, str(error)[:400]); continue
    checked += 1
print(checked)
`

/** Runs onnx.checker and strict shape inference on the files; returns how many it knew the operators of. */
export function checkFiles(files: readonly string[]): number {
  const { stdout, stderr, status } = spawnSync(SYSTEM_PYTHON, ['-c', SCRIPT, ...files], { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  const lines = stdout.trim().split('\n')
  assert.is(lines.length, 1, stdout)
  return Number(lines[0])
}

export const readModel = (file: string): ModelProto => parseModel(readFileSync(file), file)
/** The operators of a file, in order. */
export const operatorsOf = (file: string): string[] => readModel(file).graph!.node.map(({ opType }) => opType)
export const countOf = (file: string, op: string): number => operatorsOf(file).filter((name) => name === op).length

/** The number that the bits of a float16 are. */
function half(bits: number): number {
  const [sign, exponent, rest] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 0) return sign * rest * 2 ** -24
  return sign * (1 + rest / 1024) * 2 ** (exponent - 15)
}

/** Data by the names of the inputs. */
export type Feed = Readonly<Record<string, Tensor>>

/** Asserts that what importOnnx makes of the file computes as the model does. Other arguments as for `agree`. */
export async function readsBack(
  model: AnyModel,
  file: string,
  feeds: readonly Feed[],
  form: (feed: Feed) => unknown = (feed) => Object.values(feed)[0]!,
  tolerance: number = 1e-5,
): Promise<void> {
  const again = await importOnnx(file)
  for (const feed of feeds) {
    const list = Object.values(feed)
    const found = leavesOf(again.apply((list.length === 1 ? list[0] : feed) as Tensor, { training: false }))
    const expected = leavesOf(model.apply(form(feed), { training: false }))
    assert.is(found.length, expected.length)
    for (const [i, t] of expected.entries()) {
      assert.equal([...found[i]!.shape], [...t.shape], `shape of output ${i}`)
      compare(await found[i]!.data(), await t.data(), tolerance, `output ${i} for ${JSON.stringify(shapesOf(feed))}`)
    }
  }
  again.dispose()
}

const leavesOf = (tree: unknown): Tensor[] => {
  const list: Tensor[] = []
  walk(tree, (t) => list.push(t))
  return list
}

function compare(found: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>, tolerance: number, what: string): void {
  assert.is(found.length, expected.length, what)
  Array.from(expected, Number).forEach((value, j) => {
    const error = Math.abs(Number(found[j]) - value) / Math.max(1, Math.abs(value))
    assert.ok(error <= tolerance, `${what}, value ${j}: ${found[j]}, expected ${value}`)
  })
}

/** What onnxruntime makes of an input X [rows, columns]: texts, integers and numbers by the names of the outputs. */
export async function runFile(
  file: string,
  x: readonly (readonly number[])[],
): Promise<Record<string, { data: ArrayLike<unknown>; dims: readonly number[] }>> {
  const { InferenceSession, Tensor: OrtTensor } = runtime!
  const session = await InferenceSession.create(file, { logSeverityLevel: 3, intraOpNumThreads: 1 })
  return session.run({ X: new OrtTensor('float32', Float32Array.from(x.flat()), [x.length, x[0]!.length]) })
}

/**
 * Runs the file on each feed, and asserts that its outputs are those of the model within `tolerance`, relative to the
 * larger of 1 and the value.
 * @param form the feed as the model takes it
 */
export async function agree(
  model: AnyModel,
  file: string,
  feeds: readonly Feed[],
  form: (feed: Feed) => unknown = (feed) => Object.values(feed)[0]!,
  tolerance: number = 1e-5,
): Promise<void> {
  const { InferenceSession, Tensor: OrtTensor } = runtime!
  const session = await InferenceSession.create(file, { logSeverityLevel: 3, intraOpNumThreads: 1 })
  const run = jit((x: unknown) => model.apply(x, { training: false }) as unknown)
  for (const feed of feeds) {
    const given: Record<string, unknown> = {}
    for (const [name, t] of Object.entries(feed)) {
      const values = await t.data()
      given[name] = new OrtTensor(t.dtype, t.dtype === 'bool' ? Uint8Array.from(values as Uint8Array) : values, t.shape)
    }
    const found = await session.run(given)
    const expected = leavesOf(run(form(feed)))
    assert.is(session.outputNames.length, expected.length)
    for (const [i, name] of session.outputNames.entries()) {
      const { data, dims, type } = found[name]!
      assert.equal([...dims], [...expected[i]!.shape], `shape of ${name}`)
      const numbers = type === 'float16' ? Array.from(data as ArrayLike<number>, half) : data
      compare(numbers, await expected[i]!.data(), tolerance, `${name} for ${JSON.stringify(shapesOf(feed))}`)
    }
  }
  run.dispose()
}

const shapesOf = (feed: Feed): object => Object.fromEntries(Object.entries(feed).map(([name, t]) => [name, t.shape]))
