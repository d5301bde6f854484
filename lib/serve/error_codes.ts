// The codes of errors that only the model server and its client have.
declare module '../core/error.js' {
  interface ErrorCodes {
    ERR_OVERLOADED: true
    ERR_TIMEOUT: true
    ERR_CANCELLED: true
    ERR_UNAVAILABLE: true
    ERR_NOT_FOUND: true
    ERR_UNAUTHENTICATED: true
    ERR_FORBIDDEN: true
    ERR_TOO_LARGE: true
    ERR_UNSUPPORTED: true
    ERR_INTERNAL: true
  }
}

export {}
