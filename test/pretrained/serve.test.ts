// A language model of a Hugging Face folder is served: saved with its tokenizer, it writes texts over HTTP.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadPretrained } from '../../lib/index.js'
import { serve } from '../../lib/serve/index.js'
import { fixture } from './fixtures.js'

test('generate over HTTP gives the texts of the model', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-served-'))
  const { model, tokenizer } = await loadPretrained(fixture('llama'))
  await model.save(path.join(folder, 'writer'), { assets: { tokenizer } })
  const ids: number[] = []
  for await (const id of model.generate(tokenizer.encode('the man'), {
    maxTokens: 6,
    temperature: 0,
    repetitionPenalty: 1,
    stopTokens: [],
  }))
    ids.push(id)
  const server = await serve({ repository: folder, http: { port: 0 } })
  try {
    const reply = await fetch(`${server.address.http}/v2/models/writer/generate`, {
      method: 'POST',
      body: JSON.stringify({ text_input: 'the man', stop_tokens: [], parameters: { max_tokens: 6, temperature: 0 } }),
    })
    const json = (await reply.json()) as { ids: number[]; text_output: string }
    assert.is(reply.status, 200, JSON.stringify(json))
    assert.equal(json.ids, ids)
  } finally {
    await server.close()
    model.dispose()
    await rm(folder, { recursive: true })
  }
})

test.run()
