// RequestReader: inference requests whose JSON came before. Clients mostly send the same JSON, and other values behind
// it.
import { elementBytes } from './datatypes.js'
import type { Limits } from './limits.js'
import { type InferRequest, parseInferRequest } from './request.js'

/** Bytes of a JSON that is kept, and how many are. */
const LONGEST_JSON = 2048
const KEPT = 8

interface Known {
  readonly json: Uint8Array
  /** Of the whole body: with the same JSON its inputs then lie in the same places. */
  readonly bodyBytes: number
  /** Without its inputs' bytes, of which there are `sizes`. */
  readonly request: InferRequest
  readonly sizes: readonly number[]
}

const NONE = new Uint8Array(0)

export class RequestReader {
  private readonly known: Known[] = []
  private next = 0

  constructor(private readonly limits: Required<Limits>) {}

  /** The same as parseInferRequest. */
  read(body: Uint8Array, length: number): InferRequest {
    for (const known of this.known)
      if (known.bodyBytes === body.length && known.json.length === length && Buffer.compare(known.json, body.subarray(0, length)) === 0)
        return { ...known.request, inputs: inputsOf(known, body) }
    const request = parseInferRequest(body, length, this.limits)
    if (length <= LONGEST_JSON && isBinary(request, body.length - length))
      this.known[this.next++ % KEPT] = {
        json: new Uint8Array(body.subarray(0, length)),
        bodyBytes: body.length,
        request: { ...request, inputs: request.inputs.map((input) => ({ ...input, bytes: NONE })) },
        sizes: request.inputs.map(({ bytes }) => bytes.length),
      }
    return request
  }
}

/** Whether all values lie behind the JSON, and may be any bytes: those of BOOL and BYTES are looked at themselves. */
const isBinary = ({ inputs }: InferRequest, bytes: number): boolean =>
  inputs.reduce((sum, input) => sum + input.bytes.length, 0) === bytes &&
  inputs.every(({ datatype }) => datatype !== 'BOOL' && elementBytes(datatype) > 0)

function inputsOf({ json, request, sizes }: Known, body: Uint8Array): InferRequest['inputs'] {
  let at = json.length
  return request.inputs.map(({ name, datatype, shape }, i) => {
    const bytes = body.subarray(at, at + sizes[i]!)
    at += bytes.length
    return { name, datatype, shape, bytes }
  })
}
