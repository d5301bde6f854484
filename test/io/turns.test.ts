// Changes of one place, by one process and by several: none is lost.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inTurn } from '../../lib/io/turns.js'
import { rejection } from '../expect.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-turns-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => path.join(folder, name)

test('in the order of the calls, also after one that failed', async () => {
  const done: number[] = []
  const turns = [30, 1, 10, 0].map((ms, i) =>
    inTurn('place', async () => {
      await pause(ms)
      done.push(i)
      if (i === 1) throw new Error('in the middle')
    }),
  )
  assert.is((await rejection(turns[1]!)).message, 'in the middle')
  await Promise.all(turns.filter((_, i) => i !== 1))
  assert.equal(done, [0, 1, 2, 3])
})

test('several processes with a lock: each sees what the others did', async () => {
  writeFileSync(at('count'), '0')
  const program = `
    const { readFileSync, writeFileSync } = await import('node:fs')
    const { inTurn } = await import(${JSON.stringify(new URL('../../lib/io/turns.js', import.meta.url).href)})
    const [file] = process.argv.slice(1)
    const add = async () => {
      const count = Number(readFileSync(file, 'utf8'))
      await new Promise((resolve) => setTimeout(resolve, 40))
      writeFileSync(file, String(count + 1))
    }
    await Promise.all(Array.from({ length: 10 }, () => inTurn(file, add, { lock: true })))`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program, at('count')], { stdio: 'inherit' }),
  )
  for (const [code] of await Promise.all(children.map((child) => once(child, 'exit') as Promise<[number]>))) assert.is(code, 0)
  assert.is(readFileSync(at('count'), 'utf8'), '40')
  assert.not(existsSync(at('count.lock')))
})

test('a lock that was left is waited for, and not for ever; one that cannot be made is an error', async () => {
  const lock = at('left.lock')
  writeFileSync(lock, '')
  let done = false
  const turn = inTurn(at('left'), async () => void (done = true), { lock: true })
  await pause(200)
  assert.not(done)
  const before = Date.now() / 1000 - 11
  utimesSync(lock, before, before)
  await turn
  assert.ok(done)
  assert.not(existsSync(lock))
  assert.is((await rejection(inTurn(at('none/file'), async () => undefined, { lock: true }))).code, 'ENOENT')
})

test.run()
