// plot: a model's layers as a picture: SVG, or text for Graphviz.
import { checkCall, type OptionTable } from '../core/options.js'
import { WeftError } from '../core/error.js'
import { pathOf, type Place } from '../core/place.js'
import { countText, dotText, type GraphNode, type LayerGraph, sampleText } from '../model/layer_graph.js'
import { Model } from '../model/model.js'
import { writeNew } from './folder.js'
import { replaceFile } from './replace_file.js'
import { escaped } from './xml.js'

export interface PlotOptions {
  /** From top to bottom ('TB', the default), or from left to right ('LR'). */
  rankDir?: 'TB' | 'LR'
}
const OPTIONS: OptionTable<PlotOptions> = { rankDir: ['TB', 'LR'] }

declare module '../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Draws the graph of the layers in a file (a path or a file: URL): a picture for a name that ends in .svg, text for
     * Graphviz for .dot and .gv. Boxes have names, kinds and numbers of parameters, edges the shape of a sample.
     * Throws ERR_ARGUMENT for another name, ERR_STATE for a full disk and the like.
     */
    plot(file: Place, options?: PlotOptions): Promise<void>
  }
}

async function plot(graph: LayerGraph, place: Place, { rankDir = 'TB' }: PlotOptions): Promise<void> {
  const file = pathOf('plot', place, 'file')
  const ending = /\.(svg|dot|gv)$/i.exec(file)?.[1]?.toLowerCase()
  if (ending === undefined)
    throw new WeftError('ERR_ARGUMENT', `plot: '${file}' ends neither in .svg nor in .dot or .gv`, { hint: "Write net.plot('net.svg')" })
  const horizontal = rankDir === 'LR'
  const text = ending === 'svg' ? await svgText(graph, horizontal) : dotText(graph, horizontal)
  await replaceFile('plot', file, (fresh) => writeNew(fresh, async (handle) => void (await handle.writeFile(text))))
}

const FONT = 12
const LINE = 16
const MARGIN = 12
/** About how wide letters are. */
const widthOf = (text: string, size: number): number => [...text].length * size * 0.6

const shown = (text: string): string => ([...text].length > 60 ? `${[...text].slice(0, 57).join('')}...` : text)
const linesOf = ({ name, kind, parameters }: GraphNode): string[] => [shown(name), `${kind}${countText(parameters)}`]

async function svgText({ name, nodes, edges }: LayerGraph, horizontal: boolean): Promise<string> {
  // as large as it is, only who draws loads it
  const { Graph, layout } = await import('@dagrejs/dagre')
  const graph = new Graph({ multigraph: true })
  graph.setGraph({ rankdir: horizontal ? 'LR' : 'TB', nodesep: 24, ranksep: 36, marginx: MARGIN, marginy: MARGIN })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const node of nodes) {
    const width = Math.max(...linesOf(node).map((line) => widthOf(line, FONT))) + 2 * MARGIN
    graph.setNode(node.id, { width, height: 2 * LINE + MARGIN })
  }
  edges.forEach(({ from, to, shape }, i) => {
    const text = sampleText(shape)
    graph.setEdge(from, to, { width: widthOf(text, FONT - 2), height: LINE, labelpos: 'c' }, String(i))
  })
  layout(graph)
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  const n = (value: number): string => String(Math.round(value * 10) / 10)
  const boxes = nodes.map((node) => {
    const { x, y, width: w, height: h } = graph.node(node.id) as { x: number; y: number; width: number; height: number }
    const [first, second] = linesOf(node) as [string, string]
    return [
      `<rect x="${n(x - w / 2)}" y="${n(y - h / 2)}" width="${n(w)}" height="${n(h)}" rx="6" fill="#f4f7fb" stroke="#5b7aa5"/>`,
      `<text x="${n(x)}" y="${n(y - 3)}" font-weight="bold">${escaped(first)}</text>`,
      `<text x="${n(x)}" y="${n(y + LINE - 3)}" fill="#555">${escaped(second)}</text>`,
    ].join('')
  })
  const lines = edges.map(({ from, to, shape }, i) => {
    const { points, x, y } = graph.edge(from, to, String(i)) as { points: { x: number; y: number }[]; x: number; y: number }
    const path = points.map((p, k) => `${k === 0 ? 'M' : 'L'}${n(p.x)} ${n(p.y)}`).join('')
    return [
      `<path d="${path}" fill="none" stroke="#8a94a3" marker-end="url(#end)"/>`,
      `<text x="${n(x)}" y="${n(y + 4)}" font-size="${FONT - 2}" fill="#8a4b08" stroke="#fff" stroke-width="3" paint-order="stroke">${escaped(sampleText(shape))}</text>`,
    ].join('')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}" font-family="Helvetica, Arial, sans-serif" font-size="${FONT}" text-anchor="middle">`,
    `<title>${escaped(name)}</title>`,
    '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a94a3"/></marker></defs>',
    ...lines,
    ...boxes,
    '</svg>',
    '',
  ].join('\n')
}

Model.prototype.plot = async function (place: Place, options: PlotOptions = {}): Promise<void> {
  checkCall('plot(file, options)', arguments, OPTIONS)
  return plot(this.layerGraph(), place, options)
}
