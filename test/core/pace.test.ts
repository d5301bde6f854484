// Who computes a program: one thread or all of them. A machine is simulated whose other work slows runs down for some
// milliseconds at a time, most of all those of all threads. What is chosen must cost little more than the better way,
// also where JavaScript computes on one of two processors, and nothing that a run once took decides for ever.
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

interface Machine {
  /** Microseconds of an undisturbed run on one thread, and on all. */
  one: number
  all: number
  /** Mean microseconds between disturbances, and of one. */
  calm: number
  disturbed: number
  /** By what factors runs take longer meanwhile. */
  slowOne: number
  slowAll: number
  /** Microseconds after which all threads take twice as long for ever, and one takes its usual time. */
  changes?: number
  /** At what share of their pace all threads compute while JavaScript does, which is 4.6 of every 5.2 milliseconds. */
  busy?: number
  /** What the choice may cost on average. Default 3.5 %. */
  most?: number
}

const often = { calm: 60_000, disturbed: 15_000, slowOne: 1.3, slowAll: 2.2 }
const machines: Record<string, Machine> = {
  'a product that two threads do twice as fast': { one: 2600, all: 1350, ...often },
  'a long product': { one: 160_000, all: 82_000, calm: 400_000, disturbed: 300_000, slowOne: 1.2, slowAll: 2.2 },
  'an inference of 64 images': { one: 370, all: 240, ...often },
  'a step that gains little': { one: 380, all: 340, ...often },
  'a step of some milliseconds': { one: 4400, all: 2800, ...often },
  'a run for which waking costs most': { one: 60, all: 120, ...often },
  'a step that gains nothing': { one: 4400, all: 5000, ...often },
  'a machine that is disturbed more often than not': { one: 370, all: 240, calm: 10_000, disturbed: 20_000, slowOne: 1.2, slowAll: 2 },
  'a machine whose other processor is taken for good': { one: 4400, all: 2800, ...often, changes: 1e6, most: 0.08 },
  'a step of some milliseconds beside JavaScript that computes': { one: 3000, all: 1760, ...often, busy: 0.4, most: 0.045 },
  'a step of a millisecond beside JavaScript that computes': { one: 1000, all: 700, ...often, busy: 0.45, most: 0.045 },
  'a short step beside JavaScript that computes': { one: 300, all: 170, ...often, busy: 0.3, most: 0.045 },
  'a step that gains beside JavaScript that computes': { one: 3000, all: 1760, ...often, busy: 0.8, most: 0.045 },
}

const PROGRAM = `
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include "pace.h"
// Prints how much longer all runs of three seconds take than they would in the better of both ways, for 20 seeds.
int main(int, char** arguments) {
  double given[8];
  for (int i = 0; i < 8; i++) given[i] = std::atof(arguments[i + 1]);
  const auto [one, all, calm, disturbed, slow_one, slow_all, changes, busy] = given;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    uint64_t state = seed * 7919;
    const auto random = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, double(state >> 11) / 9007199254740992.0; };
    const auto after = [&](double mean) { return -std::log(1 - random()) * mean; };
    weft::Pace pace;
    double now = 0, next = after(calm), until = 0, spent = 0, always_one = 0, always_all = 0;
    int together = 0;  // runs of all threads in a row: the first ones share a processor
    while (now < 3e6) {
      if (now > next) until = next + after(disturbed), next = until + after(calm);
      const double jitter = 1 + 0.03 * random(), shared = now > changes ? 2 : 1;
      const double by_one = one * jitter * (now < until ? slow_one : 1);
      double work = all * jitter * shared, time = now;
      while (work > 0) {
        const double at = std::fmod(time, 5200), end = at < 4600 ? 4600 : 5200, pace = at < 4600 && busy < 1 ? busy * (0.6 + 0.8 * random()) : 1;
        const double part = std::min(work, (end - at) * pace);
        work -= part, time += part / pace + 1e-6;
      }
      const double by_all = (time - now) * (now < until ? slow_all : 1);
      const bool alone = pace.alone();
      together = alone ? 0 : together + 1;
      const double took = alone ? by_one : by_all * (together < 10 && together * all < 3000 ? 1.6 : 1);
      pace.took(alone, took);
      now += took, spent += took;
      always_one += now > changes || changes > 3e6 ? by_one : std::min(by_one, by_all), always_all += by_all;
    }
    std::printf("%.4f ", spent / std::min(always_one, always_all) - 1);
  }
}`

const COMES_BACK = `
#include <cstdio>
#include "pace.h"
// A run takes 12 microseconds on the thread that asks for it, and 60 on another, whose caches are cold each time. Where
// all threads do it, it takes 58. Prints how many runs went elsewhere after the machine was slow by \`slow\` for the
// first ones, and after it was slow for a second in between. And of the two seconds after another slow one, how many
// milliseconds one thread computed alone where all threads gain.
int main() {
  weft::Pace pace;
  const auto elsewhere = [&](double slow) {
    const bool alone = pace.alone();
    pace.took(alone, slow * (alone ? 60 : 58));
    return slow * (alone ? 60 : 58);
  };
  const auto back = [&] {
    int runs = 0;
    for (int here = 0; here < 1000 && runs < 100'000;) {
      if (pace.fits(50)) pace.took_here(12), here++;
      else elsewhere(1), runs++, here = 0;
    }
    return runs;
  };
  for (int run = 0; run < 30; run++) elsewhere(3);
  std::printf("%d ", back());
  for (double spent = 0; spent < 1e6;) {
    if (pace.fits(50)) pace.took_here(240), spent += 240;
    else spent += elsewhere(20);
  }
  std::printf("%d ", back());
  // all threads gain; for a second the other processor is taken
  weft::Pace gains;
  const auto run = [&](double all) {
    const bool alone = gains.alone();
    gains.took(alone, alone ? 370 : all);
    return alone ? 370 : all;
  };
  for (double spent = 0; spent < 1e6;) spent += run(240);
  for (double spent = 0; spent < 1e6;) spent += run(900);
  double by_one = 0;
  for (double spent = 0; spent < 2e6;) {
    const double took = run(240);
    spent += took, by_one += took > 240 ? took : 0;
  }
  std::printf("%.0f", by_one / 1000);
}`

