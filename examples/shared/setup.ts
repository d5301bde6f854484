// What the examples share: options on the command line, parts of a data set, and the baseline that a result is printed
// beside.
import { parseArgs } from 'node:util'
import { argSort, gather, randomUniform, setSeed, type Tensor } from 'weftjs'

export interface Options {
  epochs: number
  /** Rows to train and test on; all by default. */
  limit: number
  seed: number
  /** 0: silent, 1: progress bar, 2: lines, 'auto'. */
  verbose: 'auto' | 0 | 1 | 2
  /** The folder that the model is saved in. */
  save: string | undefined
}

/**
 * --epochs, --limit, --seed, --quiet, --save where the example says so; sets the seed. Exits with the usage for
 * anything else.
 */
export function options(defaults: { epochs: number; seed?: number; saves?: boolean }): Options {
  const whole = (name: string, text: string | undefined, fallback: number, least: number): number => {
    const value = text === undefined ? fallback : Number(text)
    if (text === undefined || (Number.isSafeInteger(value) && value >= least)) return value
    throw new Error(`--${name} takes a whole number of at least ${least}, not '${text}'`)
  }
  try {
    const { values } = parseArgs({
      options: {
        epochs: { type: 'string' },
        limit: { type: 'string' },
        seed: { type: 'string' },
        quiet: { type: 'boolean' },
        save: { type: 'string' },
      },
    })
    if (values.save !== undefined && !defaults.saves) throw new Error('this example saves no model')
    const seed = whole('seed', values.seed, defaults.seed ?? 1, 0)
    setSeed(seed)
    return {
      epochs: whole('epochs', values.epochs, defaults.epochs, 1),
      limit: whole('limit', values.limit, Number.POSITIVE_INFINITY, 10),
      seed,
      verbose: values.quiet ? 0 : 'auto',
      save: values.save,
    }
  } catch (error) {
    console.error(
      `${(error as Error).message}\nUsage: [--epochs n] [--limit rows] [--seed n] [--quiet]${defaults.saves ? ' [--save folder]' : ''}`,
    )
    process.exit(2)
  }
}

/** The first rows of a tensor. */
export const head = (t: Tensor, rows: number): Tensor => rowsFrom(t, 0, Math.min(rows, t.shape[0]!))

/** Rows begin ... begin + count - 1. */
const rowsFrom = (t: Tensor, begin: number, count: number): Tensor =>
  t.slice([begin, ...t.shape.slice(1).map(() => 0)], [count, ...t.shape.slice(1)])

export interface Parts {
  train: { x: Tensor; y: Tensor }
  test: { x: Tensor; y: Tensor }
}

/** Rows in a random order that the seed decides: the first four fifths to train on, the rest to test with. */
export function split(x: Tensor, y: Tensor, limit: number): Parts {
  const order = head(argSort(randomUniform([x.shape[0]!])), limit)
  const kept = Math.floor(order.size * 0.8)
  const part = (begin: number, count: number): Parts['train'] => {
    const rows = rowsFrom(order, begin, count)
    return { x: gather(x, rows), y: gather(y, rows) }
  }
  return { train: part(0, kept), test: part(kept, order.size - kept) }
}

/** Share of the test labels that the commonest training label gets right. */
export async function majority(train: Tensor, test: Tensor): Promise<number> {
  const counts = new Map<number, number>()
  for (const label of await train.data()) counts.set(Number(label), (counts.get(Number(label)) ?? 0) + 1)
  const [[commonest]] = [...counts].sort((a, b) => b[1] - a[1]) as [[number, number]]
  const labels = await test.data()
  return Array.from(labels as Int32Array).filter((label) => label === commonest).length / labels.length
}

/** 'test accuracy 0.9876 (always the commonest class: 0.1020)' */
export function report(accuracy: number, baseline: number): void {
  console.log(`test accuracy ${accuracy.toFixed(4)} (always the commonest class: ${baseline.toFixed(4)})`)
}

/** Ends the program with a message instead of a stack when data are missing. */
export async function orExit<T>(data: Promise<T>): Promise<T> {
  try {
    return await data
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}
