// Sequences of tensors, and values that may be missing.
import * as ops from '../../ops/index.js'
import { type Call, type OperatorTable, type Result, type Steps } from './operator.js'
import { type Entry, numbersTensor, Sequence, Value } from './values.js'

const truth = (flag: boolean): Value => new Value(numbersTensor([flag ? 1 : 0], [], 'bool'))

/** A place in a sequence; below 0 from its end. */
function placeIn(call: Call, input: number, length: number, standard: number): number {
  const at = call.number(input, standard)
  const place = at < 0 ? at + length : at
  if (!(place >= 0 && place <= length)) throw call.error(`place ${at} is out of range for a sequence of ${length}`)
  return place
}

function at(call: Call): Value {
  const items = call.sequence(0)
  const value = items[placeIn(call, 1, items.length, 0)]
  if (value === undefined) throw call.error(`a sequence of ${items.length} has no such place`)
  return value
}

function insert(call: Call): Sequence {
  const items = [...call.sequence(0)]
  items.splice(placeIn(call, 2, items.length, items.length), 0, call.value(1))
  return new Sequence(items)
}

function erase(call: Call): Sequence {
  const items = [...call.sequence(0)]
  items.splice(placeIn(call, 1, items.length, items.length - 1), 1)
  return new Sequence(items)
}

function concatAll(call: Call): Value {
  const items = call.sequence(0)
  const [first] = items
  if (first === undefined) throw call.error('the sequence is empty')
  const axis = call.attributes.int('axis', 0)
  const tensors = items.map((value) => value.plain)
  if (call.attributes.int('new_axis', 0) !== 0) return new Value(ops.stack(tensors, call.axis(axis, first.rank + 1)), { type: first.type })
  return new Value(ops.concat(tensors, call.axis(axis, first.rank)), { type: first.type })
}

function splitAll(call: Call): Sequence {
  const value = call.value(0)
  const axis = call.axis(call.attributes.int('axis', 0), value.rank)
  const n = value.shape[axis]!
  const single = !call.has(1)
  const given = call.has(1) ? call.numbers(1) : [1]
  const isList = call.has(1) && call.value(1).rank === 1
  const size = given[0]!
  if (!isList) call.host(n / size, 'parts', 2 ** 20)
  const sizes = isList ? given : Array.from({ length: Math.ceil(n / size) }, (_, i) => Math.min(size, n - i * size))
  const parts = ops.split(value.plain, [...sizes], axis)
  const drop = single && call.attributes.int('keepdims', 1) === 0
  return new Sequence(parts.map((part) => new Value(drop ? ops.squeeze(part, axis) : part, { type: value.type })))
}

/** The function of a node, on each place of its sequences. */
function* map(call: Call): Steps<Result> {
  const body = call.graphOf('body')
  const first = call.sequence(0)
  const results: Value[][] = body.outputs.map(() => [])
  for (let i = 0; i < first.length; i++) {
    const inputs = call.inputs.map((entry): Entry => (entry instanceof Sequence ? entry.items[i] : entry))
    const made: Entry[] = yield* call.run.within(body, inputs, call.scope)
    made.forEach((entry, j) => {
      if (!(entry instanceof Value)) throw call.error('a result of its function is no tensor')
      results[j]!.push(entry)
    })
  }
  return results.map((items) => new Sequence(items))
}

export const sequenceOperators: OperatorTable = {
  SequenceEmpty: { since: 11, run: () => new Sequence([]) },
  SequenceConstruct: { since: 11, run: (call) => new Sequence(call.values()) },
  SequenceAt: { since: 11, reads: [1], run: at },
  SequenceInsert: { since: 11, reads: [2], run: insert },
  SequenceErase: { since: 11, reads: [1], run: erase },
  SequenceLength: { since: 11, run: (call) => new Value(numbersTensor([call.sequence(0).length], [], 'int32')) },
  ConcatFromSequence: { since: 11, run: concatAll },
  SplitToSequence: { since: 11, reads: [1], run: splitAll },
  SequenceMap: { since: 17, run: map },
  Optional: { since: 15, run: (call) => call.inputs[0] },
  OptionalGetElement: {
    since: 15,
    run: (call) => {
      if (call.inputs[0] === undefined) throw call.error('the value is missing')
      return call.inputs[0]
    },
  },
  OptionalHasElement: { since: 15, run: (call) => truth(call.inputs[0] !== undefined) },
}
