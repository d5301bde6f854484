// Steps of a cell, one after the other: Scan, with the graph of a step inside it.
import { Unsupported } from '../unsupported.js'
import { STEPS } from '../steps.js'
import { attribute, type Operator, type Operators } from './operator.js'

/** (x [batch, time, ..], output, states, (mask [batch, time, 1])) → all outputs, output and states. */
const scan: Operator = (call, emitter) => {
  const { nodes } = emitter
  if (!call.body) throw new Unsupported('its steps are not known')
  const masked = attribute<boolean>(call, 'masked')
  const reverse = Number(attribute<boolean>(call, 'reverse'))
  const [x, ...rest] = call.inputs.map((v) => emitter.natural(v))
  const states = masked ? rest.slice(0, -1) : rest
  const scanned = [x!, ...(masked ? [rest.at(-1)!] : [])]
  const body = emitter.body(call.body)
  // each step gives its output to the next one and to the sequence
  const [output] = body.outputs
  const copy = nodes.unique(`${body.name}_output`)
  const inside = [
    ...body.nodes,
    { op: 'Identity', name: nodes.unique(`${body.name}/Identity`), inputs: [output!.name], outputs: [copy], attributes: {} },
  ]
  const ints = (n: number, count: number): { ints: readonly number[] } => ({ ints: Array.from({ length: count }, () => n) })
  const made = nodes.addMany(
    'Scan',
    [...states, ...scanned],
    {
      body: { graph: { ...body, outputs: [...body.outputs, { ...output!, name: copy }], nodes: inside } },
      num_scan_inputs: { int: scanned.length },
      scan_input_axes: ints(1, scanned.length),
      scan_output_axes: ints(1, 1),
      scan_input_directions: ints(reverse, scanned.length),
      scan_output_directions: ints(reverse, 1),
    },
    states.length + 1,
  )
  const [sequence, ...last] = call.outputs
  emitter.define(sequence!, made.at(-1)!)
  last.forEach((v, i) => {
    emitter.define(v, made[i]!)
  })
}

export const steps: Operators = { [STEPS]: scan }
