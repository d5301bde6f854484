// Tests that need something this machine may lack: they are counted as skipped, with the reason, instead of passing in
// silence.
import { existsSync } from 'node:fs'
import { test } from 'uvu'

/** Names the test runner's line for a skipped test; see test/run.mjs. */
const report = (name: string, need: string): void => console.log(`skipped: needs ${need} (${name})`)

/** Runs the test when `available`; otherwise reports "skipped: needs ..." and counts it as skipped. */
export function testWith(available: boolean, need: string, name: string, fn: () => void | Promise<void>): void {
  if (available) {
    test(name, fn)
    return
  }
  report(name, need)
  test.skip(name, fn)
}

/** Whether Debian's package dataset-fashion-mnist is installed. */
export const hasFashionMnist: boolean = existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz')

/** Debian's Python, which its packages are installed for. */
export const SYSTEM_PYTHON = '/usr/bin/python3'

/** Whether Debian's package python3-keras-preprocessing is installed. */
export const hasKerasPreprocessing: boolean = existsSync('/usr/lib/python3/dist-packages/keras_preprocessing/text.py')
