// Rows about sequences: recurrence, attention, and the training step of a small language model.

/**
 * One LSTM layer over a batch of sequences; input and state are equally wide. Where float16 differs from bfloat16,
 * PyTorch's kernel that keeps its weights on the chip for a whole sequence takes float16 only: a second peer, given the
 * same numbers.
 */
const lstm = (units, batch, steps, dtype, pass, extra = {}) => {
  const forward = 2 * batch * steps * 2 * units * 4 * units
  const flops = pass === 'forward' ? forward : 3 * forward
  const small = dtype === 'bfloat16'
  return {
    kind: 'lstm',
    group: 'recurrence',
    name: `lstm ${units} units, batch ${batch}, ${steps} steps, ${dtype}, ${pass}`,
    units,
    batch,
    steps,
    pass,
    dtype,
    precision: 'float32',
    // so that a sum over one row stays near 1
    scale: 1 / Math.sqrt(units),
    flops,
    sets: flops > 2e11 ? 1 : 2,
    milliseconds: 60,
    // states in bfloat16 are rounded at every step, on both sides in places of their own
    tolerance: small ? 1.5e-2 : 1e-3,
    tolerances: small ? undefined : { tf32: 1e-2 },
    versus: small
      ? [
          { title: 'against its bfloat16', prefix: 'bfloat16', goal: 4 },
          { title: 'against its float16', prefix: 'float16', goal: 1.5 },
        ]
      : [
          { title: 'against its float32', prefix: 'float32', goal: 4 },
          { title: 'against its tf32', prefix: 'tf32' },
        ],
    next: 'recurrent weights in shared memory and registers of more blocks, products of warpgroups, two parts of the batch in turn behind each barrier',
    ...extra,
  }
}

/**
 * [batch, steps, heads, features]; flops of a causal call are half of all pairs', and those of gradients 2.5 times the
 * forward pass's.
 */
const attention = (queries, keys, features, pass, { causal = false, batch = 4, heads = 16, dtype = 'bfloat16', ...extra } = {}) => {
  const forward = (4 * batch * heads * queries * keys * features) / (causal ? 2 : 1)
  const title = queries === keys ? `${queries} steps` : `${queries} query and ${keys} keys`
  return {
    kind: 'attention',
    group: 'attention',
    name: `attention ${batch} x ${title}, ${heads} heads of ${features}${causal ? ', causal' : ''}, ${dtype}, ${pass}`,
    batch,
    queries,
    keys,
    heads,
    features,
    causal,
    pass,
    dtype,
    precision: 'float32',
    flops: pass === 'forward' ? forward : 3.5 * forward,
    sets: 2,
    milliseconds: 80,
    tolerance: pass === 'forward' ? 1e-2 : 2e-2,
    versus: [
      { title: 'against the default', prefix: 'default', goal: 1.5 },
      { title: 'against the best', prefix: '' },
    ],
    next: 'a producer warp and two warpgroups in turn, exponentials of one tile beside the products of the other, backward with warpgroup products',
    ...extra,
  }
}

/** One query against a cache: what counts is how fast keys and values are read, once each. */
const decoding = (keys, features, extra) => {
  const { flops: _, ...row } = attention(1, keys, features, 'forward', extra)
  const { batch, heads } = row
  return {
    ...row,
    bytes: 2 * 2 * batch * keys * heads * features,
    // enough caches that none is still in the GPU's own
    sets: 8,
    next: 'wider reads, more of them under way, the parts of a cache joined by the last block',
  }
}

const language = (precision, { layers, width, heads, steps, batch, vocabulary, batches }, extra = {}) => ({
  kind: 'language',
  group: 'language',
  name: `GPT of ${layers} blocks of ${width}, ${steps} steps, batch ${batch}, AdamW, training step, ${precision}`,
  precision,
  layers,
  width,
  heads,
  steps,
  batch,
  vocabulary,
  samples: batches * batch,
  twin: precision === 'tf32',
  // losses of twelve steps from equal weights
  tolerance: precision === 'float32' ? 2e-4 : precision === 'tf32' ? 1e-3 : 2e-3,
  versus: [
    { title: 'against eager', prefix: 'eager' },
    { title: 'against torch.compile', prefix: 'compile', goal: 1.5 },
    { title: 'against the best', prefix: '' },
  ],
  next: 'gradients of one layer beside each other, normalization and residual sums inside the products, programmatic dependent launch',
  ...extra,
})

const passes = ['forward', 'forward and backward']
const dtypes = ['float32', 'bfloat16']

export const full = () => [
  ...dtypes.flatMap((dtype) =>
    [128, 512, 768, 1024].flatMap((units) => [16, 64, 128].flatMap((batch) => passes.map((pass) => lstm(units, batch, 512, dtype, pass)))),
  ),
  ...passes.flatMap((pass) =>
    [1024, 4096].flatMap((steps) =>
      [64, 128].flatMap((features) => [false, true].map((causal) => attention(steps, steps, features, pass, { causal }))),
    ),
  ),
  ...[64, 128].map((features) => decoding(4096, features)),
  ...['tf32', 'mixedBfloat16'].map((precision) =>
    language(precision, { layers: 4, width: 256, heads: 4, steps: 256, batch: 16, vocabulary: 256, batches: 64 }),
  ),
]

export const tiny = () => [
  ...dtypes.flatMap((dtype) => passes.map((pass) => lstm(24, 3, 7, dtype, pass))),
  ...passes.flatMap((pass) => [false, true].map((causal) => attention(40, 40, 16, pass, { causal, batch: 2, heads: 2 }))),
  decoding(70, 16, { batch: 2, heads: 2 }),
  ...['float32', 'tf32', 'mixedBfloat16'].map((precision) =>
    language(precision, { layers: 2, width: 16, heads: 2, steps: 12, batch: 2, vocabulary: 20, batches: 4 }),
  ),
]
