// The graph of a model's layers, for pictures of it.
import type { DynamicShape } from '../core/spec.js'

export interface GraphNode {
  readonly id: string
  /** Its name, and what it is: 'dense', 'Dense'. */
  readonly name: string
  readonly kind: string
  /** Undefined where there are none to count. */
  readonly parameters: number | undefined
}

export interface GraphEdge {
  readonly from: string
  readonly to: string
  /** Of what flows; undefined where it is not known before the model is built. */
  readonly shape: DynamicShape | undefined
}

export interface LayerGraph {
  readonly name: string
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/** '28 × 28 × 1', without the batch; '?' for what varies. */
export const sampleText = (shape: DynamicShape | undefined): string =>
  shape === undefined
    ? '?'
    : shape.length <= 1
      ? 'scalar'
      : shape
          .slice(1)
          .map((extent) => extent ?? '?')
          .join(' × ')

/** The graph in the language of Graphviz. Names are quoted, whatever is in them. */
export function dotText({ name, nodes, edges }: LayerGraph, horizontal = false): string {
  const quoted = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`
  const label = ({ name, kind, parameters }: GraphNode): string => quoted(`${name}\n${kind}${countText(parameters)}`)
  return [
    `digraph ${quoted(name)} {`,
    `  rankdir=${horizontal ? 'LR' : 'TB'};`,
    '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];',
    '  edge [fontname="Helvetica", fontsize=9];',
    ...nodes.map((node) => `  ${quoted(node.id)} [label=${label(node)}];`),
    ...edges.map(({ from, to, shape }) => `  ${quoted(from)} -> ${quoted(to)} [label=${quoted(sampleText(shape))}];`),
    '}',
    '',
  ].join('\n')
}

/** ', 1,234 parameters' */
export const countText = (parameters: number | undefined): string =>
  parameters === undefined || parameters === 0 ? '' : `, ${parameters.toLocaleString('en-US')} parameter${parameters === 1 ? '' : 's'}`
