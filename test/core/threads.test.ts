// The CPU device's thread pool: runs of few and of many chunks in turns, so that threads which are late in one run meet
// the next, and now and then of more chunks than a share can count.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'

const native = fileURLToPath(new URL('../../../native', import.meta.url))
const compiler = process.env['CXX'] ?? 'g++'
const hasCompiler = spawnSync(compiler, ['--version']).status === 0

const PROGRAM = `
#include <cstdio>
#include <cstdlib>
#include <atomic>
#include <unistd.h>
#include "cpu/parallel.h"
int main() {
  std::atomic<long> calls{0}, numbers{0};
  long chunks = 0, sum = 0;
  for (long run = 0; run < 2'000'000; run++) {
    const long n = run % 100'000 == 0 ? 70'001 : run % 2 ? 40 : 2;
    weft::cpu::parallel(n, [&](int64_t chunk, int) {
      calls.fetch_add(1, std::memory_order_relaxed), numbers.fetch_add(chunk, std::memory_order_relaxed);
    });
    chunks += n, sum += n * (n - 1) / 2;
    if (calls.load() != chunks || numbers.load() != sum) return std::printf("%ld calls for %ld chunks after %ld runs", calls.load(), chunks, run), std::fflush(stdout), _exit(1), 1;
  }
  std::printf("each chunk once");
  std::fflush(stdout);
  _exit(0);
}`

// a thread that was late took the next run's number of chunks for its own run's: a chunk was done twice, and the run
// never ended
testWith(hasCompiler, 'a C++ compiler', 'each chunk of each run is done once', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-threads-'))
  try {
    const [source, program] = [path.join(folder, 'runs.cc'), path.join(folder, 'runs')]
    writeFileSync(source, PROGRAM)
    const files = [source, path.join(native, 'cpu/parallel.cc')]
    const built = spawnSync(compiler, ['-std=c++20', '-O2', `-I${native}`, ...files, '-lpthread', '-o', program], { encoding: 'utf8' })
    assert.is(built.status, 0, built.stderr)
    const env = { ...process.env, WEFT_THREADS: '3' }
    // the limit ends a run that would never end
    const { stdout, signal } = spawnSync(program, { encoding: 'utf8', env, timeout: 600_000, killSignal: 'SIGKILL' })
    assert.is(stdout, 'each chunk once', signal ?? '')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
