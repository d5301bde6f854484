// The scheduler of the emulation: threads are fibers on one thread of the operating system.
// A thread that never waits costs a function call: threads run one after another on the same stack, and only one that
// waits keeps it.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "scheduler.h"
#include "stacks.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {

Thread* current = nullptr;
Observer* observer = nullptr;

namespace {

std::vector<Thread*> unstarted, ready;
size_t next_unstarted, next_ready;
void* host_pointer;
const std::function<void()>* body;
int alive_threads;
uint64_t spins, random_state;
bool failed;
std::atomic<uint64_t> activity{0};  // counts the turns of threads
std::atomic<bool> running{false};

/** Ends the process when a thread loops without ever letting others run: it would wait for ever. */
void* watch(void*) {
  constexpr int patience = 120;
  uint64_t seen = 0;
  for (int idle = 0;;) {
    sleep(1);
    const uint64_t now = activity.load(std::memory_order_relaxed);
    idle = running.load() && now == seen ? idle + 1 : 0;
    seen = now;
    if (idle < patience) continue;
    fprintf(stderr, "emulated CUDA: a thread runs for %d seconds: a loop that waits must go through load_acquire", patience);
    fprintf(stderr, " [block %u,%u,%u, thread %u,%u,%u]\n", blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    abort();
  }
}
void start_watch() {
  static const bool started = [] {
    pthread_t thread;
    return pthread_create(&thread, nullptr, watch, nullptr) == 0 && pthread_detach(thread) == 0;
  }();
  (void)started;
}

void carry();

void become(Thread* thread) {
  current = thread;
  threadIdx = thread->index;
  blockIdx = thread->block->index;
  activity.store(activity.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

/** Leaves the running stack for that of a thread, or for the host's. `done`: nobody comes back to the stack left. */
void leave(Stack* from, void** save, Thread* to, bool done) {
  if (!to) {
    current = nullptr;
    return switch_stack(from, save, host_stack(), host_pointer, done);
  }
  if (!to->stack) {
    to->stack = take_stack();
    to->stack_pointer = fresh_stack(to->stack, carry);
  }
  become(to);
  switch_stack(from, save, to->stack, to->stack_pointer, done);
}

/** The next thread to run by the schedule; null when all wait. */
Thread* pick() {
  if (settings().schedule == Schedule::forward) {
    if (next_unstarted < unstarted.size()) return unstarted[next_unstarted++];
    if (next_ready < 4096 && next_ready < ready.size()) return ready[next_ready++];
  }
  const size_t new_count = unstarted.size() - next_unstarted, ready_count = ready.size() - next_ready;
  if (new_count + ready_count == 0) return nullptr;
  bool start = new_count > 0;
  size_t at = 0;
  if (settings().schedule == Schedule::random) {
    at = random_number() % (new_count + ready_count);
    start = at < new_count;
    if (!start) at -= new_count;
  }
  std::vector<Thread*>& list = start ? unstarted : ready;
  size_t& next = start ? next_unstarted : next_ready;
  Thread* thread;
  if (settings().schedule == Schedule::backward) {
    thread = list.back();
    list.pop_back();
  } else {
    std::swap(list[next], list[next + at]);
    thread = list[next++];
  }
  if (next == list.size()) list.clear(), next = 0;
  if (next > 4096 && 2 * next > list.size()) list.erase(list.begin(), list.begin() + ptrdiff_t(next)), next = 0;
  return thread;
}

void finish(Thread& thread) {
  Warp& warp = *thread.warp;
  Block& block = *thread.block;
  if (thread.asynchronous) finish_asynchronous(thread);
  warp.alive &= ~(1u << thread.lane);
  for (int i = 0; i < warp.pending_count; i++)
    if (warp.pending[i].mask >> thread.lane & 1) fault("a thread returns while others of its warp wait for it at %s", warp.pending[i].name);
  block.alive--;
  alive_threads--;
  progressed();
  if (block.barriers_met > 0) release_barriers(block);
  if (block.cluster_size > 1) release_cluster(*block.cluster[0]);
}

/** What runs first on every stack: the thread it was made for, then others that have not started. */
void carry() {
  entered_stack();
  for (;;) {
    Thread& self = *current;
    (*body)();
    finish(self);
    Stack* stack = self.stack;
    self.stack = nullptr;
    Thread* next = pick();
    if (next && !next->stack) {
      next->stack = stack;
      become(next);
      continue;
    }
    give_stack(stack);
    leave(stack, &self.stack_pointer, next, true);
    abort();
  }
}

}  // namespace

uint64_t random_number() {
  if (random_state == 0) random_state = settings().seed * 0x9E3779B97F4A7C15ull | 1;
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void begin_kernel(const std::function<void()>& thread) {
  start_watch();
  body = &thread;
  failed = false;
  spins = 0;
  running = true;
}

bool end_kernel() {
  running = false;
  current = nullptr;
  if (!failed) return true;
  begin_group();
  drop_bulk_copies();
  reclaim_stacks();
  return false;
}

void begin_group() {
  unstarted.clear();
  ready.clear();
  next_unstarted = next_ready = 0;
  alive_threads = 0;
  current = nullptr;
}

void add_threads(Block& block) {
  for (Thread& thread : block.threads) unstarted.push_back(&thread);
  alive_threads += int(block.threads.size());
}

bool run_group() {
  while (!failed) {
    if (Thread* thread = pick()) leave(host_stack(), &host_pointer, thread, false);
    else if (alive_threads == 0) return true;
    else if (!run_pending_copy()) return false;
  }
  return true;
}

void fail() {
  if (settings().abort) abort();
  failed = true;
}
bool has_failed() { return failed; }

void fail_here() {
  fail();
  if (!current) abort();
  void* lost;
  leave(current->stack, &lost, nullptr, true);
  abort();
}

void progressed() { spins = 0; }

void make_ready(Thread* thread) {
  thread->waiting = nullptr;
  ready.push_back(thread);
  progressed();
}
void take_back_ready() { ready.pop_back(); }

void suspend() {
  Thread& self = *current;
  Thread* next = pick();
  if (next != &self) leave(self.stack, &self.stack_pointer, next, false);
}

void block_on(const char* what) {
  current->waiting = what;
  suspend();
}

void yield() {
  Thread& self = *current;
  spins++;
  if (spins % 1024 == 0 && run_pending_copy()) spins = 0;
  if (spins > 100000 + 1000 * uint64_t(alive_threads)) fault("livelock: threads only wait for a word in memory that nobody changes");
  if (settings().schedule == Schedule::backward) ready.insert(ready.begin() + ptrdiff_t(next_ready), &self);  // one that spins goes last
  else ready.push_back(&self);
  suspend();
}

bool on_stack(const void* p) {
  const char* at = static_cast<const char*>(p);
  return current && current->stack && at >= current->stack->base && at < current->stack->base + stack_bytes;
}

}  // namespace emulator
