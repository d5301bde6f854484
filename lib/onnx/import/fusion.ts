// Fusion: groups of nodes that compute one function, as exporters write them, become the operator of that function.
import type { TensorProto } from '../proto/onnx_pb.js'
import { storedTensor } from '../stored_tensor.js'
import { sizeOf } from '../../core/spec.js'
import { ElementType } from '../element_types.js'
import type { Graph, GraphNode } from './graph.js'
import { Attributes, type Operator } from './operator.js'

/** The only value of a stored float. */
function numberOf(tensor: TensorProto | undefined): number | undefined {
  if (tensor?.dataType !== ElementType.FLOAT) return undefined
  if (sizeOf(tensor.dims.map(Number)) !== 1) return undefined
  const { bytes } = storedTensor(tensor, tensor.name)
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
}

class Pattern {
  private readonly makers: ReadonlyMap<string, GraphNode>
  private readonly stored: ReadonlyMap<string, TensorProto>

  constructor({ nodes, initializers }: Graph) {
    this.makers = new Map(nodes.flatMap((node) => node.outputs.map((name): [string, GraphNode] => [name, node])))
    this.stored = new Map(initializers.map((tensor) => [tensor.name, tensor]))
  }

  number(name: string | undefined): number | undefined {
    return name === undefined ? undefined : numberOf(this.stored.get(name))
  }

  /** The node that makes a value for one reader alone. */
  made(name: string | undefined, op: string): GraphNode | undefined {
    const node = name === undefined ? undefined : this.makers.get(name)
    return node?.op === op && node.domain === '' && node.isReadOnce ? node : undefined
  }

  /** The other input of a sum, product or quotient by a number; for quotients the number is the divisor. */
  by(node: GraphNode | undefined, number: number): string | undefined {
    if (node === undefined) return undefined
    const [a, b] = node.inputs
    const near = (name: string | undefined): boolean => Math.abs((this.number(name) ?? Number.NaN) - number) < 1e-6
    if (near(b)) return a
    return node.op !== 'Div' && near(a) ? b : undefined
  }

  /** The x of clip(x + 3, 0, 6). */
  ramp(name: string | undefined): string | undefined {
    const clip = this.made(name, 'Clip')
    if (clip === undefined) return undefined
    const { attributes, inputs, opset } = clip
    const low = opset < 11 ? attributes.float('min', Number.NaN) : this.number(inputs[1])
    const high = opset < 11 ? attributes.float('max', Number.NaN) : this.number(inputs[2])
    return low === 0 && high === 6 ? this.by(this.made(inputs[0], 'Add'), 3) : undefined
  }

  /** The x of x·clip(x + 3, 0, 6) / 6, in each order in which it is written. */
  hardSwish(node: GraphNode): string | undefined {
    const isShare = (name: string | undefined, x: string | undefined): boolean => x !== undefined && this.ramp(name) === x
    const product = (inner: GraphNode | undefined): string | undefined => {
      const [a, b] = inner?.inputs ?? []
      return isShare(b, a) ? a : isShare(a, b) ? b : undefined
    }
    if (node.op === 'Div') return this.by(node, 6) === undefined ? undefined : product(this.made(node.inputs[0], 'Mul'))
    if (node.op !== 'Mul') return undefined
    const sixth = this.by(node, 1 / 6)
    if (sixth !== undefined) return product(this.made(sixth, 'Mul'))
    for (const [x, share] of [node.inputs, [...node.inputs].reverse()]) {
      const quotient = this.by(this.made(share, 'Div'), 6)
      if (x !== undefined && isShare(quotient, x)) return x
    }
    return undefined
  }
}

/** The graph with its hard-swish functions as nodes of their own. The nodes that made them stay, without a reader. */
export function fused(graph: Graph, hardSwish: Operator): Graph {
  const pattern = new Pattern(graph)
  const none = new Attributes([])
  const nodes = graph.nodes.map((node): GraphNode => {
    const x = pattern.hardSwish(node)
    return x === undefined ? node : { ...node, op: 'HardSwish', inputs: [x], attributes: none, operator: hardSwish }
  })
  return { ...graph, nodes }
}
