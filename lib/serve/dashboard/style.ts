// The style of the dashboard.
export const STYLE: string = `
:root { color-scheme: light dark; --line: #8884; --soft: #888; --good: #1a7f37; --bad: #c4302b; --warn: #9a6700; --mark: #3b7dd8 }
@media (prefers-color-scheme: dark) { :root { --good: #4ac26b; --bad: #ff7b72; --warn: #d4a72c; --mark: #79b8ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 80rem; padding: 1rem 1.5rem 3rem; font: 15px/1.45 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; border-bottom: 1px solid var(--line); padding-bottom: .5rem }
h1 { font-size: 1.25rem; margin: 0 }
header p { margin: 0; color: var(--soft) }
#state { margin-left: auto; color: var(--soft) }
#state.lost, .bad { color: var(--bad) }
.good { color: var(--good) }
.warn { color: var(--warn) }
article { border: 1px solid var(--line); border-radius: 8px; margin-top: 1rem; padding: .75rem 1rem }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere }
h2 span, .label { font-weight: normal; font-size: .85rem; margin-left: .6rem }
.label { border: 1px solid var(--mark); color: var(--mark); border-radius: 1rem; padding: 0 .5rem }
.reason { margin: .25rem 0 0; color: var(--bad); overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem 1rem; margin: .75rem 0 0 }
dt { color: var(--soft); font-size: .8rem }
dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 1.1rem }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .5rem 1.5rem; margin-top: .75rem }
figure { margin: 0 }
figcaption { color: var(--soft); font-size: .8rem }
svg { display: block; width: 100%; height: 56px; border-bottom: 1px solid var(--line) }
polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; vector-effect: non-scaling-stroke }
rect { fill: var(--mark) }
table { border-collapse: collapse; margin-top: .75rem; font-size: .9rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--soft); font-size: .8rem }
th, td { text-align: right; padding: .15rem .75rem; border-top: 1px solid var(--line) }
th:first-child { text-align: left; font-weight: normal; overflow-wrap: anywhere }
`
