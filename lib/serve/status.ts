// Status: what an error is to a client. One table for REST and gRPC; a code that is missing here does not compile.
import { type ErrorCode, WeftError } from '../core/error.js'

/** gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const GRPC = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const

export interface Status {
  readonly http: number
  readonly grpc: number
  /** What the client is told; of faults inside the server no more than that. */
  readonly message: string
  /** Seconds after which the client may try again. */
  readonly retryAfter?: number
}

interface Row {
  readonly http: number
  readonly grpc: number
  readonly retryAfter?: number
  /** The message may name files, addresses or internals: it goes to the log alone. */
  readonly hidden?: true
}

const INVALID: Row = { http: 400, grpc: GRPC.INVALID_ARGUMENT }
const INTERNAL: Row = { http: 500, grpc: GRPC.INTERNAL, hidden: true }

const TABLE: Readonly<Record<ErrorCode, Row>> = {
  ERR_ARGUMENT: INVALID,
  ERR_SHAPE: INVALID,
  ERR_DTYPE: INVALID,
  ERR_DATA: INVALID,
  ERR_TOO_LARGE: { http: 413, grpc: GRPC.INVALID_ARGUMENT },
  ERR_UNAUTHENTICATED: { http: 401, grpc: GRPC.UNAUTHENTICATED },
  ERR_FORBIDDEN: { http: 403, grpc: GRPC.PERMISSION_DENIED },
  ERR_NOT_FOUND: { http: 404, grpc: GRPC.NOT_FOUND },
  ERR_STATE: { http: 409, grpc: GRPC.FAILED_PRECONDITION },
  ERR_OVERLOADED: { http: 429, grpc: GRPC.RESOURCE_EXHAUSTED, retryAfter: 1 },
  ERR_UNAVAILABLE: { http: 503, grpc: GRPC.UNAVAILABLE, retryAfter: 1 },
  ERR_OUT_OF_MEMORY: { http: 503, grpc: GRPC.RESOURCE_EXHAUSTED, retryAfter: 1, hidden: true },
  ERR_TIMEOUT: { http: 504, grpc: GRPC.DEADLINE_EXCEEDED },
  ERR_CANCELLED: { http: 499, grpc: GRPC.CANCELLED },
  ERR_UNSUPPORTED: { http: 501, grpc: GRPC.UNIMPLEMENTED },
  ERR_FORMAT: { http: 409, grpc: GRPC.FAILED_PRECONDITION, hidden: true },
  ERR_INTERNAL: INTERNAL,
  ERR_DEVICE: INTERNAL,
  ERR_NO_DEVICE: INTERNAL,
  ERR_TRACE: INTERNAL,
  ERR_DISPOSED: INTERNAL,
  ERR_CUDA: INTERNAL,
  ERR_DISTRIBUTED: INTERNAL,
}

const HIDDEN: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_FORMAT: 'the model cannot be loaded from its files',
  ERR_OUT_OF_MEMORY: 'there is not enough memory for this request now',
}

export function statusOf(error: unknown): Status {
  if (error instanceof WeftError) {
    const { http, grpc, retryAfter, hidden } = TABLE[error.code] ?? INTERNAL
    const message = hidden ? (HIDDEN[error.code] ?? `the server failed (${error.code})`) : error.message
    return { http, grpc, message, ...(retryAfter === undefined ? {} : { retryAfter }) }
  }
  if ((error as { name?: unknown } | undefined)?.name === 'AbortError')
    return { http: 499, grpc: GRPC.CANCELLED, message: 'the request was cancelled' }
  return { http: 500, grpc: GRPC.INTERNAL, message: 'the server failed' }
}

/** The error that a client makes of a status; the first code of the table that has it. */
export function errorOf(kind: 'http' | 'grpc', status: number, message: string): WeftError {
  const found = (Object.keys(TABLE) as ErrorCode[]).find((code) => TABLE[code][kind] === status)
  const clients = kind === 'http' && status >= 400 && status < 500
  return new WeftError(found ?? (clients ? 'ERR_ARGUMENT' : 'ERR_INTERNAL'), message)
}
