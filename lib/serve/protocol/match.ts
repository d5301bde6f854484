// Match: the tensors of a request against those of a model.
import { elementBytes } from './datatypes.js'
import type { InferRequest, RequestedOutput } from './request.js'
import { checkBytes, invalid, named, type Signature, type TensorSpec, type WireTensor } from './tensors.js'

/** The inputs in the order of the model's; they agree in the number of rows. */
export function matchInputs({ inputs: specs }: Signature, given: readonly WireTensor[]): readonly WireTensor[] {
  if (specs.length === 1 && given.length === 1 && given[0]!.name === specs[0]!.name) {
    checkSpec(specs[0]!, given[0]!)
    return given
  }
  const byName = new Map<string, WireTensor>()
  const known = (): string => `The model takes ${specs.map(({ name }) => name).join(', ')}`
  for (const input of given) {
    if (byName.has(input.name)) throw invalid(`${named('input', input.name)} is given twice`)
    if (!specs.some(({ name }) => name === input.name)) throw invalid(`${named('input', input.name)} is unknown`, known())
    byName.set(input.name, input)
  }
  const inputs = specs.map((spec) => {
    const input = byName.get(spec.name)
    if (input === undefined) throw invalid(`${named('input', spec.name)} is missing`, known())
    checkSpec(spec, input)
    return input
  })
  const [first] = inputs
  for (const { name, shape } of inputs)
    if (shape[0] !== first!.shape[0])
      throw invalid(`${named('input', first!.name)} has ${first!.shape[0]} rows, ${named('input', name)} has ${shape[0]}`)
  return inputs
}

function checkSpec({ name, datatype, shape }: TensorSpec, input: WireTensor): void {
  if (input.datatype !== datatype) throw invalid(`${named('input', name)} is ${datatype}, got ${input.datatype}`)
  if (input.shape.length !== shape.length || shape.some((extent, axis) => extent >= 0 && extent !== input.shape[axis]))
    throw invalid(`${named('input', name)} has shape [${shape}], got [${input.shape}]`)
}

/** The outputs that a request asks for, as places among those of the model. */
export function matchOutputs(
  { outputs: specs }: Signature,
  asked: readonly RequestedOutput[] | undefined,
): { index: number; binary: boolean | undefined }[] {
  if (asked === undefined) return specs.map((_, index) => ({ index, binary: undefined }))
  const seen = new Set<string>()
  return asked.map(({ name, binary }) => {
    if (seen.has(name)) throw invalid(`${named('output', name)} is asked for twice`)
    seen.add(name)
    const index = specs.findIndex((spec) => spec.name === name)
    if (index < 0) throw invalid(`${named('output', name)} is unknown`, `The model gives ${specs.map((spec) => spec.name).join(', ')}`)
    return { index, binary }
  })
}

/** A body that is the values of the only input alone, of one row; the outputs are binary. */
export function rawRequest({ inputs }: Signature, body: Uint8Array): InferRequest {
  const [spec] = inputs
  if (inputs.length !== 1 || spec === undefined) throw invalid(`a raw body is for models of one input, this one has ${inputs.length}`)
  const sample = spec.shape.slice(1)
  const free = sample.filter((extent) => extent < 0).length
  if (free > 1) throw invalid(`a raw body is for inputs of at most one free extent, ${named('input', spec.name)} has ${free}`)
  const what = named('input', spec.name)
  const stride = sample.reduce((size, extent) => size * Math.abs(extent), 1) * elementBytes(spec.datatype)
  const rest = free === 0 || stride === 0 ? 1 : body.length / stride
  if (!Number.isInteger(rest)) throw invalid(`${what}: ${body.length} bytes are no whole number of ${spec.datatype} [${spec.shape}]`)
  const shape = [1, ...sample.map((extent) => (extent < 0 ? rest : extent))]
  checkBytes(what, spec.datatype, shape, body)
  const input = { name: spec.name, datatype: spec.datatype, shape, bytes: body }
  return { id: undefined, priority: 0, timeoutMs: undefined, inputs: [input], outputs: undefined, binaryOutputs: true }
}