const BESIDE = `
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

// A thread does its turns again and again while another does runs of three milliseconds, with pauses in between.
// Returns what this one says of it in the end, or as soon as it says that it computes.
struct Watched {
  ThreadLoad* load;
  std::atomic<bool> running{false};
};
template <class Turn> bool computes(Turn turn, int runs) {
  std::atomic<bool> ready{false}, stop{false};
  Watched watched;
  std::thread thread([&] {
    ThreadLoad own;
    watched.load = &own, ready = true;
    while (!stop) turn(watched);
  });
  while (!ready) std::this_thread::yield();
  const auto run = [&] {
    watched.load->begin_run(), watched.running = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    watched.running = false, watched.load->end_run();
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  };
  for (int i = 0; i < runs && !watched.load->computes(); i++) run();
  const bool any = watched.load->computes();
  stop = true;
  thread.join();
  return any;
}
const auto nap = [] { std::this_thread::sleep_for(std::chrono::microseconds(200)); };
const auto work = [] { for (std::atomic<int> i = 0; i < 1000; i++) {} };

int main() {
  Pace pace;
  check(alone_of(pace, 2000, false) < 40, "two threads are worth it");
  check(alone_of(pace, 2000, true) == 400 && !pace.expects_all(), "short runs leave a processor to JavaScript");
  check(alone_of(pace, 2000, false) < 40, "afterwards two threads are worth it again");
  Pace slow;
  alone_of(slow, 20'000, false);
  check(alone_of(slow, 20'000, true) < 40, "long runs do not");
  check(computes([](Watched&) { work(); }, 10'000), "a thread computes");
  check(computes([](Watched& w) { w.running ? work() : nap(); }, 10'000), "it computes during runs");
  check(!computes([](Watched& w) { w.running ? nap() : work(); }, 30), "what it does between runs takes nothing from them");
  check(!computes([](Watched& w) { w.load->looked(); }, 30), "looking for an end is no computing");
  check(!computes([](Watched& w) {
    const auto began = std::chrono::steady_clock::now();
    work();
    w.load->looked_for(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count());
  }, 30), "so is waiting for it");
  check(!computes([](Watched&) { nap(); }, 30), "sleeping is none");
  ThreadLoad own;
  const auto runs = [&](bool busy) {
    for (int i = 0; i < 10'000 && own.computes() != busy; i++) {
      own.begin_run();
      for (int k = 0; k < 20; k++) busy ? work() : nap();
      own.end_run();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return own.computes() == busy;
  };
  check(runs(true) && runs(false), "it is seen that a thread stops");
  check(runs(true), "and that it begins again");
  for (int i = 0; i < 10'000 && own.computes(); i++) own.begin_run(), own.end_run(), nap();
  check(!own.computes(), "runs too short to be measured do not keep what was seen for ever");
  if (!failed) std::printf("as said");
  return failed;
}`

const folder = mkdtempSync(path.join(tmpdir(), 'weft-pace-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const program = path.join(folder, 'pace')

const compile = (text: string, to: string): string => {
  writeFileSync(`${to}.cc`, text)
  const args = ['-std=c++20', '-O1', `-I${native}`, `${to}.cc`, '-lpthread', '-o', to]
  const { status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return to
}

testWith(hasCompiler, 'a C++ compiler', 'the simulation compiles', () => void compile(PROGRAM, program))

for (const [name, machine] of Object.entries(machines))
  testWith(hasCompiler, 'a C++ compiler', `${name}: the choice of threads costs at most a few percent`, () => {
    const { one, all, calm, disturbed, slowOne, slowAll, changes = 1e9, busy = 1, most = 0.035 } = machine
    const { stdout } = spawnSync(program, [one, all, calm, disturbed, slowOne, slowAll, changes, busy].map(String), { encoding: 'utf8' })
    const losses = stdout.trim().split(' ').map(Number)
    assert.is(losses.length, 20)
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    assert.ok(mean < most, `${(100 * mean).toFixed(1)} % on average`)
    assert.ok(Math.max(...losses) < most + 0.045, `${(100 * Math.max(...losses)).toFixed(1)} % at worst`)
  })

testWith(hasCompiler, 'a C++ compiler', 'what a slow moment has shown is tried anew', () => {
  const built = compile(COMES_BACK, path.join(folder, 'comes_back'))
  const [first, between, milliseconds] = spawnSync(built, { encoding: 'utf8' }).stdout.split(' ').map(Number)
  assert.ok(first! <= 400, `${first} runs went to another thread after a slow start`)
  assert.ok(between! <= 100, `${between} runs went to another thread after a slow second`)
  assert.ok(milliseconds! <= 400, `one thread computed alone for ${milliseconds} of 2000 ms after a slow second`)
})

// Such runs look shorter where they take the processor from JavaScript, and whole steps take up to 1.2 times as long.
testWith(hasCompiler, 'a C++ compiler', 'short runs leave one of two processors to JavaScript that computes', () => {
  const built = compile(BESIDE, path.join(folder, 'beside'))
  assert.is(spawnSync(built, { encoding: 'utf8', timeout: 120_000 }).stdout, 'as said')
})

test.run()
