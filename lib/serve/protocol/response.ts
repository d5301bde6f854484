// Inference replies: JSON, with the values of some outputs in JSON and those of others as binary data after it.
import { jsonOfBytes } from './json_values.js'
import { named, type WireTensor } from './tensors.js'

export interface InferReply {
  readonly model: string
  readonly version: string
  readonly id: string | undefined
  readonly outputs: readonly { readonly tensor: WireTensor; readonly binary: boolean }[]
}

export interface EncodedReply {
  readonly json: string
  /** Binary data behind it; none: all values are in the JSON. */
  readonly parts: readonly Uint8Array[]
}

/** What replies said before. Those of one model mostly say the same, and other values follow. */
interface Known {
  readonly model: string
  readonly version: string
  readonly outputs: readonly Pick<WireTensor, 'name' | 'datatype' | 'shape'>[]
  readonly sizes: readonly number[]
  readonly json: string
}
const KEPT = 8
const known: Known[] = []
let next = 0

/** Whether the reply says it, with all values behind it. */
function isSaidBy({ model, version, outputs, sizes }: Known, reply: InferReply): boolean {
  if (reply.model !== model || reply.version !== version || reply.outputs.length !== outputs.length) return false
  return reply.outputs.every(({ tensor, binary }, i) => {
    const { name, datatype, shape } = outputs[i]!
    return (
      binary &&
      tensor.bytes.length === sizes[i] &&
      tensor.name === name &&
      tensor.datatype === datatype &&
      tensor.shape.length === shape.length &&
      tensor.shape.every((extent, axis) => extent === shape[axis])
    )
  })
}

export function encodeReply(reply: InferReply): EncodedReply {
  const isKept = reply.id === undefined && reply.outputs.every(({ binary }) => binary)
  if (!isKept) return encode(reply)
  const found = known.find((one) => isSaidBy(one, reply))
  if (found !== undefined) return { json: found.json, parts: reply.outputs.map(({ tensor }) => tensor.bytes) }
  const { model, version } = reply
  const encoded = encode(reply)
  known[next++ % KEPT] = {
    model,
    version,
    outputs: reply.outputs.map(({ tensor: { name, datatype, shape } }) => ({ name, datatype, shape })),
    sizes: encoded.parts.map((part) => part.length),
    json: encoded.json,
  }
  return encoded
}

function encode({ model, version, id, outputs }: InferReply): EncodedReply {
  const parts: Uint8Array[] = []
  const tensors = outputs.map(({ tensor, binary }) => {
    const { name, datatype, shape, bytes } = tensor
    if (binary) parts.push(bytes)
    const values = binary
      ? `"parameters":{"binary_data_size":${bytes.length}}`
      : `"data":${jsonOfBytes(named('output', name), datatype, bytes)}`
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}],${values}}`
  })
  const echo = id === undefined ? '' : `"id":${JSON.stringify(id)},`
  const json = `{${echo}"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)},"outputs":[${tensors}]}`
  return { json, parts }
}

/** All of it in one piece. */
export function joined({ json, parts }: EncodedReply): Buffer {
  return parts.length === 0 ? Buffer.from(json) : Buffer.concat([Buffer.from(json), ...parts])
}
