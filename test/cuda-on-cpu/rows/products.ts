// The rows of product_rows.ts, once: not a test, but run with export.ts for the emulated GPU to repeat them. The CPU
// computes all of them in float32.
import { computed, WAYS } from './product_rows.js'

for (const [dtype, way] of WAYS) for (const result of computed(dtype, way)) await result.data()
