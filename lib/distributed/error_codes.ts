// The error code of distributed runs.
declare module '../core/error.js' {
  interface ErrorCodes {
    /** A rank was lost, did not come in time, or asks for something else than the others. */
    ERR_DISTRIBUTED: true
  }
}
export {}
