// Hostile values: what no function asks for, and what a call with one of them must do: return, or throw a WeftError
// whose message could be made.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../lib/index.js'
import { generator } from './expect.js'

export type AnyFunction = (...args: unknown[]) => unknown
export type Maker = () => unknown

const circular: unknown[] = []
circular.push(circular)
const ring: Record<string, unknown> = {}
ring['self'] = ring
let deep: unknown = 1
for (let i = 0; i < 20_000; i++) deep = [deep]
let deepRecord: unknown = 1
for (let i = 0; i < 20_000; i++) deepRecord = { a: deepRecord }
const detached = new Float32Array(4)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
/** An object whose fields throw when they are read. */
const trap = Object.defineProperty({}, 'shape', {
  get: () => {
    throw new weft.WeftError('ERR_STATE', 'trap: it was read')
  },
  enumerable: true,
})
const thrower = Object.defineProperty({}, 'toString', { value: () => ({}) })

/** Values that no function of the core asks for, or that it asks for in another place. */
export const hostile: readonly Maker[] = [
  () => undefined,
  () => null,
  () => Number.NaN,
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => Number.POSITIVE_INFINITY,
  () => 10n,
  () => Symbol('s'),
  () => '',
  () => 'cpu',
  () => '__proto__',
  () => 'x'.repeat(100_000),
  () => true,
  () => [],
  () => [[]],
  () => [1, 2, 3],
  () => [1, [2]],
  () => [1, undefined],
  () => [null],
  () => ['a'],
  () => [1n],
  () => new Array(5),
  () => [2 ** 40, 2 ** 40],
  () => [2 ** 53, 0],
  () => [-1],
  () => circular,
  () => ring,
  () => deep,
  () => deepRecord,
  () => ({}),
  () => ({ shape: null, dtype: 3, device: [] }),
  () => ({ dtype: 'float31' }),
  () => ({ device: 'nowhere' }),
  () => ({ shape: [1n] }),
  () => ({ wrt: [9, 'a'] }),
  () => ({ wrt: -1 }),
  () => ({ name: null, forward: 1 }),
  () => ({ name: 'x', shape: 5 }),
  () => Object.create(null),
  () => thrower,
  () => trap,
  () => JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 1}') as unknown,
  () => ({ length: 2 ** 40 }),
  () => new Proxy([], {}),
  () => Object.freeze([1, 2]),
  () => new Proxy({}, {}),
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => new Date(0),
  () => /x/,
  () => new Error('plain'),
  () => Promise.resolve(1),
  () => Buffer.from('abc'),
  () => new ArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new BigUint64Array(3),
  () => new BigInt64Array(3),
  () => detached,
  () => new Float32Array(3),
  () => [new Float32Array(2), new Float32Array(3)],
  () => () => undefined,
  () => () => Promise.resolve(1),
  () => (x: unknown) => x,
  () => class Thing {},
  () => weft.tensor([1, 2]),
  () => weft.tensor(3),
  () => weft.variable([1, 2]),
  () => {
    const t = weft.tensor([1])
    t.dispose()
    return t
  },
]

/** What a function was asked to do and did; undefined: it returned, or threw a WeftError. */
export async function misbehaved(
  fn: AnyFunction,
  args: readonly unknown[],
  follow: (result: unknown) => unknown,
): Promise<string | undefined> {
  try {
    const result = await fn(...args)
    await follow(result)
  } catch (error) {
    if (error instanceof weft.WeftError && error.message.length > 0 && error.message.length < 2000) return undefined
    // an error that a function of the caller threw is the caller's
    return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error)
  }
  return undefined
}

/** A call with arguments that are right, which hostile values replace. */
export interface Target {
  readonly fn: AnyFunction
  readonly args: readonly Maker[]
  /** What is done with a result: errors of it count too. */
  readonly follow?: (result: unknown) => unknown
  /** Values that are right there, but ask for endless work. */
  readonly skip?: (value: unknown) => boolean
  /** So many of the values are drawn; default: all. */
  readonly drawn?: number
}

const draw = (count: number, random: () => number): Maker[] =>
  Array.from({ length: count }, () => hostile[Math.floor(random() * hostile.length)]!)

/** Every hostile value in every place, and some in several. */
export async function problemsOf(
  { fn, args, follow = () => undefined, skip = () => false, drawn }: Target,
  seed: number,
): Promise<string[]> {
  const random = generator(seed)
  const problems: string[] = []
  const attempt = async (list: readonly Maker[]): Promise<void> => {
    const given = list.map((make) => make())
    if (given.some(skip)) return
    const problem = await misbehaved(fn, given, follow)
    if (problem) problems.push(`${list.map((make) => String(make).slice(6, 60)).join(', ')}: ${problem}`)
  }
  for (let place = 0; place < args.length; place++)
    for (const make of drawn === undefined ? hostile : draw(drawn, random))
      await attempt(args.map((right, i) => (i === place ? make : right)).slice(0, Math.max(place + 1, args.length - 1)))
  if (args.length > 1)
    for (let i = 0; i < 60; i++)
      await attempt(args.map((right) => (random() < 0.3 ? right : hostile[Math.floor(random() * hostile.length)]!)))
  return problems
}

/** Other values for each name; WEFT_FUZZ_SEED draws others. */
const seedOf = (name: string): number =>
  [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) | 0, Number(process.env['WEFT_FUZZ_SEED'] ?? 1))

/** A test of each target. */
export function hostileTests(targets: Readonly<Record<string, Target>>): void {
  // hostile names of files are written to a folder of their own
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-hostile-'))
  test.before(() => process.chdir(folder))
  test.after(() => {
    process.chdir(import.meta.dirname)
    rmSync(folder, { recursive: true, force: true })
  })
  for (const [name, target] of Object.entries(targets)) {
    test(`${name}: every hostile value in every place`, async () => {
      const problems = await problemsOf(target, seedOf(name))
      assert.equal(problems.slice(0, 10), [])
      assert.is(({} as Record<string, unknown>)['polluted'], undefined)
    })
  }
}

/** The options that a function knows, as its own message lists them; none where it takes none. */
export function optionsOf(fn: AnyFunction, before: readonly unknown[] = []): string[] {
  try {
    fn(...before, { zzz9: 1 })
  } catch (error) {
    const known = /Known: (.*)$/.exec((error as Error).message)
    return known ? known[1]!.split(', ') : []
  }
  return []
}

/** Values that each option of a catalogue is given; WEFT_FUZZ multiplies them. */
const DRAWN = 12 * Number(process.env['WEFT_FUZZ'] ?? 1)

/** A target whose one argument is options: each of them, and all together, are replaced. */
export function optionTargets(
  name: string,
  fn: AnyFunction,
  base: Readonly<Record<string, unknown>>,
  follow?: (result: unknown) => unknown,
  skip?: (value: unknown) => boolean,
): Record<string, Target> {
  const names = optionsOf(fn)
  const right = Object.fromEntries(Object.entries(base).filter(([key]) => names.includes(key)))
  const rest = { ...(follow ? { follow } : {}), ...(skip ? { skip } : {}) }
  return {
    [name]: { fn, args: [() => right], ...rest },
    ...Object.fromEntries(
      names.map((key) => [
        `${name} ${key}`,
        { fn: (value: unknown) => fn({ ...right, [key]: value }), args: [() => right[key]], ...rest, drawn: DRAWN },
      ]),
    ),
  }
}
