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

export function encodeReply({ model, version, id, outputs }: InferReply): EncodedReply {
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
