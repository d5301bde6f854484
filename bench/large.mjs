// Large weights: the initial values of recurrent layers, and saving and loading a model of GPT-2's size with Adam's
// moments (1.5 GB) beside a plain copy of as many bytes: time, and how far the resident memory rises. Needs about 6 GB
// of memory and as much disk.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { summarize } from './shared/measure.mjs'
import { Report, readOptions } from './shared/report.mjs'
import { weftSide } from './shared/side.mjs'

const options = readOptions({ rounds: { type: 'string', default: '3' }, folder: { type: 'string', default: tmpdir() } })
const rounds = options.quick ? 1 : Number(options.rounds)
const report = new Report(`Large weights: ${rounds} round(s), the best`, options)
const MiB = 2 ** 20

for (const [kind, units] of [
  ['simpleRnn', 1024],
  ['gru', 512],
  ['lstm', 512],
  ['lstm', 1024],
]) {
  const side = weftSide('large.mjs', 1)
  const times = []
  for (let round = 0; round < Math.max(3, rounds); round++)
    times.push(await side.request({ command: 'layer', kind, units, folder: options.folder }))
  side.close()
  for (const [part, title] of [
    ['build', 'built'],
    ['load', 'loaded'],
  ]) {
    const seconds = summarize(times.map((reply) => reply[part]))
    report.row({
      name: `${kind}(${units}) of 64 inputs, ${title}`,
      measured: seconds.minimum,
      unit: 's',
      value: seconds.minimum,
      goal: 0.3,
      atMost: true,
      raw: { seconds },
    })
  }
}

/**
 * Seconds that a program takes which does nothing but write so many bytes in pieces and make them stay, read them into
 * one piece of memory, read them into memory that is new, and hash them.
 */
const copy = (path, bytes) => {
  const piece = new Uint8Array(8 * MiB).fill(7)
  const begin = performance.now()
  let file = openSync(path, 'w')
  for (let at = 0; at < bytes; at += piece.length) writeSync(file, piece, 0, Math.min(piece.length, bytes - at))
  fsyncSync(file)
  closeSync(file)
  const written = performance.now()
  file = openSync(path)
  for (let at = 0; at < bytes; ) at += readSync(file, piece, 0, piece.length)
  const read = performance.now()
  const kept = []
  for (let at = 0; at < bytes; ) {
    const fresh = Buffer.allocUnsafeSlow(Math.min(piece.length, bytes - at))
    kept.push(fresh)
    at += readSync(file, fresh, 0, fresh.length, at)
  }
  closeSync(file)
  const held = performance.now()
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += piece.length) hash.update(piece.subarray(0, bytes - at))
  hash.digest()
  const hashed = performance.now()
  rmSync(path)
  return {
    write: (written - begin) / 1000,
    read: (read - written) / 1000,
    fresh: (held - read) / 1000,
    hash: (hashed - held) / 1000,
  }
}

/** All files below a folder. */
const filesBelow = (path) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Takes the files out of the page cache, so that the next read comes from the disk. Node has no call for it. */
const DROP = `import os, sys
for name in sys.argv[1:]:
    file = os.open(name, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)`
const drop = (path) => execFileSync('python3', ['-c', DROP, ...filesBelow(path)])

/** Seconds in which the files come from the disk, in pieces, into one piece of memory. */
const readFromDisk = (path) => {
  drop(path)
  const piece = new Uint8Array(8 * MiB)
  const begin = performance.now()
  for (const name of filesBelow(path)) {
    const file = openSync(name)
    while (readSync(file, piece, 0, piece.length) > 0);
    closeSync(file)
  }
  return (performance.now() - begin) / 1000
}

const folder = mkdtempSync(join(options.folder, 'weft-bench-large-'))
try {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < 5e9) throw new Error(`${folder} has ${Math.round((bavail * bsize) / 1e9)} GB left; 5 are needed: --folder elsewhere`)
  const saving = weftSide('large.mjs', 1)
  const { bytes } = await saving.request({ command: 'make' })
  const saves = []
  const loads = []
  const fromDisk = []
  const copies = []
  const load = async () => {
    const side = weftSide('large.mjs', 1)
    const reply = await side.request({ command: 'load', path: join(folder, 'model') })
    side.close()
    return reply
  }
  for (let round = 0; round < rounds; round++) {
    copies.push(copy(join(folder, 'copy'), bytes))
    saves.push(await saving.request({ command: 'save', path: join(folder, 'model') }))
    loads.push(await load())
    const disk = readFromDisk(join(folder, 'model'))
    drop(join(folder, 'model'))
    fromDisk.push({ disk, ...(await load()) })
  }
  saving.close()
  const best = (list, part) => Math.min(...list.map((reply) => reply[part]))
  for (const [name, list, plains, part] of [
    ['saved', saves, copies, 'write'],
    ['loaded, from the page cache', loads, copies, 'read'],
    ['loaded, from the disk', fromDisk, fromDisk, 'disk'],
  ]) {
    const [own, plain] = [best(list, 'seconds'), best(plains, part)]
    report.row({
      name: `model of ${(bytes / 1e9).toFixed(2)} GB ${name}`,
      measured: own,
      unit: 's',
      peer: plain,
      peerName: part === 'disk' ? 'a plain read' : `a plain ${part}`,
      value: plain / own,
      raw: { seconds: list, copies },
    })
    const rise = Math.max(...list.map((reply) => reply.rise)) / MiB
    report.row({
      name: `model of ${(bytes / 1e9).toFixed(2)} GB ${name}: rise of the resident memory beside the weights`,
      measured: rise,
      unit: 'MiB',
      value: rise,
      goal: 64,
      atMost: true,
      raw: list,
    })
  }
  const [fresh, hash] = [best(copies, 'fresh'), best(copies, 'hash')]
  report.note(
    `a plain read into new memory takes ${fresh.toFixed(2)} s, SHA-256 ${hash.toFixed(2)} s (${(bytes / 1e9 / hash).toFixed(2)} GB/s); loaded with checksums, one beside the other: at least ${Math.max(fresh, hash).toFixed(2)} s`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
report.finish()
