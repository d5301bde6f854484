// Cancellation: how somebody says that an answer is not wanted any more.

/** Who is told of the end. */
export interface AbortListener {
  handleEvent(): void
}

/** What is used of an AbortSignal. */
export interface Cancellation {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: (() => void) | AbortListener, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: (() => void) | AbortListener): void
}

/** The one of a request: an AbortSignal is made only for whoever asks for one, as most requests end well. */
export class Disconnection implements Cancellation {
  /** Mostly one. */
  private listeners: ((() => void) | AbortListener)[] | undefined
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

  addEventListener(_type: 'abort', listener: (() => void) | AbortListener): void {
    if (this.listeners === undefined) this.listeners = [listener]
    else if (!this.listeners.includes(listener)) this.listeners.push(listener)
  }
  removeEventListener(_type: 'abort', listener: (() => void) | AbortListener): void {
    if (this.listeners?.length === 1 && this.listeners[0] === listener) this.listeners = undefined
    else this.listeners = this.listeners?.filter((one) => one !== listener)
  }

  /** The client is gone. */
  abort(): void {
    if (this.aborted) return
    this.why = new DOMException('the client went away', 'AbortError')
    this.controller?.abort(this.why)
    const { listeners = [] } = this
    this.listeners = undefined
    for (const listener of listeners) typeof listener === 'function' ? listener() : listener.handleEvent()
  }
}
