// A real browser for tests: Debian's chromium, spoken to over its DevTools protocol.
// https://chromedevtools.github.io/devtools-protocol/
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'

const PROGRAM = '/usr/bin/chromium'
/** Whether Debian's package chromium is installed. */
export const hasChromium: boolean = existsSync(PROGRAM)

type Params = Record<string, unknown>

export class Browser {
  private readonly child: ChildProcess
  private readonly profile = mkdtempSync(path.join(tmpdir(), 'weft-chromium-'))
  private readonly waiting = new Map<number, { resolve: (value: Params) => void; reject: (error: Error) => void }>()
  private count = 0
  /** What was told without being asked for. */
  readonly events: { method: string; params: Params }[] = []
  private session: string | undefined

  private constructor() {
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--remote-debugging-pipe',
    ]
    this.child = spawn(PROGRAM, [...flags, `--user-data-dir=${this.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // a group of its own: what it started writes to the profile until it ends
      detached: true,
    })
    let text = ''
    const input = this.child.stdio[4] as Readable
    input.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0')) {
        this.receive(JSON.parse(text.slice(0, end)) as never)
        text = text.slice(end + 1)
      }
    })
    this.child.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the browser ended'))
    })
  }

  /** Opens a page that tells of errors and requests. */
  static async open(): Promise<Browser> {
    const browser = new Browser()
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true })
    browser.session = sessionId as string
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.send(`${domain}.enable`)
    return browser
  }

  send(method: string, params: Params = {}): Promise<Params> {
    const id = ++this.count
    const message = JSON.stringify({ id, method, params, ...(this.session ? { sessionId: this.session } : {}) })
    ;(this.child.stdio[3] as Writable).write(`${message}\0`)
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: T }).value
  }

  /** Waits until the expression is true in the page. */
  async until(expression: string, milliseconds = 60_000): Promise<void> {
    const end = Date.now() + milliseconds
    while (!(await this.evaluate<boolean>(expression))) {
      if (Date.now() > end)
        throw new Error(`it did not become true: ${expression}; the page: ${await this.evaluate('document.body.innerText')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    process.kill(-this.child.pid!, 'SIGKILL')
    await ended
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }

  private receive(message: { id?: number; result?: Params; error?: { message: string }; method?: string; params?: Params }): void {
    if (message.id === undefined) {
      this.events.push({ method: message.method!, params: message.params ?? {} })
      return
    }
    const { resolve, reject } = this.waiting.get(message.id)!
    this.waiting.delete(message.id)
    if (message.error) reject(new Error(message.error.message))
    else resolve(message.result ?? {})
  }
}
