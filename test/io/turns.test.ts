// Changes of one place, by one process and by several: none is lost.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
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

/** Lets processes add to the number in a file, each so many times. */
async function counted(name: string, processes: number, times: number): Promise<void> {
  const program = `
    const { readFileSync, writeFileSync } = await import('node:fs')
    const { inTurn } = await import(${JSON.stringify(new URL('../../lib/io/turns.js', import.meta.url).href)})
    const [file] = process.argv.slice(1)
    const add = async () => {
      const count = Number(readFileSync(file, 'utf8'))
      await new Promise((resolve) => setTimeout(resolve, 40))
      writeFileSync(file, String(count + 1))
    }
    await Promise.all(Array.from({ length: ${times} }, () => inTurn(file, add, { lock: true })))`
  const children = Array.from({ length: processes }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program, at(name)], { stdio: 'inherit' }),
  )
  for (const [code] of await Promise.all(children.map((child) => once(child, 'exit') as Promise<[number]>))) assert.is(code, 0)
}

test('several processes with a lock: each sees what the others did', async () => {
  writeFileSync(at('count'), '0')
  await counted('count', 4, 10)
  assert.is(readFileSync(at('count'), 'utf8'), '40')
  assert.not(existsSync(at('count.lock')))
})

test('a lock that was left is waited for, and not for ever, whatever its time; one that cannot be made is an error', async () => {
  const now = Date.now() / 1000
  const lefts = { old: now - 3600, future: now + 3600, link: undefined }
  const done: string[] = []
  const began = performance.now()
  const turns = Object.entries(lefts).map(([name, time]) => {
    const lock = at(`${name}.lock`)
    if (time === undefined) symlinkSync(at('nothing'), lock)
    else {
      writeFileSync(lock, '')
      utimesSync(lock, time, time)
    }
    return inTurn(at(name), async () => void done.push(name), { lock: true })
  })
  await pause(1000)
  assert.equal(done, [], 'its owner may be at work')
  await Promise.all(turns)
  assert.equal(done.sort(), ['future', 'link', 'old'])
  assert.ok(performance.now() - began > 10_000)
  assert.equal(
    readdirSync(folder).filter((name) => /lock|weft/.test(name)),
    [],
  )
  assert.is((await rejection(inTurn(at('none/file'), async () => undefined, { lock: true }))).code, 'ENOENT')
  mkdirSync(at('folder.lock'))
  const { code, message } = await rejection(inTurn(at('folder'), async () => undefined, { lock: true }))
  assert.is(code, 'ERR_ARGUMENT')
  assert.match(message, /folder\.lock is a folder, in the place of a file that says who writes/)
  assert.ok(existsSync(at('folder.lock')))
})

test('processes that find a lock that was left: one works at a time, and each does', async () => {
  writeFileSync(at('found'), '0')
  writeFileSync(at('found.lock'), '')
  await counted('found', 4, 1)
  assert.is(readFileSync(at('found'), 'utf8'), '4')
  assert.not(existsSync(at('found.lock')))
})

test('a lock of work that takes longer is touched, and one that is not ours any more is left', async () => {
  const lock = at('long.lock')
  const times: number[] = []
  await inTurn(
    at('long'),
    async () => {
      for (let i = 0; i < 2; i++) {
        times.push(statSync(lock).mtimeMs)
        await pause(2500)
      }
      rmSync(lock)
      writeFileSync(lock, 'of another')
    },
    { lock: true },
  )
  assert.ok(times[1]! > times[0]!, `${times}`)
  assert.is(readFileSync(lock, 'utf8'), 'of another')
})

test.run()
