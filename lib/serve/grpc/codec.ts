// Codec: services of the generated code for grpc-js. Bytes of a message stay parts of the buffer that it came in.
import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { invalid } from '../protocol/tensors.js'

/** A message, or why it could not be read: a handler turns that into a status of the client's. */
export type Received = { readonly message: Message } | { readonly failure: Error }

export function received(method: DescMethod, bytes: Uint8Array): Received {
  try {
    return { message: fromBinary(method.input, bytes) }
  } catch {
    return { failure: invalid(`the request is not a ${method.input.typeName}`) }
  }
}

export const pathOf = (service: DescService, method: DescMethod): string => `/${service.typeName}/${method.name}`

/** The service as a server of grpc-js takes it. */
export function definitionOf(service: DescService): ServiceDefinition {
  const methods = service.methods.map((method): [string, MethodDefinition<Received, Message>] => [
    method.name,
    {
      path: pathOf(service, method),
      requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      requestSerialize: (request) => ('message' in request ? Buffer.from(toBinary(method.input, request.message)) : Buffer.alloc(0)),
      requestDeserialize: (bytes) => received(method, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    },
  ])
  return Object.fromEntries(methods)
}
