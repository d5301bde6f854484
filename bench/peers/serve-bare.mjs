// The bound of serve.mjs: node:http alone, which reads a request's body and answers with as many bytes as the model
// would, or refuses all with 429; and grpc-js alone. Nothing that is written in JavaScript on them is faster.
import { createServer } from 'node:http'
import { bareGrpc } from '../shared/serve-grpc.mjs'
import { answerRequests } from '../shared/side.mjs'

let server
const start = async ({ bytes = 0, refuse = false }) => {
  const body = Buffer.alloc(bytes)
  const headers = { 'inference-header-content-length': 0, 'content-type': 'application/octet-stream', 'content-length': bytes }
  server = createServer((request, reply) => {
    if (refuse) {
      reply.writeHead(429, { 'content-length': 0 }).end()
      return
    }
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      Buffer.concat(chunks)
      reply.writeHead(200, headers).end(body)
    })
  })
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve))
  return { url: `http://127.0.0.1:${server.address().port}` }
}
const stop = () => {
  server.closeAllConnections?.()
  server.close()
}
const startGrpc = async ({ bytes }) => {
  server = await bareGrpc(bytes)
  return { url: server.url }
}

await answerRequests({ start, startGrpc, stop, usage: () => ({ cpu: process.cpuUsage() }) })
// who asked is gone, and with it what is served
process.exit()
