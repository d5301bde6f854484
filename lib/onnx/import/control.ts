// Control flow: branches, loops and scans. Loops are unrolled; their number of turns must be known.
import { WeftError } from '../../core/error.js'
import * as ops from '../../ops/index.js'
import { type Call, type OperatorTable, type Result, type Steps } from './operator.js'
import { type Entry, numbersTensor, Value } from './values.js'

/** The branch that the condition chooses; both, and then the chosen values, where it is not known yet. */
function* branch(call: Call): Steps<Result> {
  const condition = call.value(0)
  const run = function* (name: string): Steps<Entry[]> {
    return yield* call.run.within(call.graphOf(name), [], call.scope)
  }
  const known = condition.numbers
  if (known !== undefined) return yield* run(known[0] ? 'then_branch' : 'else_branch')
  let thens: Entry[]
  let elses: Entry[]
  try {
    thens = yield* run('then_branch')
    elses = yield* run('else_branch')
  } catch (error) {
    // a branch need not fit data that would not take it
    if (error instanceof WeftError) throw call.unknown('the condition, of whose branches one does not fit the data,')
    throw error
  }
  return thens.map((then, i) => {
    const other = elses[i]
    if (!(then instanceof Value && other instanceof Value) || then.shape.join() !== other.shape.join())
      throw call.unknown('the condition, whose branches give results of different shapes,')
    return ops.where(ops.reshape(condition.plain, []), then.plain, other.plain)
  })
}

/** More turns than this would make a program of no use. */
const MOST_TURNS = 100_000

function* loop(call: Call): Steps<Result> {
  const body = call.graphOf('body')
  const most = call.has(0) ? call.number(0, 0) : Number.POSITIVE_INFINITY
  let state: Entry[] = call.inputs.slice(2)
  const carried = state.length
  const scans: Value[][] = body.outputs.slice(1 + carried).map(() => [])
  let goesOn: Entry = call.inputs[1]
  for (let turn = 0; turn < most; turn++) {
    if (goesOn instanceof Value) {
      const known = goesOn.numbers
      if (known === undefined) throw call.unknown('the condition')
      if (!known[0]) break
    }
    if (turn >= MOST_TURNS) throw call.error(`more than ${MOST_TURNS} turns`)
    const condition = goesOn ?? new Value(numbersTensor([1], [], 'bool'))
    const results: Entry[] = yield* call.run.within(body, [new Value(numbersTensor([turn], [], 'int32')), condition, ...state], call.scope)
    goesOn = results[0]
    if (goesOn instanceof Value) yield goesOn
    state = results.slice(1, 1 + carried)
    results.slice(1 + carried).forEach((entry, i) => {
      if (!(entry instanceof Value)) throw call.error('a result of its turns is no tensor')
      scans[i]!.push(entry)
    })
  }
  return [...state, ...scans.map((list, i) => stacked(list, call, i))]
}

/** The results of all turns, one after the other along a new first axis. */
function stacked(list: readonly Value[], call: Call, index: number): Value {
  if (list.length === 0) throw call.error(`result ${index} of its turns has no shape: there was no turn`)
  return new Value(
    ops.stack(
      list.map((value) => value.plain),
      0,
    ),
    { type: list[0]!.type },
  )
}

interface ScanAxis {
  readonly axis: number
  readonly backwards: boolean
}

function* scan(call: Call): Steps<Result> {
  const { attributes } = call
  const count = attributes.int('num_scan_inputs', 1)
  if (call.opset < 9) return yield* scanBatches(call, count)
  const states = call.inputs.slice(0, call.inputs.length - count)
  const inputs = call.inputs.slice(states.length).map((_, i) => call.value(states.length + i))
  const places = (kind: 'input' | 'output', length: number): ScanAxis[] => {
    const axes = attributes.ints(`scan_${kind}_axes`)
    const directions = attributes.ints(`scan_${kind}_directions`)
    return Array.from({ length }, (_, i) => ({ axis: axes?.[i] ?? 0, backwards: directions?.[i] === 1 }))
  }
  return yield* scanned(call, states, inputs, places('input', count), (length) => places('output', length))
}

function* scanned(
  call: Call,
  first: readonly Entry[],
  inputs: readonly Value[],
  from: readonly ScanAxis[],
  to: (count: number) => ScanAxis[],
): Steps<Entry[]> {
  const body = call.graphOf('body')
  const tensors = inputs.map((value, i) => ops.moveAxis(value.plain, call.axis(from[i]!.axis, value.rank), 0))
  const turns = tensors[0]?.shape[0] ?? 0
  if (tensors.some((t) => t.shape[0] !== turns)) throw call.error('its inputs have different numbers of steps')
  if (turns > MOST_TURNS) throw call.error(`more than ${MOST_TURNS} steps`)
  let state: Entry[] = [...first]
  const outputs = to(body.outputs.length - state.length)
  const scans: Value[][] = outputs.map(() => [])
  for (let turn = 0; turn < turns; turn++) {
    const slices = tensors.map((t, i) => {
      const at = from[i]!.backwards ? turns - 1 - turn : turn
      return new Value(ops.reshape(ops.slice(t, [at], [1]), t.shape.slice(1)), { type: inputs[i]!.type })
    })
    const results: Entry[] = yield* call.run.within(body, [...state, ...slices], call.scope)
    state = results.slice(0, state.length)
    results.slice(state.length).forEach((entry, i) => {
      if (!(entry instanceof Value)) throw call.error('a result of its steps is no tensor')
      if (outputs[i]!.backwards) scans[i]!.unshift(entry)
      else scans[i]!.push(entry)
    })
  }
  return [
    ...state,
    ...scans.map((list, i) => {
      const whole = stacked(list, call, i)
      return new Value(ops.moveAxis(whole.plain, 0, call.axis(outputs[i]!.axis, whole.rank)), { type: whole.type })
    }),
  ]
}

/** Scan of version 8: a batch of sequences, each by itself. */
function* scanBatches(call: Call, count: number): Steps<Result> {
  if (call.has(0)) throw call.error('sequences of different lengths in one batch are not computed here')
  const rest = call.inputs.slice(1).map((_, i) => call.value(i + 1))
  const batch = rest[0]?.shape[0] ?? 0
  const row = (value: Value, n: number): Value =>
    new Value(ops.reshape(ops.slice(value.plain, [n], [1]), value.shape.slice(1)), { type: value.type })
  const backwards = call.attributes.ints('directions')
  const from = Array.from({ length: count }, (_, i) => ({ axis: 0, backwards: backwards?.[i] === 1 }))
  const rows: Value[][] = []
  for (let n = 0; n < batch; n++) {
    const own = rest.map((value) => row(value, n))
    const results: Entry[] = yield* scanned(call, own.slice(0, -count), own.slice(-count), from, (length) =>
      Array.from({ length }, () => ({ axis: 0, backwards: false })),
    )
    rows.push(results.map((entry) => entry as Value))
  }
  return (rows[0] ?? []).map((_, i) =>
    stacked(
      rows.map((results) => results[i]!),
      call,
      i,
    ),
  )
}

export const controlOperators: OperatorTable = {
  If: { reads: [0], run: branch },
  Loop: { reads: [0, 1], run: loop },
  Scan: { since: 8, run: scan },
}
