// The pages of the reference: which names go where, in which order, and under which heading a link finds them.

/** Pages of the main entry by what is said about them; every other namespace and entry is a page of its own. */
const PAGES = {
  tensors: { title: 'Tensors and functions', guide: ['tensors.md', 'loops.md', 'devices.md'] },
  operations: { title: 'Operations', guide: ['tensors.md', 'operations.md'] },
  models: { title: 'Models', guide: ['first-model.md', 'training.md'] },
  files: { title: 'Files and models from elsewhere', guide: ['saving.md', 'onnx.md', 'pretrained.md'] },
  transformers: { title: 'Transformers', guide: ['transformers.md'] },
  layers: { title: 'Layers', guide: ['layers.md', 'own-layers.md'] },
  losses: { title: 'Losses', guide: ['training.md'] },
  metrics: { title: 'Metrics', guide: ['training.md'] },
  optimizers: { title: 'Optimizers', guide: ['training.md'] },
  schedules: { title: 'Schedules', guide: ['training.md'] },
  callbacks: { title: 'Callbacks', guide: ['callbacks.md'] },
  weights: { title: 'Initializers, regularizers, constraints', guide: ['layers.md'] },
  data: { title: 'Data', guide: ['data.md', 'sequences.md'] },
  datasets: { title: 'Data sets', guide: ['data.md'] },
  text: { title: 'Text', guide: ['text.md'] },
  images: { title: 'Images', guide: ['images.md'] },
  learn: { title: 'weftjs/learn', guide: ['learn.md', 'evaluation.md'] },
  explain: { title: 'weftjs/explain', guide: ['explain.md'] },
  compress: { title: 'weftjs/compress', guide: ['compression.md'] },
  serve: { title: 'weftjs/serve', guide: ['serving.md', 'deploying.md'] },
  tfjs: { title: 'weftjs/tfjs', guide: ['tfjs.md'] },
}

/** Pages of what the main entry exports without a namespace, by the folder of the source. */
const FOLDERS = {
  core: 'tensors',
  doctor: 'tensors',
  optimizers: 'tensors',
  ops: 'operations',
  model: 'models',
  'activations.ts': 'models',
  io: 'files',
  keras: 'files',
  onnx: 'files',
  pretrained: 'files',
  transformers: 'transformers',
}
const SPACES = { initializers: 'weights', regularizers: 'weights', constraints: 'weights' }

/** The page of a name. */
export function pageOf({ entry, space, file, kind, name }) {
  const [, part] = entry.split('/')
  if (part) return part
  const first = kind === 'namespace' && space === '' ? name : space.split('.')[0]
  if (first) return SPACES[first] ?? first
  const folder = file.split('/')[1]
  return FOLDERS[folder] ?? folder.replace(/\.ts$/, '')
}

export const titleOf = (page) => PAGES[page]?.title ?? page[0].toUpperCase() + page.slice(1)
export const guideOf = (page) => PAGES[page]?.guide ?? []

/** The pages that the names fill, in the order in which they are listed. */
export function pagesOf(names) {
  const pages = new Map(Object.keys(PAGES).map((page) => [page, []]))
  for (const name of names) {
    if (name.kind === 'namespace') continue
    const page = pageOf(name)
    pages.set(page, [...(pages.get(page) ?? []), name])
  }
  return new Map([...pages].filter(([, list]) => list.length > 0))
}

/** The anchors that GitHub and the site give to headings: of one page, in order. */
export function anchors() {
  const taken = new Map()
  return (heading) => {
    const plain = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    const seen = taken.get(plain) ?? 0
    taken.set(plain, seen + 1)
    return seen === 0 ? plain : `${plain}-${seen}`
  }
}

/** How a name is written where its entry is imported: 'layers.dense'. */
export const spoken = ({ space, name }) => (space === '' ? name : `${space}.${name}`)

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
const identity = ({ file, kind, name, space }) => `${kind} ${file} ${space.split('.').at(-1)} ${name}`

/**
 * How each page is laid out: its groups of names, what is told elsewhere already, and the anchor of each name.
 * @param {import('./read.mjs').Name[]} names
 */
export function layoutOf(names) {
  const seen = new Map()
  const layouts = []
  for (const [page, all] of pagesOf(names)) {
    const own = all.filter((each) => !seen.has(identity(each)))
    const again = all.filter((each) => seen.has(identity(each))).map((each) => [seen.get(identity(each)), each])
    for (const each of own) seen.set(identity(each), page)
    const functions = own.filter(({ kind }) => kind === 'function')
    const classes = new Map(own.filter(({ kind }) => kind === 'class').map((each) => [each.name, each]))
    // what only its factory makes stands with the factory
    const makersOf = (name) => functions.filter(({ makes }) => makes === name).length
    const inFactory = (each) =>
      each.kind === 'class' && makersOf(each.name) === 1 && each.members.filter(({ inherited }) => !inherited).length <= 12
    const described = new Set(functions.flatMap(({ options }) => options.names.filter((name) => name !== 'LayerOptions')))
    const spaces = [...new Set(own.map(({ space }) => space))]
    const groups = [
      ...spaces.map((space) => [
        spaces.length > 1 ? space : '',
        own.filter((each) => each.space === space && (each.kind === 'function' || each.kind === 'value')),
      ]),
      ['Classes', own.filter((each) => each.kind === 'class' && !inFactory(each))],
      ['Types', own.filter((each) => each.kind === 'type' && !described.has(each.name))],
    ].filter(([, list]) => list.length > 0)
    const slug = anchors()
    slug(titleOf(page))
    const links = new Map()
    for (const [title, list] of groups) {
      if (title) slug(title)
      for (const each of list.sort(byName)) links.set(each, `#${slug(each.name)}`)
    }
    const options = own.filter((each) => each.kind === 'type' && described.has(each.name)).sort(byName)
    layouts.push({ page, entry: all[0].entry, groups, links, classes, again, options })
  }
  return layouts
}

/** The anchor of each name on its page. */
export const referenceLinks = (names) => new Map(layoutOf(names).flatMap(({ links }) => [...links]))
