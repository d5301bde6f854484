// Messages with some of their fields changed.

/** A copy of a message: fields that are not set have their defaults in its prototype. */
export const changed = <T extends object>(message: T, fields: Partial<T>): T =>
  Object.assign(Object.create(Object.getPrototypeOf(message) as object) as T, message, fields)
