// ModelStreamInfer: one answer to a request for inference, one for each token to a request for a text.
import { create } from '@bufbuild/protobuf'
import { type GenerateRequest, generateRequestOf } from '../generation.js'
import type { InferRequest } from '../protocol/request.js'
import type { InferReply } from '../protocol/response.js'
import { aligned, eachBytes, invalid, joinBytes, type WireTensor } from '../protocol/tensors.js'
import type { Service } from '../service.js'
import { type InferParameter, InferParameterSchema, type ModelInferRequest, type ModelInferResponse } from './inference_pb.js'
import { parametersOf, replyOf, requestOf } from './messages.js'
import type { Asked } from './methods.js'

/** The input that makes a request one for a text. */
export const TEXT = 'text_input'
export const IDS = 'ids'
/** An input beside it. */
export const STOP_TOKENS = 'stop_tokens'
/** Triton's name for the mark of the last answer. */
export const LAST = 'triton_final_response'
/** Parameters of answers: why a text ended; the gRPC status of what failed. */
export const FINISH = 'finish_reason'
export const STATUS = 'grpc_status'

export const int64Parameter = (value: number): InferParameter =>
  create(InferParameterSchema, { parameterChoice: { case: 'int64Param', value: BigInt(value) } })

export async function streamInfer(
  service: Service,
  message: ModelInferRequest,
  { principal, signal, trace }: Asked,
  send: (answer: ModelInferResponse) => void,
): Promise<void> {
  const served = service.target(message.modelName, message.modelVersion)
  const release = service.hold(message.rawInputContents.reduce((sum, { length }) => sum + length, 0))
  try {
    const request = requestOf(message, service.limits)
    if (!asksForText(served.generates, request))
      return send(marked(replyOf(await service.infer(served, request, signal, principal, trace)), true))
    const reply = (text: string, ids: readonly number[]): ModelInferResponse =>
      replyOf({ model: served.name, version: served.version, id: request.id, outputs: outputsOf(text, ids) })
    const generate = generateRequestFrom(request, parametersOf(message.parameters))
    const finish = await service.generate(
      served,
      generate,
      ({ text, ids }) => send(marked(reply(text, ids), false)),
      signal.signal,
      principal,
    )
    const last = marked(reply('', []), true)
    last.parameters[FINISH] = create(InferParameterSchema, { parameterChoice: { case: 'stringParam', value: finish } })
    send(last)
  } finally {
    release()
  }
}

/** Texts are what a language model is asked for on a stream, unless logits are asked for by name. */
const asksForText = (generates: boolean, { outputs }: InferRequest): boolean =>
  generates && !(outputs ?? []).some(({ name }) => name !== 'text_output' && name !== IDS)

function generateRequestFrom({ id, inputs }: InferRequest, parameters: Readonly<Record<string, unknown>>): GenerateRequest {
  const stops = inputs.filter(({ name }) => name === STOP_TOKENS)
  const [input, ...more] = inputs.filter(({ name }) => name !== STOP_TOKENS)
  if (input === undefined || more.length > 0 || stops.length > 1)
    throw invalid(`a request for a text has one input, '${TEXT}' or '${IDS}', and '${STOP_TOKENS}' beside it`)
  if (stops.some(({ datatype }) => datatype !== 'INT32')) throw invalid(`'${STOP_TOKENS}' is INT32 [n]`)
  const stop = stops.length === 0 ? undefined : integersOf(stops[0]!)
  if (input.name === TEXT && input.datatype === 'BYTES') return generateRequestOf(id, textOf(input), undefined, parameters, stop)
  if (input.name === IDS && input.datatype === 'INT32') return generateRequestOf(id, undefined, integersOf(input), parameters, stop)
  throw invalid(`a request for a text has the input '${TEXT}' (BYTES [1]) or '${IDS}' (INT32 [1, n])`)
}

/** The values of an INT32 tensor. */
export function integersOf({ bytes }: Pick<WireTensor, 'bytes'>): number[] {
  const own = aligned(bytes, 4)
  return [...new Int32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)]
}

function textOf({ bytes }: WireTensor): string {
  const texts: Uint8Array[] = []
  eachBytes(bytes, (element) => texts.push(element))
  if (texts.length !== 1) throw invalid(`'${TEXT}' is one text, got ${texts.length}`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(texts[0])
  } catch {
    throw invalid(`'${TEXT}' is not UTF-8`)
  }
}

const outputsOf = (text: string, ids: readonly number[]): InferReply['outputs'] => [
  { binary: true, tensor: { name: 'text_output', datatype: 'BYTES', shape: [1], bytes: joinBytes([new TextEncoder().encode(text)]) } },
  { binary: true, tensor: { name: IDS, datatype: 'INT32', shape: [1, ids.length], bytes: new Uint8Array(Int32Array.from(ids).buffer) } },
]

function marked(answer: ModelInferResponse, last: boolean): ModelInferResponse {
  answer.parameters[LAST] = create(InferParameterSchema, { parameterChoice: { case: 'boolParam', value: last } })
  return answer
}
