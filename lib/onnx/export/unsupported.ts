// Unsupported: why an operation cannot be exported. All of them are gathered before one error is thrown.

export class Unsupported extends Error {}
