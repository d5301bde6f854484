// Runs kernels: blocks with their shared memory, one after another, or together where they wait for each other.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "sanitizer.h"
#include "scheduler.h"

namespace emulator {

namespace {

std::vector<std::unique_ptr<Block>> blocks;
std::vector<Block*> members;  // the blocks that run now

// static arrays in shared memory: at the same place in every block, whichever thread comes to them first
struct SharedArray {
  const void* site;
  size_t at, bytes;
};
std::vector<SharedArray> layout;
size_t layout_top;

Block& prepare(size_t slot, dim3 block) {
  while (blocks.size() <= slot) {
    void* arena = mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    blocks.push_back(std::make_unique<Block>());
    blocks.back()->arena = static_cast<char*>(arena);
  }
  Block& state = *blocks[slot];
  const size_t count = size_t(block.x) * block.y * block.z;
  state.threads.resize(count);
  state.warps.resize((count + 31) / 32);
  for (size_t i = 0; i < count; i++) {
    Thread& thread = state.threads[i];
    thread.index = {unsigned(i % block.x), unsigned(i / block.x % block.y), unsigned(i / block.x / block.y)};
    thread.number = int(i);
    thread.lane = int(i % 32);
    thread.block = &state;
    thread.warp = &state.warps[i / 32];
    thread.stack = nullptr;
    thread.waiting = nullptr;
    thread.asynchronous.reset();
    thread.warp->lane[thread.lane] = &thread;
  }
  return state;
}

/** Contents as undefined as on a GPU. */
void fresh_array(Block& block, const SharedArray& array) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(block.arena + array.at, array.bytes);
  memset(block.arena + array.at, 0xff, array.bytes);
}

/** Shared memory is filled with NaN, so that what is read before it was written shows. */
void start(Block& block, uint3 index, size_t shared) {
  const size_t count = block.threads.size();
  block.index = index;
  block.alive = int(count);
  block.shared_barriers.clear();
  block.warpgroups.clear();
  for (Barrier& barrier : block.barrier) {
    barrier.waiting.clear();
    barrier.arrived = barrier.votes = 0;
  }
  block.barriers_met = 0;
  block.cluster_barrier.waiting.clear();
  block.cluster_barrier.arrived = 0;
  if (__asan_poison_memory_region) {
    __asan_poison_memory_region(block.arena, arena_bytes);
    __asan_unpoison_memory_region(block.arena, shared);
  }
  memset(block.arena, 0xff, shared);
  for (const SharedArray& array : layout) fresh_array(block, array);
  for (size_t i = 0; i < block.warps.size(); i++) {
    block.warps[i].alive = count - 32 * i >= 32 ? 0xffffffffu : (1u << (count - 32 * i)) - 1;
    block.warps[i].pending_count = 0;
  }
  add_threads(block);
  if (observer) observer->block_begins(block);
}

void report_deadlock() {
  fprintf(stderr, "emulated CUDA: deadlock: every thread waits\n");
  int lines = 0;
  for (Block* block : members)
    for (Thread& thread : block->threads)
      if (thread.waiting && lines++ < 8)
        fprintf(stderr, "  [block %u,%u,%u, thread %u,%u,%u] at %s\n", block->index.x, block->index.y, block->index.z, thread.index.x,
                thread.index.y, thread.index.z, thread.waiting);
  fail();
}

/** The order in which groups of blocks run: a permutation of all. */
class Permutation {
 public:
  explicit Permutation(uint64_t count) : count_(count) {
    if (settings().schedule != Schedule::random) return;
    first_ = random_number() % count;
    do stride_ = random_number() % count + 1;
    while (std::gcd(stride_, count) != 1);
  }
  uint64_t operator[](uint64_t i) const {
    return settings().schedule == Schedule::backward ? count_ - 1 - i : (i * stride_ + first_) % count_;
  }

 private:
  uint64_t count_, first_ = 0, stride_ = 1;
};

}  // namespace

void* dynamic_shared() { return current->block->arena; }

void* static_shared(const void* site, size_t bytes, size_t alignment) {
  for (const SharedArray& array : layout)
    if (array.site == site) return current->block->arena + array.at;
  const size_t step = std::max<size_t>(alignment, 16), at = (layout_top + 32 + step - 1) / step * step;
  size_t sum = bytes;
  for (const SharedArray& array : layout) sum += array.bytes;
  if (sum > 48 << 10 || at + bytes > arena_bytes) fault("the block's arrays in shared memory take more than 48 KiB");
  layout_top = at + bytes;
  layout.push_back({site, at, bytes});
  for (Block* block : members) fresh_array(*block, layout.back());
  return current->block->arena + at;
}

uint32_t shared_offset(const void* p) {
  require_shared(p, 0, "a shared address");
  return uint32_t(static_cast<const char*>(p) - current->block->arena);
}

void require_shared(const void* p, size_t bytes, const char* what) {
  const char *at = static_cast<const char*>(p), *arena = current->block->arena;
  if (at < arena || at + bytes > arena + arena_bytes) fault("%s: the address is not in the block's shared memory", what);
}

/** Runs a kernel to its end, or to the first mistake it makes. */
void run(dim3 grid, dim3 block, size_t shared, unsigned cluster, bool resident, const std::function<void()>& thread) {
  const uint64_t count = uint64_t(grid.x) * grid.y * grid.z, together = resident ? count : cluster, groups = count / together;
  blockDim = block;
  gridDim = grid;
  begin_kernel(thread);
  if (observer) observer->kernel_begins();
  members.resize(together);
  layout.clear();
  layout_top = shared;
  for (size_t i = 0; i < together; i++) members[i] = &prepare(i, block);
  const Permutation order(groups);
  for (uint64_t i = 0; i < groups && !has_failed(); i++) {
    begin_group();
    for (uint64_t j = 0; j < together; j++) {
      const uint64_t number = order[i] * together + j;  // clusters lie along x
      Block& state = *members[j];
      state.rank = unsigned(j % cluster);
      state.cluster_size = cluster;
      state.cluster = &members[j - j % cluster];
      start(state, {unsigned(number % grid.x), unsigned(number / grid.x % grid.y), unsigned(number / grid.x / grid.y)}, shared);
    }
    if (!run_group()) report_deadlock();
    else if (!has_failed() && bulk_copies_pending()) {
      fprintf(stderr, "emulated CUDA: the kernel ended while bulk copies were under way\n");
      fail();
    }
  }
  if (observer && observer->kernel_ends()) fail();
  static uint64_t kernels = 0;
  if (!end_kernel() || ++kernels == settings().failure) record_failure(cudaErrorLaunchFailure);
}

}  // namespace emulator
