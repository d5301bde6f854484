// Barriers of a block: __syncthreads, its votes, and the numbered ones.
#include "scheduler.h"

namespace emulator {

namespace {

void release_barrier(Block& block, int number) {
  Barrier& barrier = block.barrier[number];
  const int expected = barrier.expected > 0 ? barrier.expected : block.alive;
  if (barrier.arrived == 0 || barrier.arrived < expected) return;
  if (observer) {
    if (barrier.expected == 0) observer->block_barrier(block);
    else
      for (Thread* thread : barrier.waiting) observer->acquire(*thread, barrier.clock);
  }
  for (Thread* thread : barrier.waiting) {
    thread->vote = barrier.votes;
    make_ready(thread);
  }
  barrier.waiting.clear();
  barrier.arrived = barrier.votes = 0;
  barrier.clock.reset();
  block.barriers_met--;
}

int meet(int number, int threads, bool vote, bool wait) {
  Thread& self = *current;
  Block& block = *self.block;
  if (number < 0 || number > 15) fault("barrier %d does not exist", number);
  if (threads % 32 != 0) fault("a barrier of %d threads, which is not a multiple of 32", threads);
  Barrier& barrier = block.barrier[number];
  if (barrier.arrived > 0 && barrier.expected != threads) fault("barrier %d is used with two counts of threads at once", number);
  barrier.expected = threads;
  block.barriers_met += barrier.arrived++ == 0;
  barrier.votes += vote;
  if (observer && threads > 0) observer->release(barrier.clock);
  if (!wait) {
    release_barrier(block, number);
    return 0;
  }
  self.waiting = "a barrier";
  barrier.waiting.push_back(&self);
  release_barrier(block, number);
  if (!self.waiting && settings().schedule == Schedule::forward) take_back_ready();  // the last to come need not wait
  else suspend();
  return self.vote;
}

}  // namespace

void release_barriers(Block& block) {
  for (int i = 0; i < 16; i++)
    if (block.barrier[i].arrived > 0 && block.barrier[i].expected == 0) release_barrier(block, i);
}

void barrier(int number, int threads) { meet(number, threads, false, true); }
void barrier_arrive(int number, int threads) { meet(number, threads, false, false); }
int barrier_vote(Vote kind, bool vote) {
  const int alive = current->block->alive, votes = meet(0, 0, vote, true);
  return kind == Vote::count ? votes : kind == Vote::any ? votes > 0 : votes == alive;
}

void fence() {
  if (observer) observer->fence();
}

}  // namespace emulator
