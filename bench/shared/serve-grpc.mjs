// gRPC in the benches of the server: a client that sends messages as they are, and grpc-js alone, which answers so.
import { credentials, Client, Server, ServerCredentials } from '@grpc/grpc-js'
import { create, toBinary } from '@bufbuild/protobuf'
import { ModelInferRequestSchema } from '../../dist/lib/serve/grpc/inference_pb.js'
import { inputs, rowsOf } from './served.mjs'

const PATH = '/inference.GRPCInferenceService/ModelInfer'
const asIs = (bytes) => bytes

/** A request with raw values. */
export const messageOf = (name, rows) => {
  const input = { name: 'x', datatype: 'FP32', shape: [rows, ...inputs[name]].map(BigInt) }
  const rawInputContents = [new Uint8Array(rowsOf(name, rows).buffer)]
  return Buffer.from(
    toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, { modelName: name, inputs: [input], rawInputContents })),
  )
}

/** One connection: one request at a time, as Connection. */
export class GrpcConnection {
  #client

  constructor(url) {
    this.#client = new Client(new URL(url).host, credentials.createInsecure())
  }
  ask(bytes) {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(PATH, asIs, asIs, bytes, (error, body) => (error ? reject(error) : resolve({ status: 200, body })))
    })
  }
  close() {
    this.#client.close()
  }
}

/** Reads messages and answers with so many bytes. */
export const bareGrpc = async (bytes) => {
  const server = new Server()
  const method = { path: PATH, requestStream: false, responseStream: false }
  const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs }
  const body = Buffer.alloc(bytes)
  server.addService({ ModelInfer: { ...method, ...codec } }, { ModelInfer: (_call, answer) => answer(null, body) })
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  return { url: `http://127.0.0.1:${port}`, close: () => server.forceShutdown() }
}
