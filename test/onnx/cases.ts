// The cases of ONNX's own test suite (Debian's package libonnx-testdata): a model, with the data that go in and must
// come out.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fromBinary } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { device, jit } from '../../lib/index.js'
import { ElementType } from '../../lib/onnx/element_types.js'
import { type CheckedModel, checkModel } from '../../lib/onnx/import/checked_model.js'
import { tensorOf } from '../../lib/onnx/import/constants.js'
import { finish, finishLater } from '../../lib/onnx/import/execute.js'
import { OnnxGraph } from '../../lib/onnx/import/graph_layer.js'
import { NotKnown } from '../../lib/onnx/import/operator.js'
import { type Entry, Sequence, Value } from '../../lib/onnx/import/values.js'
import { readModelFile } from '../../lib/onnx/model_file.js'
import { type TensorProto, TensorProtoSchema, type TypeProto } from '../../lib/onnx/proto/onnx_pb.js'
import { storedTensor } from '../../lib/onnx/stored_tensor.js'

const ROOT = '/usr/share/libonnx-testdata/data'
export const hasOnnxTestData: boolean = existsSync(`${ROOT}/node`)

export const casesIn = (folder: string): string[] => readdirSync(`${ROOT}/${folder}`).sort()

/** Data of a case. Some files hold bfloat16 as the integers of its bits. */
function valueOf(tensor: TensorProto, declared: number): Value {
  if (declared === ElementType.BFLOAT16 && tensor.dataType === ElementType.UINT16) tensor.dataType = ElementType.BFLOAT16
  return new Value(tensorOf(storedTensor(tensor, 'data')), { type: tensor.dataType })
}

/** The fields of a message that hold messages, by number. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new BinaryReader(bytes)
  const found = new Map<number, Uint8Array[]>()
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (type === 2) found.set(field, [...(found.get(field) ?? []), reader.bytes()])
    else reader.skip(type)
  }
  return found
}

/** A file of data: a TensorProto, a SequenceProto or an OptionalProto, by its declared type. */
function entryOf(bytes: Uint8Array, type: TypeProto | undefined): Entry {
  const kind = type?.value
  if (kind?.case === 'sequenceType') {
    const inner = kind.value.elemType
    return new Sequence((fieldsOf(bytes).get(3) ?? []).map((part) => entryOf(part, inner) as Value))
  }
  if (kind?.case === 'optionalType') {
    const inner = kind.value.elemType
    const [part] = fieldsOf(bytes).get(inner?.value.case === 'sequenceType' ? 5 : 3) ?? []
    return part && entryOf(part, inner)
  }
  return valueOf(fromBinary(TensorProtoSchema, bytes), kind?.case === 'tensorType' ? kind.value.elemType : 0)
}

/** The first difference between what came out and what must; undefined where there is none. */
function difference(got: Entry, want: Entry, where: string): string | undefined {
  if (want instanceof Sequence) {
    if (!(got instanceof Sequence) || got.items.length !== want.items.length) return `${where} is not a sequence of ${want.items.length}`
    return want.items.map((item, i) => difference(got.items[i], item, `${where}[${i}]`)).find((found) => found !== undefined)
  }
  if (want === undefined) return got === undefined ? undefined : `${where} is there`
  if (!(got instanceof Value)) return `${where} is missing`
  if (got.shape.join() !== want.shape.join()) return `${where} has the shape [${got.shape}], not [${want.shape}]`
  const [a, b] = [got.numbers!, want.numbers!]
  // what the suite itself allows, and as much as 16 bits hold; whole numbers are equal
  const isExact = ![ElementType.FLOAT, ElementType.DOUBLE, ElementType.FLOAT16, ElementType.BFLOAT16].includes(want.type)
  const relative = isExact ? 0 : want.dtype === 'bfloat16' ? 1e-2 : 1e-3
  const at = b.findIndex(
    (value, i) =>
      !(Object.is(value, a[i]) || value === a[i] || Math.abs(value - a[i]!) <= (isExact ? 0 : 1e-6) + relative * Math.abs(value)),
  )
  return at < 0 ? undefined : `${where} has ${a[at]} at ${at}, not ${b[at]}`
}

export interface Case {
  readonly name: string
  readonly checked: CheckedModel
  /** Runs all its data. Returns the first difference; `eager`: whether it ran node by node. */
  readonly run: () => Promise<{ difference: string | undefined; eager: boolean }>
}

/** A case. Throws the error of a model that cannot be computed. */
export async function caseOf(folder: string, name: string): Promise<Case> {
  const path = `${ROOT}/${folder}/${name}`
  const { model } = await readModelFile(`${path}/model.onnx`)
  const { input, output } = model.graph!
  const types = { input: input.map(({ type }) => type), output: output.map(({ type }) => type) }
  const checked = checkModel(model, name)
  const read = (set: string, kind: 'input' | 'output'): Entry[] =>
    types[kind].flatMap((type, i) => (existsSync(`${set}/${kind}_${i}.pb`) ? [entryOf(readFileSync(`${set}/${kind}_${i}.pb`), type)] : []))
  const run = async (): Promise<{ difference: string | undefined; eager: boolean }> => {
    const layer = new OnnxGraph(checked, ({ tensor, name: weight }) => storedTensor(tensor, weight))
    layer.build([null])
    let eager = false
    for (const set of readdirSync(path).filter((entry) => entry.startsWith('test_data_set'))) {
      const wanted = read(`${path}/${set}`, 'output')
      const results = await computed(layer, read(`${path}/${set}`, 'input'))
      eager ||= results.eager
      const found = wanted.map((want, i) => difference(results.entries[i], want, `output ${i}`)).find((text) => text !== undefined)
      if (found !== undefined) return { difference: found, eager }
    }
    layer.dispose()
    return { difference: undefined, eager }
  }
  return { name, checked, run }
}

/** Results of a graph: as a compiled program where it can be one, else node by node. */
async function computed(layer: OnnxGraph, inputs: Entry[]): Promise<{ entries: Entry[]; eager: boolean }> {
  const values = inputs.filter((entry): entry is Value => entry instanceof Value)
  if (values.length === inputs.length) {
    try {
      using run = jit((...tensors: ReturnType<typeof tensorOf>[]) =>
        finish(
          layer.run(
            tensors.map((t, i) => new Value(t, { type: values[i]!.type })),
            false,
          ),
        ).map((entry) => {
          if (entry instanceof Value) return entry.plain
          throw new NotKnown('a result is a sequence')
        }),
      )
      const entries = run(...values.map(({ stored }) => stored)).map((t) => new Value(t))
      return { entries, eager: false }
    } catch (error) {
      if (!(error instanceof NotKnown)) throw error
    }
  }
  return { entries: await finishLater(layer.run(inputs, false), device()), eager: true }
}
