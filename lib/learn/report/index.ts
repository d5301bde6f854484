// Reports of weftjs/learn.
export type { Figure } from './figures.js'
export { type ExplainOptions, type Report, type ReportData, type ReportOptions, report } from './report.js'
