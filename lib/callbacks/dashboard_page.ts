// The page of the dashboard: one document that asks nobody but its server, and runs only the script and style in it.
import { createHash } from 'node:crypto'
import { SCRIPT } from './dashboard_script.js'

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #8884; --soft: #667; --a: #0b61a4; --b: #b3470b }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #14161a; --soft: #99a; --a: #79b8ff; --b: #ffab70 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 84rem; padding: 1rem 1.5rem 3rem; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; border-bottom: 1px solid var(--line); padding-bottom: .5rem }
h1 { font-size: 1.25rem; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem }
#status { margin: 0 0 0 auto; color: var(--soft); overflow-wrap: anywhere }
progress { width: 100%; margin-top: .75rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .5rem 1rem; margin: .5rem 0 }
dt { color: var(--soft); font-size: .8rem }
dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 1.15rem }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem }
.small { grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)) }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: .5rem }
figcaption { font-size: .85rem; overflow-wrap: anywhere }
figcaption span { color: var(--soft) }
svg { display: block; width: 100%; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink) }
.axis { stroke: var(--soft); fill: none } .rule { stroke: var(--line) }
.train { stroke: var(--a); fill: none; stroke-width: 1.8 } .mark.train { fill: var(--a); stroke: none }
.validation { stroke: var(--b); fill: none; stroke-width: 1.8; stroke-dasharray: 6 3 } .mark.validation { fill: var(--paper); stroke: var(--b); stroke-dasharray: none }
.bar { fill: var(--a) }
canvas { image-rendering: pixelated; width: 100%; max-width: 9rem; display: block; margin-bottom: .25rem }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
td, th { padding: 0 .5rem 0 0; text-align: left; font-weight: normal }
th { overflow-wrap: anywhere }
td { white-space: nowrap }
.none { color: var(--soft) }
`

export const PAGE: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>weft: training</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1 id="model">Training</h1><p id="status" role="status">asking</p></header>
<progress id="progress" aria-label="steps of the epoch"></progress>
<dl id="facts"></dl>
<h2>Curves</h2><div id="curves" class="grid"></div>
<h2>Predictions</h2><div id="samples" class="grid small"></div>
<h2>Weights</h2><div id="weights" class="grid small"></div>
<h2>Gradients</h2><div id="gradients" class="grid small"></div>
<noscript>This page needs JavaScript. The figures are at /data too.</noscript>
<script>${SCRIPT}</script>
</body>
</html>
`

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** What the page may do, and nothing else. */
export const POLICY: string = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
