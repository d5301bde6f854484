// The rows of wide_rows.ts, attention_rows.ts and recurrent_rows.ts, once: not a test, but run with export.ts for the
// emulated GPU to repeat it.
import { attentions } from './attention_rows.js'
import { recurrent } from './recurrent_rows.js'
import { DTYPES, SHAPES, wide } from './wide_rows.js'

for (const shape of SHAPES) for (const dtype of DTYPES) for (const { value } of wide(shape, dtype)) await value.data()
for (const dtype of DTYPES) for (const result of recurrent(dtype)) await result.data()
for (const dtype of DTYPES) for (const result of attentions(dtype)) await result.data()
