// A page in a file, as a browser without a network shows it: for the pages of explanations and of reports.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { Browser } from './serve/browser.js'

/** Opens the page, waits until `ready` holds in it, and runs `look`. */
export async function inBrowser(file: string, ready: string, look: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await Browser.open()
  try {
    await browser.send('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 })
    await browser.send('Page.navigate', { url: pathToFileURL(file).href })
    await browser.until(`document.readyState === 'complete' && ${ready}`)
    await look(browser)
  } finally {
    await browser.close()
  }
}

/** The page ran nothing, asked for nothing but itself, complained of nothing, and is not wider than its window. */
export async function checkSealed(browser: Browser, file: string): Promise<void> {
  assert.is(await browser.evaluate('window.hacked === undefined && document.scripts.length === 0'), true)
  const outside = await browser.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
  assert.ok(outside <= 0, `${outside} pixels too wide`)
  const requested = browser.events
    .filter(({ method }) => method === 'Network.requestWillBeSent')
    .map(({ params }) => (params['request'] as { url: string }).url)
  const own = pathToFileURL(file).href
  assert.ok(
    requested.every((url) => url === own || url === 'about:blank' || url.startsWith('data:')),
    requested.join(),
  )
  const complaints = browser.events.filter(({ method }) =>
    ['Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'].includes(method),
  )
  assert.equal(complaints, [])
}

/** The page without its colours is no empty picture; WEFT_SCREENSHOTS names a folder that keeps it. */
export async function checkWithoutColour(browser: Browser, name: string): Promise<void> {
  await browser.send('Emulation.setEmulatedVisionDeficiency', { type: 'achromatopsia' })
  const { data } = (await browser.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })) as { data: string }
  const picture = Buffer.from(data, 'base64')
  assert.ok(picture.length > 20_000, `a picture of ${picture.length} bytes`)
  const kept = process.env['WEFT_SCREENSHOTS']
  if (kept) await writeFile(path.join(kept, name), picture)
}
