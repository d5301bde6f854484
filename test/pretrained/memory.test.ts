// A model of Llama's widths takes little more memory than its files while it loads, and is read in its own dtype.
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyOne } from '../../lib/core/apply.js'
import { jit, loadPretrained, matMul, memory, ones, type Tensor, tensor, variable, zeros } from '../../lib/index.js'
import { CacheUpdate } from '../../lib/ops/update_slice.js'

const WIDTH = 4096
const SHARED = 1024
const INNER = 2048
const WORDS = 1000

/** Two layers of grouped queries: a file of 285 MB, all zeros. */
function write(folder: string): number {
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [WORDS, WIDTH],
    'model.norm.weight': [WIDTH],
    'lm_head.weight': [WORDS, WIDTH],
  }
  for (const i of [0, 1]) {
    const layer = (name: string, shape: number[]): void => void (shapes[`model.layers.${i}.${name}.weight`] = shape)
    layer('self_attn.q_proj', [WIDTH, WIDTH])
    layer('self_attn.k_proj', [SHARED, WIDTH])
    layer('self_attn.v_proj', [SHARED, WIDTH])
    layer('self_attn.o_proj', [WIDTH, WIDTH])
    layer('mlp.gate_proj', [INNER, WIDTH])
    layer('mlp.up_proj', [INNER, WIDTH])
    layer('mlp.down_proj', [WIDTH, INNER])
    layer('input_layernorm', [WIDTH])
    layer('post_attention_layernorm', [WIDTH])
  }
  let at = 0
  const header = Object.entries(shapes).map(([name, shape]) => {
    const bytes = shape.reduce((n, extent) => n * extent, 2)
    return [name, { dtype: 'BF16', shape, data_offsets: [at, (at += bytes)] }]
  })
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const fd = openSync(path.join(folder, 'model.safetensors'), 'w')
  writeSync(fd, Buffer.concat([length, json]))
  ftruncateSync(fd, 8 + json.length + at)
  closeSync(fd)
  writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: WORDS,
      hidden_size: WIDTH,
      intermediate_size: INNER,
      num_hidden_layers: 2,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      max_position_embeddings: 8192,
      rope_theta: 500_000,
    }),
  )
  return at
}

test('loading takes less than 1.2 times the size of the file', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-memory-'))
  try {
    const size = write(folder)
    const before = process.memoryUsage().rss
    const { model } = await loadPretrained(folder, { dtype: 'auto' })
    // the most that was ever resident, in kilobytes
    const most = process.resourceUsage().maxRSS * 1024 - before
    assert.ok(most < 1.2 * size, `${(most / size).toFixed(2)} times ${size} bytes`)
    assert.ok(model.weights.every((weight) => weight.dtype === 'bfloat16'))
    model.dispose()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a step that updates state makes one weight float32 at a time', async () => {
  const weights = Array.from({ length: 8 }, () => variable(zeros([256, 256]), { dtype: 'bfloat16' }))
  const seen = variable([0])
  const step = jit((x: Tensor) => {
    const before = x.add(seen)
    seen.assign(applyOne(CacheUpdate, [seen, x.sum().reshape([1]), tensor(Int32Array.of(0))], { axis: 0 }))
    return weights.reduce((h, w) => matMul(h, w.cast('float32')), before.add(seen))
  })
  const base = memory().device
  const y = step(ones([1, 256]))
  await y.data()
  const { reserved, used } = memory().device
  assert.ok(reserved - used - (base.reserved - base.used) < 3 * 256 * 256 * 4, `${reserved - used} bytes`)
  assert.equal(await seen.data(), Float32Array.of(256))
})

test.run()
