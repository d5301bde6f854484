// Pictures of rows of a table: the share of each feature in a prediction, as bars to both sides.
import { barsSvg } from '../../io/chart.js'
import type { AnyPredictor } from '../../learn/report/predictor.js'
import { shap } from '../shap.js'

/** Bars of a row, and rows that stand for what is not known. */
const [MOST_BARS, BACKGROUND] = [10, 30]

const short = (value: number): string => String(Number(value.toPrecision(4)))

/**
 * @param x all rows, of which some are the background
 * @param chosen places of the rows that are explained
 * @param outputs the output that is explained of each of them
 */
export async function rowExplanations(
  model: AnyPredictor,
  x: readonly (readonly number[])[],
  chosen: readonly number[],
  outputs: readonly number[],
  names: readonly string[],
  captions: readonly string[],
  seed: number | undefined,
): Promise<string> {
  const step = Math.max(1, Math.floor(x.length / BACKGROUND))
  const background = x.filter((_, i) => i % step === 0).slice(0, BACKGROUND)
  const rows = chosen.map((at) => x[at]!)
  const { values, output, method } = await shap(model, rows as never, {
    background: background as never,
    ...(names.length > 11 ? { samples: 512 } : {}),
    ...(seed === undefined ? {} : { seed }),
  })
  const charts = await Promise.all(
    rows.map((row, i) => {
      const shares = values[i]!.map((share) => (typeof share === 'number' ? share : share[outputs[i]!]!))
      const order = shares.map((_, feature) => feature).sort((a, b) => Math.abs(shares[b]!) - Math.abs(shares[a]!))
      const bars = order
        .slice(0, MOST_BARS)
        .map((feature) => ({ name: `${names[feature]} = ${short(row[feature]!)}`, value: shares[feature]! }))
      return barsSvg(captions[i]!, `share in the ${output}`, bars)
    }),
  )
  return `<p>SHAP values (${method}): to the right what raises the ${output}, to the left what lowers it, against ${background.length} of these rows.</p>\n<div class="charts">\n${charts.join('\n')}\n</div>`
}
