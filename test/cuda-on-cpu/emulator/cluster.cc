// Barriers in shared memory (mbarrier) and clusters: twins of cuda/mbarrier.cuh and cuda/cluster.cuh.
#include "state.h"

namespace emulator {

namespace {
SharedBarrier& find(Block& block, void* barrier, const char* what) {
  const auto found = block.shared_barriers.find(barrier);
  if (found == block.shared_barriers.end()) fault("%s: the barrier was not initialized", what);
  return found->second;
}

void complete(SharedBarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  barrier.phase++;
  barrier.pending = barrier.count;
  barrier.completed = std::move(barrier.clock);
  barrier.clock.reset();
  for (Thread* thread : barrier.waiting) make_ready(thread);
  barrier.waiting.clear();
}

void* at_rank(void* shared, unsigned rank, const char* what) {
  Block& block = *current->block;
  require_shared(shared, 1, what);
  if (rank >= block.cluster_size) fault("%s: the cluster has no block %u", what, rank);
  return block.cluster[rank]->arena + (static_cast<char*>(shared) - block.arena);
}
}  // namespace

void shared_barrier_init(uint64_t* barrier, unsigned count) {
  require_shared(barrier, 8, "barrier_init");
  check_write(barrier, 8, CALLER);
  if (count == 0 || count >= 1u << 20) fault("barrier_init: a count of %u", count);
  SharedBarrier& state = current->block->shared_barriers[barrier];
  if (!state.waiting.empty()) fault("barrier_init: threads wait at this barrier");
  state = {};
  state.count = state.pending = int(count);
}

void shared_barrier_arrive(uint64_t* barrier, unsigned bytes, int rank) {
  Block& block = rank < 0 ? *current->block : *current->block->cluster[unsigned(rank) % current->block->cluster_size];
  void* const target = rank < 0 ? barrier : at_rank(barrier, unsigned(rank), "barrier_arrive_at");
  SharedBarrier& state = find(block, target, "barrier_arrive");
  check_read(target, 8, CALLER);  // it must have been initialized before
  if (observer) observer->release(state.clock);
  state.bytes += bytes;
  if (--state.pending < 0) fault("a barrier in shared memory met more arrivals than its count of %d", state.count);
  complete(state);
}

void shared_barrier_wait(uint64_t* barrier, unsigned parity) {
  require_shared(barrier, 8, "barrier_wait");
  SharedBarrier& state = find(*current->block, barrier, "barrier_wait");
  check_read(barrier, 8, CALLER);
  while ((state.phase & 1) == (parity & 1)) {
    state.waiting.push_back(current);
    block_on("barrier_wait");
  }
  if (observer) observer->acquire(*current, state.completed);
}

void shared_barrier_bytes(Block& block, void* barrier, int64_t bytes, const Observer::Token& token) {
  SharedBarrier& state = block.shared_barriers[barrier];
  if (observer) observer->merge(state.clock, token);
  state.bytes -= bytes;
  complete(state);
}

unsigned cluster_rank() { return current->block->rank; }
unsigned cluster_size() { return current->block->cluster_size; }
void* cluster_map(void* shared, unsigned rank) { return at_rank(shared, rank, "cluster_map"); }

void release_cluster(Block& first) {
  Barrier& barrier = first.cluster_barrier;
  int alive = 0;
  for (unsigned i = 0; i < first.cluster_size; i++) alive += first.cluster[i]->alive;
  if (barrier.arrived == 0 || barrier.arrived < alive) return;
  first.cluster_phase++;
  first.cluster_completed = std::move(barrier.clock);
  barrier.clock.reset();
  barrier.arrived = 0;
  for (Thread* thread : barrier.waiting) make_ready(thread);
  barrier.waiting.clear();
}

void cluster_arrive() {
  Block& first = *current->block->cluster[0];
  current->cluster_phase = first.cluster_phase;
  if (observer) observer->release(first.cluster_barrier.clock);
  first.cluster_barrier.arrived++;
  release_cluster(first);
}

void cluster_wait() {
  Block& first = *current->block->cluster[0];
  while (first.cluster_phase == current->cluster_phase) {
    first.cluster_barrier.waiting.push_back(current);
    block_on("cluster_wait");
  }
  if (observer) observer->acquire(*current, first.cluster_completed);
}

void finish_asynchronous(Thread& thread) {
  finish_stores(thread);
  if (thread.asynchronous->copies.any()) fault("a thread returns while its asynchronous copies are under way");
  if (thread.asynchronous->products.any()) fault("a thread returns while its products are under way");
  thread.asynchronous.reset();
}

}  // namespace emulator
