// ModelStreamInfer: one answer to a request for inference, one for each token to a request for a text.
import { create } from '@bufbuild/protobuf'
import { type GenerateRequest, generateRequestOf } from '../generation.js'
import type { InferRequest } from '../protocol/request.js'
import type { InferReply } from '../protocol/response.js'
import { aligned, eachBytes, invalid, joinBytes, type WireTensor } from '../protocol/tensors.js'
import type { Service } from '../service.js'
import { InferParameterSchema, type ModelInferRequest, type ModelInferResponse } from './inference_pb.js'
import { parametersOf, replyOf, requestOf } from './messages.js'
import type { Asked } from './methods.js'

/** The input that makes a request one for a text. */
const TEXT = 'text_input'
const IDS = 'ids'
/** Triton's name for the mark of the last answer. */
const LAST = 'triton_final_response'

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
    await service.generate(served, generate, ({ text, ids }) => send(marked(reply(text, ids), false)), signal, principal)
    send(marked(reply('', []), true))
  } finally {
    release()
  }
}

/** Texts are what a language model is asked for on a stream, unless logits are asked for by name. */
const asksForText = (generates: boolean, { outputs }: InferRequest): boolean =>
  generates && !(outputs ?? []).some(({ name }) => name !== 'text_output' && name !== IDS)

function generateRequestFrom({ id, inputs }: InferRequest, parameters: Readonly<Record<string, unknown>>): GenerateRequest {
  const [input] = inputs
  if (inputs.length !== 1 || input === undefined) throw invalid(`a request for a text has one input, '${TEXT}' or '${IDS}'`)
  if (input.name === TEXT && input.datatype === 'BYTES') return generateRequestOf(id, textOf(input), undefined, parameters)
  if (input.name === IDS && input.datatype === 'INT32') {
    const own = aligned(input.bytes, 4)
    const ids = [...new Int32Array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / 4)]
    return generateRequestOf(id, undefined, ids, parameters)
  }
  throw invalid(`a request for a text has the input '${TEXT}' (BYTES [1]) or '${IDS}' (INT32 [1, n])`)
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
