// Threads of the CPU device. The pool: runs of few and of many chunks in turns, so that threads which are late in one
// run meet the next, and now and then of more chunks than a share can count. And who computes where JavaScript does.
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

const POOL = `
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

const LOAD = `
#include <cstdio>
#include <atomic>
#include <thread>
#include "pace.h"
#include "thread_load.h"
using weft::Pace, weft::ThreadLoad;
int failed = 0;
void check(bool holds, const char* what) { if (!holds) std::printf("not so: %s\\n", what), failed = 1; }

// runs that all threads do in half the time of one
int alone_of(Pace& pace, double alone_us, bool crowded) {
  int alone = 0;
  for (int i = 0; i < 400; i++) {
    const bool by_itself = pace.alone(crowded);
    pace.took(by_itself, by_itself ? alone_us : alone_us / 2);
    alone += by_itself;
  }
  return alone;
}

// what another thread says of one that does this again and again: whether it ever computes, within so many milliseconds
bool computes(void (*turn)(ThreadLoad&), int milliseconds) {
  std::atomic<ThreadLoad*> load{nullptr};
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    ThreadLoad own;
    load = &own;
    while (!stop) turn(own);
    load = nullptr;
  });
  while (!load) std::this_thread::yield();
  bool any = false;
  for (int i = 0; i < milliseconds && !any; i++) any = load.load()->computes(), std::this_thread::sleep_for(std::chrono::milliseconds(1));
  stop = true;
  thread.join();
  return any;
}

int main() {
  Pace pace;
  check(alone_of(pace, 2000, false) < 40, "two threads are worth it");
  check(alone_of(pace, 2000, true) == 400 && !pace.expects_all(), "short runs leave a processor to JavaScript");
  check(alone_of(pace, 2000, false) < 40, "afterwards two threads are worth it again");
  Pace slow;
  alone_of(slow, 20'000, false);
  check(alone_of(slow, 20'000, true) < 40, "long runs do not");
  check(computes([](ThreadLoad&) { for (volatile int i = 0; i < 1000; i = i + 1) {} }, 60'000), "a thread computes");
  check(!computes([](ThreadLoad& load) { load.looked(); }, 200), "looking for an end is no computing");
  check(!computes([](ThreadLoad&) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }, 200), "sleeping is none");
  if (!failed) std::printf("as said");
  return failed;
}`

/** Builds and runs a program. Returns what it prints. */
const printed = (text: string, files: string[]): string => {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-threads-'))
  try {
    const [source, program] = [path.join(folder, 'program.cc'), path.join(folder, 'program')]
    writeFileSync(source, text)
    const args = ['-std=c++20', '-O2', `-I${native}`, source, ...files.map((file) => path.join(native, file)), '-lpthread', '-o', program]
    const built = spawnSync(compiler, args, { encoding: 'utf8' })
    assert.is(built.status, 0, built.stderr)
    const env = { ...process.env, WEFT_THREADS: '3' }
    // the limit ends a run that would never end
    const { stdout, signal } = spawnSync(program, { encoding: 'utf8', env, timeout: 600_000, killSignal: 'SIGKILL' })
    return stdout || String(signal)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// a thread that was late took the next run's number of chunks for its own run's: a chunk was done twice, and the run
// never ended
testWith(hasCompiler, 'a C++ compiler', 'each chunk of each run is done once', () => {
  assert.is(printed(POOL, ['cpu/parallel.cc']), 'each chunk once')
})

// runs that took a second thread's processor from JavaScript looked shorter, and steps took up to 1.2 times as long
testWith(hasCompiler, 'a C++ compiler', 'short runs leave one of two processors to JavaScript that computes', () => {
  assert.is(printed(LOAD, []), 'as said')
})

test.run()
