// Cancellation: how somebody says that an answer is not wanted any more.

/** What is used of an AbortSignal. */
export interface Cancellation {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', fn: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', fn: () => void): void
}

/** The one of a request: an AbortSignal is made only for whoever asks for one, as most requests end well. */
export class Disconnection implements Cancellation {
  /** Mostly one. */
  private listeners: (() => void)[] | undefined
  private controller: AbortController | undefined
  private why: unknown

  get aborted(): boolean {
    return this.why !== undefined
  }
  get reason(): unknown {
    return this.why
  }
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.aborted) this.controller.abort(this.why)
    }
    return this.controller.signal
  }

  addEventListener(_type: 'abort', fn: () => void): void {
    if (this.listeners === undefined) this.listeners = [fn]
    else if (!this.listeners.includes(fn)) this.listeners.push(fn)
  }
  removeEventListener(_type: 'abort', fn: () => void): void {
    if (this.listeners?.length === 1 && this.listeners[0] === fn) this.listeners = undefined
    else this.listeners = this.listeners?.filter((one) => one !== fn)
  }

  /** The client is gone. */
  abort(): void {
    if (this.aborted) return
    this.why = new DOMException('the client went away', 'AbortError')
    this.controller?.abort(this.why)
    const { listeners = [] } = this
    this.listeners = undefined
    for (const fn of listeners) fn()
  }
}
