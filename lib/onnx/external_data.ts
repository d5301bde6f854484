// External data: values that an ONNX model keeps in files beside it. Only regular files inside the model's folder are
// opened, links followed.
import { realpath } from 'node:fs/promises'
import path from 'node:path'
import { systemError } from '../core/system_error.js'
import { RegularFile } from '../io/regular_file.js'
import { type GraphProto, type ModelProto, type NodeProto, TensorProto_DataLocation, type TensorProto } from './proto/onnx_pb.js'
import { wrongFile } from './stored_tensor.js'

/** All tensors of a model: initializers and attributes, those of graphs and functions inside too. */
export function tensorsOf(model: ModelProto): TensorProto[] {
  const found: TensorProto[] = []
  const ofNodes = (nodes: readonly NodeProto[]): void => {
    for (const { attribute } of nodes)
      for (const { t, tensors, sparseTensor, g, graphs } of attribute) {
        for (const tensor of [t, ...tensors, sparseTensor?.values, sparseTensor?.indices]) if (tensor) found.push(tensor)
        for (const graph of [g, ...graphs]) if (graph) ofGraph(graph)
      }
  }
  const ofGraph = (graph: GraphProto): void => {
    found.push(...graph.initializer)
    for (const { values, indices } of graph.sparseInitializer) for (const tensor of [values, indices]) if (tensor) found.push(tensor)
    ofNodes(graph.node)
  }
  if (model.graph) ofGraph(model.graph)
  for (const { node } of model.functions) ofNodes(node)
  return found
}

/** Where the values of a tensor lie. */
interface Place {
  readonly location: string
  readonly offset: number
  readonly length: number | undefined
}

function placeOf(tensor: TensorProto, what: string): Place {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]))
  const location = entries.get('location')
  if (!location) throw wrongFile(what, 'its data are in another file that it does not name')
  const parts = location.split(/[/\\]/)
  if (path.isAbsolute(location) || path.win32.isAbsolute(location) || parts.includes('..') || location.includes('\0'))
    throw wrongFile(what, `its data are in '${location}', outside the model's folder`, 'Only files beside the model are read')
  const count = (key: string): number | undefined => {
    const text = entries.get(key)
    if (text === undefined || text === '') return undefined
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw wrongFile(what, `'${text}' is no ${key} of external data`)
    return value
  }
  return { location, offset: count('offset') ?? 0, length: count('length') }
}

/**
 * Reads all external data of a model. Returns the bytes of each tensor that has some.
 * ERR_FORMAT for files outside the folder, missing files and ranges that reach beyond their end.
 * @param bytesOf the bytes that the tensor's shape takes
 */
export async function readExternalData(
  model: ModelProto,
  folder: string,
  what: string,
  bytesOf: (tensor: TensorProto, what: string) => number,
): Promise<Map<TensorProto, Uint8Array>> {
  const found = new Map<TensorProto, Uint8Array>()
  const files = new Map<string, RegularFile>()
  const root = await realpath(folder)
  try {
    for (const tensor of tensorsOf(model)) {
      if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue
      const named = `${what}: tensor '${tensor.name}'`
      const { location, offset, length } = placeOf(tensor, named)
      const file = files.get(location) ?? (await openInside(root, location, named))
      files.set(location, file)
      const wanted = bytesOf(tensor, named)
      if (length !== undefined && length !== wanted) throw wrongFile(named, `${length} bytes for a shape that takes ${wanted}`)
      if (offset + wanted > file.size)
        throw wrongFile(named, `its bytes ${offset} to ${offset + wanted} are beyond the end of '${location}', which has ${file.size}`)
      const bytes = new Uint8Array(wanted)
      await file.read(bytes, offset)
      found.set(tensor, bytes)
    }
  } finally {
    await Promise.all([...files.values()].map((file) => file.close()))
  }
  return found
}

async function openInside(root: string, location: string, what: string): Promise<RegularFile> {
  let real: string
  try {
    real = await realpath(path.join(root, location))
  } catch (error) {
    throw systemError(`${what}: the file of its data, '${location}', cannot be read`, error, 'ERR_FORMAT')
  }
  const relative = path.relative(root, real)
  if (relative.startsWith('..') || path.isAbsolute(relative))
    throw wrongFile(what, `its data are in '${location}', a link out of the model's folder`, 'Only files beside the model are read')
  try {
    return await RegularFile.open(real)
  } catch (error) {
    throw systemError(`${what}: the file of its data, '${location}', cannot be read`, error, 'ERR_FORMAT')
  }
}
