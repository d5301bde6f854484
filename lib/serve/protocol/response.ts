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
  readonly body: Uint8Array
  /** Length of the JSON, where binary data follow it. */
  readonly headerLength: number | undefined
}

export function encodeReply({ model, version, id, outputs }: InferReply): EncodedReply {
  const tensors = outputs.map(({ tensor, binary }) => {
    const { name, datatype, shape, bytes } = tensor
    const values = binary
      ? `"parameters":{"binary_data_size":${bytes.length}}`
      : `"data":${jsonOfBytes(named('output', name), datatype, bytes)}`
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}],${values}}`
  })
  const echo = id === undefined ? '' : `"id":${JSON.stringify(id)},`
  const json = `{${echo}"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)},"outputs":[${tensors}]}`
  const parts = outputs.filter(({ binary }) => binary).map(({ tensor }) => tensor.bytes)
  if (parts.length === 0) return { body: Buffer.from(json), headerLength: undefined }
  const headerLength = Buffer.byteLength(json)
  const body = Buffer.allocUnsafe(parts.reduce((size, { length }) => size + length, headerLength))
  let at = body.write(json)
  for (const part of parts) {
    body.set(part, at)
    at += part.length
  }
  return { body, headerLength }
}
