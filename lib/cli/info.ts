// weftjs info: what a model is made of, in any of the formats: inputs, outputs, layers, parameters, bytes, operations.
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { bytesOf, type DynamicShape, shapeText, sizeOf } from '../core/spec.js'
import type { AnyModel } from '../model/model.js'
import type { OnnxFacts } from '../onnx/index.js'
import type { Format } from '../io/formats.js'
import { parse, UsageError } from './command.js'

export const usage = 'info <model> [--json]'
export const summary = 'prints what a model is made of: inputs, outputs, layers, parameters, bytes, operations'

interface Port {
  name: string
  shape: DynamicShape
  dtype: string
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({ args, options: { json: { type: 'boolean' } }, allowPositionals: true })
  const [place] = positionals
  if (place === undefined || positionals.length > 1) throw new UsageError(`info takes the place of one model, got ${positionals.length}`)
  const { formatOf } = await import('../io/formats.js') // with the addon, which other commands do without
  const format = await formatOf(place)
  const bytes = await bytesAt(place)
  if (!format.load) return await tensorsOf(place, format, bytes, values.json ?? false)
  const library = await import('../index.js')
  if (format.name === 'onnx') {
    const facts = await library.readOnnx(place)
    if (facts.unsupported.length > 0) return foreignNodes(place, facts, values.json ?? false)
  }
  const model = await format.load(library, place)
  const { inputs, outputs } = await portsOf(model)
  const flops = await operations(model, inputs, library)
  if (values.json) {
    const weights = model.weights.map(({ name, shape, dtype }) => ({ name, shape, dtype }))
    const report = {
      name: model.name,
      format: format.name,
      inputs,
      outputs,
      layers: model.layers.map(({ name }) => name),
      parameters: model.countParams(),
      bytes,
      flops: flops ?? null,
      weights,
    }
    console.log(JSON.stringify(report, undefined, 2))
    return 0
  }
  model.summary({ print: (line: string) => console.log(line) })
  const listed = (ports: readonly Port[]): string =>
    ports.map(({ name, shape, dtype }) => `${name} ${dtype} ${shapeText(shape)}`).join(', ') || 'unknown'
  console.log(`Format: ${format.label}, ${bytes.toLocaleString('en-US')} bytes`)
  console.log(`Inputs: ${listed(inputs)}`)
  console.log(`Outputs: ${listed(outputs)}`)
  console.log(`Operations for one sample: ${flops === undefined ? 'unknown' : flops.toLocaleString('en-US')}`)
  const assets = Object.keys(model.assets)
  if (assets.length > 0) console.log(`Assets: ${assets.join(', ')}`)
  return 0
}

/** An ONNX file of which importOnnx() cannot make a model: what it says of itself, and what is missing here. */
function foreignNodes(place: string, facts: OnnxFacts, json: boolean): number {
  if (json) {
    console.log(JSON.stringify({ format: 'onnx', ...facts }, undefined, 2))
    return 0
  }
  const counts = new Map<string, number>()
  for (const { op } of facts.nodes) counts.set(op, (counts.get(op) ?? 0) + 1)
  const ports = (list: OnnxFacts['inputs']): string =>
    list.map(({ name, type, shape }) => `${name} ${type} [${(shape ?? ['?']).join(', ')}]`).join(', ')
  console.log(`${place}: ${facts.nodes.length} nodes: ${[...counts].map(([op, count]) => `${count} ${op}`).join(', ')}`)
  console.log(`Format: ONNX file, ${facts.bytes.toLocaleString('en-US')} bytes, ${facts.parameters.toLocaleString('en-US')} parameters`)
  console.log(`Inputs: ${ports(facts.inputs)}`)
  console.log(`Outputs: ${ports(facts.outputs)}`)
  console.log(`It cannot be imported: ${facts.unsupported.join('; ')}`)
  return 0
}

/** Inputs and outputs by name. */
async function portsOf(model: AnyModel): Promise<{ inputs: Port[]; outputs: Port[] }> {
  const { isRecord } = await import('../core/tree.js')
  const given = model as unknown as { inputs?: unknown; outputs?: unknown; inputNames?: readonly string[] }
  const ports = (tree: unknown, names: readonly string[]): Port[] =>
    (isRecord(tree) ? Object.values(tree) : [tree].flat()).map((t, i) => {
      const { dynamicShape, shape, dtype } = t as { dynamicShape?: DynamicShape; shape: DynamicShape; dtype: string }
      return { name: names[i] ?? `${i}`, shape: dynamicShape ?? shape, dtype }
    })
  try {
    return { inputs: ports(given.inputs, given.inputNames ?? ['input']), outputs: ports(given.outputs, model.outputNames) }
  } catch {
    // a model of a kind that is not wired
    return { inputs: [], outputs: [] }
  }
}

/**
 * Floating-point operations of the kernels for one sample of zeros, in which an extent that varies is 1; undefined
 * where the model cannot be run on it.
 */
async function operations(model: AnyModel, inputs: readonly Port[], library: typeof import('../index.js')): Promise<number | undefined> {
  if (inputs.length === 0) return undefined
  const shapes = inputs.map(({ shape }) => shape.map((extent) => extent ?? 1))
  if (shapes.reduce((sum, shape) => sum + sizeOf(shape), 0) > MOST_INPUTS) return undefined
  try {
    const values = shapes.map((shape, i) => library.zeros(shape, { dtype: inputs[i]!.dtype as never }))
    const { kernels } = await library.profile(async () => {
      const result = model.apply(values.length === 1 ? values[0]! : values, { training: false })
      await library.synchronize()
      return result as unknown
    })
    return kernels.reduce((sum, { flops }) => sum + flops, 0)
  } catch {
    return undefined
  }
}
const MOST_INPUTS = 1 << 28

/** Bytes of the files of a model. */
async function bytesAt(place: string): Promise<number> {
  const facts = await stat(place)
  if (!facts.isDirectory()) return path.basename(place) === 'model.json' ? await bytesAt(path.dirname(path.resolve(place))) : facts.size
  let sum = 0
  for (const name of await readdir(place)) {
    const inner = await stat(path.join(place, name)).catch(() => undefined)
    if (inner?.isFile()) sum += inner.size
  }
  return sum
}

/** The tensors of a file that has no structure. */
async function tensorsOf(place: string, format: Format, bytes: number, json: boolean): Promise<number> {
  const [{ RegularFile }, { SafetensorsFile }] = await Promise.all([import('../io/regular_file.js'), import('../io/safetensors.js')])
  const file = await RegularFile.open(place)
  try {
    const { tensors } = await SafetensorsFile.read(file)
    const list = [...tensors.values()].map(({ name, shape, dtype }) => ({ name, shape, dtype, bytes: sizeOf(shape) * bytesOf(dtype) }))
    const parameters = list.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
    if (json) {
      console.log(JSON.stringify({ format: format.name, parameters, bytes, weights: list }, undefined, 2))
      return 0
    }
    for (const { name, shape, dtype } of list) console.log(`${name}  ${dtype} [${shape.join(', ')}]`)
    console.log(`Format: ${format.label}, ${bytes.toLocaleString('en-US')} bytes`)
    console.log(`${list.length} tensors, ${parameters.toLocaleString('en-US')} values`)
    return 0
  } finally {
    await file.close()
  }
}
