// weftjs serve: a folder of models as a service, until SIGTERM or SIGINT.
import type { ServeOptions } from '../serve/index.js'
import { parse, UsageError } from './command.js'

export const usage =
  'serve <repository> [--http 8080] [--grpc 8081] [--host 127.0.0.1] [--keys keys.json] [--cert cert.pem --key key.pem [--ca ca.pem]] [--http2] [--issuer url --audience name] [--rate 100] [--audit audit.jsonl [--audit-key audit.key]] [--control none|explicit|watch] [--max-batch-size 32] [--max-delay-ms 0] [--signed-by signing.pub] [--model-key file:model.key] [--drain-ms 0] [--hosts name,name] [--explain] [--insecure] [--log info]'
export const summary = 'serves saved models over the Open Inference Protocol: REST, and gRPC with --grpc'

/** How often it looks whether it can still compute. */
const CHECK_MS = 1000
const LONGEST_DRAIN_MS = 3_600_000

export async function run(args: string[]): Promise<number> {
  const begin = performance.now()
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: {
      http: { type: 'string' },
      grpc: { type: 'string' },
      host: { type: 'string' },
      keys: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      ca: { type: 'string' },
      http2: { type: 'boolean' },
      issuer: { type: 'string' },
      audience: { type: 'string' },
      rate: { type: 'string' },
      audit: { type: 'string' },
      'audit-key': { type: 'string' },
      control: { type: 'string' },
      'max-batch-size': { type: 'string' },
      'max-delay-ms': { type: 'string' },
      'signed-by': { type: 'string', multiple: true },
      'model-key': { type: 'string', multiple: true },
      'drain-ms': { type: 'string' },
      hosts: { type: 'string' },
      explain: { type: 'boolean' },
      insecure: { type: 'boolean' },
      log: { type: 'string' },
    },
  })
  const [repository] = positionals
  if (repository === undefined || positionals.length > 1)
    throw new UsageError(`serve takes one folder of models, got ${positionals.length}`)
  const number = (name: 'http' | 'grpc' | 'rate' | 'max-batch-size' | 'max-delay-ms' | 'drain-ms'): number | undefined => {
    const text = values[name]
    const isWhole = name !== 'rate' && name !== 'max-delay-ms'
    if (text !== undefined && !(isWhole ? /^\d+$/ : /^(\d+|\d*\.\d+)$/).test(text))
      throw new UsageError(`--${name} is a ${isWhole ? 'whole ' : ''}number, got '${text}'`)
    return text === undefined ? undefined : Number(text)
  }
  const { host, keys, cert, key, ca, http2, issuer, audience, audit, control, hosts, explain, insecure, log } = values
  const auditKey = values['audit-key']
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key go together')
  if ((issuer === undefined) !== (audience === undefined)) throw new UsageError('--issuer and --audience go together')
  if (ca !== undefined && cert === undefined) throw new UsageError('--ca needs --cert and --key')
  if (auditKey !== undefined && audit === undefined) throw new UsageError('--audit-key needs --audit')
  const listen = (port: number | undefined): { host?: string; port?: number } => ({
    ...(host && { host }),
    ...(port !== undefined && { port }),
  })
  const [grpc, rate, drainMs] = [number('grpc'), number('rate'), number('drain-ms')]
  // it counts when the server ends, and nobody is to hear of it only then
  if (drainMs !== undefined && drainMs > LONGEST_DRAIN_MS) throw new UsageError(`--drain-ms is at most ${LONGEST_DRAIN_MS}, got ${drainMs}`)
  const [maxBatchSize, maxDelayMs] = [number('max-batch-size'), number('max-delay-ms')]
  const options: ServeOptions = {
    repository,
    http: { ...listen(number('http')), ...(http2 && { http2 }) },
    ...(grpc !== undefined && { grpc: listen(grpc) }),
    batching: { ...(maxBatchSize !== undefined && { maxBatchSize }), ...(maxDelayMs !== undefined && { maxDelayMs }) },
    ...((keys || issuer) && { auth: { ...(keys && { apiKeys: keys }), ...(issuer && audience && { oidc: { issuer, audience } }) } }),
    ...(rate !== undefined && { rate: { requestsPerSecond: rate } }),
    ...(audit && { audit: { file: audit, ...(auditKey && { key: auditKey }) } }),
    ...(cert && key && { tls: { cert, key, ...(ca && { ca }) } }),
    ...(control && { control: control as 'none' }),
    ...(values['signed-by'] && { signedBy: values['signed-by'] }),
    ...(values['model-key'] && { modelKeys: values['model-key'] }),
    ...(hosts && { hosts: hosts.split(',') }),
    ...(explain && { explain }),
    ...(insecure && { insecure }),
    log: log ?? 'warn',
  }
  const { serve } = await import('../serve/index.js')
  const server = await serve(options)
  const { address } = server
  console.log(`ready in ${Math.round(performance.now() - begin)} ms: ${[address.http, address.grpc].filter(Boolean).join(', ')}`)
  const isLost = await new Promise<boolean>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(false))
    // whoever starts it anew does what it cannot do itself
    setInterval(() => !server.isLive && resolve(true), CHECK_MS).unref()
  })
  if (isLost) console.error('a device has failed for good: the server ends, and is to be started anew')
  await server.close({ drainMs: isLost ? 0 : (drainMs ?? 0) })
  return isLost ? 1 : 0
}
