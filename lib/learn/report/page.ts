// The page of a report: one HTML file with everything in it, and no script.
import { escaped } from '../../io/xml.js'
import type { ClassFigures, Figure, NumberFigures } from './figures.js'

export interface Page {
  readonly title: string
  /** What was evaluated: lines of name and value. */
  readonly facts: readonly (readonly [string, string])[]
  readonly found: ClassFigures | NumberFigures
  readonly curves: readonly string[]
  readonly importance: string | undefined
  /** Why the model decides so in some samples. */
  readonly explanations: string | undefined
}

const STYLE = `
:root { color-scheme: light; }
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1b1b1b; background: #fff; max-width: 960px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 1em 0; } p { color: #444; max-width: 42em; }
th, td { padding: .3em .7em; border: 1px solid #ccc; text-align: right; font-variant-numeric: tabular-nums; }
th[scope=row], td.text { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em; } dd { margin: 0; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; } svg { max-width: 100%; height: auto; }
.right { outline: 2px solid #1b1b1b; outline-offset: -3px; } .scroll { overflow-x: auto; }
.explained { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 14px; } figure { margin: 0; width: min-content; min-width: 112px; }
figcaption { font-size: .8em; color: #444; } img { image-rendering: pixelated; display: block; border: 1px solid #ccc; }
.words { color: #1b1b1b; line-height: 2; max-width: none; } .words span { padding: .1em .15em; }
.for { text-decoration: underline; text-decoration-thickness: 2px; } .against { text-decoration: underline dotted; text-decoration-thickness: 2px; }
.attention { font-size: .75em; margin: .3em 0; } .attention th, .attention td { padding: .15em .35em; } h3 { font-size: 1em; width: 100%; margin: .5em 0 0; }
@media print { body { margin: 0; } svg, table { break-inside: avoid; } }
`

export const shown = (value: number): string =>
  Number.isNaN(value)
    ? 'not defined'
    : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
      ? value.toExponential(3)
      : String(Number(value.toFixed(4)))

function figureTable(figures: readonly Figure[], tells: 'classes' | 'numbers'): string {
  const [first] = figures
  const percent = Math.round((first?.interval.confidence ?? 0.95) * 100)
  const rows = figures.map(({ name, interval, baseline, larger }) => {
    const better = larger ? interval.low > baseline : interval.high < baseline
    const verdict = better ? 'yes' : 'not shown'
    const cells = [shown(interval.value), `${shown(interval.low)} to ${shown(interval.high)}`, shown(baseline)]
    return `<tr><th scope="row">${escaped(name)}${larger ? '' : ' (less is better)'}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}<td class="text">${verdict}</td></tr>`
  })
  const baseline = tells === 'classes' ? 'most frequent class' : 'mean of the targets'
  return `<p>Intervals hold the figure with ${percent} % probability, by ${first?.interval.resamples ?? 0} draws of the rows. The baseline is the ${baseline} of these data.</p>
<table><tr><th scope="col">figure</th><th scope="col">value</th><th scope="col">interval</th><th scope="col">baseline</th><th scope="col">better than the baseline</th></tr>
${rows.join('\n')}</table>`
}

/** Cells are darker the larger their share of the row; the number stands in each. */
function confusionTable({ names, confusion }: ClassFigures): string {
  const head = names.map((name) => `<th scope="col">${escaped(name)}</th>`).join('')
  const rows = confusion.map((row, i) => {
    const all = row.reduce((sum, count) => sum + count, 0)
    const cells = row.map((count, j) => {
      const share = all === 0 ? 0 : count / all
      const light = Math.round(100 - 45 * share)
      return `<td${i === j ? ' class="right"' : ''} style="background:hsl(210 60% ${light}%)">${count}</td>`
    })
    return `<tr><th scope="row">${escaped(names[i]!)}</th>${cells.join('')}<td>${all}</td></tr>`
  })
  return `<p>Rows: the true class. Columns: the predicted one. Outlined: right predictions. Darker: a larger share of the row.</p>
<div class="scroll"><table><tr><th></th>${head}<th scope="col">all</th></tr>
${rows.join('\n')}</table></div>`
}

function classTable({ byClass, classes, names }: ClassFigures): string {
  const rows = [...classes.map(String), 'macro avg', 'weighted avg'].map((key, i) => {
    const name = names[i] ?? key
    const { precision, recall, f1Score, support } = byClass[key]!
    const cells = [precision, recall, f1Score, support].map((value) => `<td>${shown(value)}</td>`)
    return `<tr><th scope="row">${escaped(name)}</th>${cells.join('')}</tr>`
  })
  return `<table><tr><th></th><th scope="col">precision</th><th scope="col">recall</th><th scope="col">F1</th><th scope="col">rows</th></tr>
${rows.join('\n')}</table>`
}

export function pageOf({ title, facts, found, curves, importance, explanations }: Page): string {
  const list = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('\n')
  const classes =
    found.tells === 'classes' ? `<h2>Confusion matrix</h2>\n${confusionTable(found)}\n<h2>By class</h2>\n${classTable(found)}` : ''
  const pictures = curves.length > 0 ? `<h2>Curves</h2>\n<div class="charts">\n${curves.join('\n')}\n</div>` : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<dl>
${list}
</dl>
<h2>Figures</h2>
${figureTable(found.figures, found.tells)}
${classes}
${pictures}
${importance === undefined ? '' : `<h2>Importance of the features</h2>\n<div class="charts">${importance}</div>`}
${explanations === undefined ? '' : `<h2>Why: some samples</h2>\n${explanations}`}
</body>
</html>
`
}
