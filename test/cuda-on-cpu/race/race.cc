// Data races: two accesses to the same bytes by different threads, one of them a plain write, that nothing orders.
// Kernels are compiled with -fsanitize=thread; race_hooks.cc receives their accesses.
//
// Order is what CUDA promises: barriers (all of a block, named, of a warp, in shared memory, of a cluster), release and
// acquire words, fences with atomics, waits for asynchronous copies and products, the end of a kernel. Shuffles and
// votes order nothing.
#define WEFT_DETECT_RACES
#include "race.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <unordered_map>

#include "race_clock.h"
#include "race_shadow.h"
#include "state.h"

namespace emulator {

namespace {

struct ThreadState {
  uint32_t clock = 1;                   // of what it does now
  std::shared_ptr<const Known> own;     // of its block, in this epoch
  std::shared_ptr<const Clock> others;  // of other blocks
  Observer::Token fenced, seen;         // known at its last fence; read by relaxed atomics since
};
struct BlockState {
  uint32_t serial = 0, epoch = 0;
  std::vector<ThreadState> threads;
};

/** Asynchronous copies committed together: when their thread had waited for them. */
struct CopyGroup {
  bool done = false;
  uint32_t epoch = 0, clock = 0;
};
struct Agent {
  uint32_t serial, clock;
};

class Detector final : public Observer {
 public:
  void kernel_begins() override {
    first_serial_ = next_serial_;
    words_.clear();
    agents_.clear();
    copies_.assign(1, {});
    found_ = 0;
    agent_ = nullptr;
    copy_ = 0;
  }
  bool kernel_ends() override { return found_ > 0; }

  void block_begins(Block& block) override {
    auto& state = states_[&block];
    block.observed = &state;
    state.serial = next_serial_++;
    state.epoch = 0;
    state.threads.assign(block.threads.size(), {});
    shadow_.forget(block.arena, arena_bytes);
    block.cluster_barrier.clock.reset();
  }

  void block_barrier(Block& block) override {
    BlockState& state = of(block);
    state.epoch++;
    std::shared_ptr<Clock> together;
    std::set<const Clock*> distinct;
    for (const ThreadState& thread : state.threads)
      if (thread.others) distinct.insert(thread.others.get());
    if (distinct.size() > 0) together = std::make_shared<Clock>();
    for (const Clock* clock : distinct) together->learn(*clock);
    for (ThreadState& thread : state.threads) {
      thread.own.reset();
      if (together) thread.others = together;
    }
  }

  void warp_barrier(Warp& warp, unsigned mask) override {
    Token token;
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1) release_by(*warp.lane[lane], token);
    const BlockState& state = of(*warp.lane[__builtin_ctz(mask)]->block);
    // the lanes share what they know of their block
    const auto own = std::make_shared<const Known>(std::move(token->of_block[state.serial]));
    token->of_block.erase(state.serial);
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1) {
        of(*warp.lane[lane]).own = own;
        if (!token->of_block.empty()) acquire(*warp.lane[lane], token);
      }
  }

  void release(Token& token) override { release_by(*current, token); }

  void acquire(Thread& thread, const Token& token) override {
    if (!token) return;
    ThreadState& self = of(thread);
    const uint32_t serial = of(*thread.block).serial;
    std::shared_ptr<Clock> others;
    for (const auto& [block, known] : token->of_block) {
      if (block == serial) {
        auto own = self.own ? std::make_shared<Known>(*self.own) : std::make_shared<Known>();
        own->learn(known);
        self.own = own;
      } else {
        if (!others) others = self.others ? std::make_shared<Clock>(*self.others) : std::make_shared<Clock>();
        others->of_block[block].learn(known);
      }
    }
    if (others) self.others = others;
  }

  void merge(Token& into, const Token& from) override {
    if (!from) return;
    if (!into) into = std::make_shared<Clock>();
    into->learn(*from);
  }

  void fence() override {
    ThreadState& self = of(*current);
    acquire(*current, self.seen);
    self.seen.reset();
    self.fenced.reset();
    release(self.fenced);
  }

  void atomic(const void* word, bool writes, Order order) {
    ThreadState& self = of(*current);
    const bool acquires = order == Order::acquire || order == Order::acquire_release;
    const bool releases = order == Order::release || order == Order::acquire_release;
    if (const auto found = words_.find(word); found != words_.end()) {
      if (acquires) acquire(*current, found->second);
      else merge(self.seen, found->second);
    }
    if (writes && releases) release(words_[word]);
    else if (writes && self.fenced) merge(words_[word], self.fenced);
  }

  uint32_t begin_copies() override {
    copies_.push_back({});
    return uint32_t(copies_.size() - 1);
  }
  void copy(void* to, size_t bytes, uint32_t group, void* code) override {
    copy_ = group;
    access(to, bytes, true, false, code);
    copy_ = 0;
  }
  void end_copies(uint32_t group) override {
    if (!copies_[group].done) copies_[group] = {true, of(*current->block).epoch, of(*current).clock};
  }

  void begin_bulk(void* barrier, Token& token) override {
    auto [at, fresh] = agents_.try_emplace(barrier, Agent{0, 0});
    if (fresh) at->second.serial = next_serial_++;
    agent_ = &at->second;
    agent_->clock++;
    token = std::make_shared<Clock>();
    token->of_block[agent_->serial].learn(0, agent_->clock);
  }
  void end_bulk() override { agent_ = nullptr; }

  void access(const void* p, size_t bytes, bool writes, void* code) override { access(p, bytes, writes, false, code); }

  void access(const void* p, size_t bytes, bool writes, bool atomic, void* code) {
    if (reporting_ || on_stack(p)) return;
    const BlockState& block = of(*current->block);
    const ThreadState& self = block.threads[size_t(current->number)];
    Access now{block.serial, block.epoch, self.clock, uint16_t(current->number), atomic, copy_, code};
    if (agent_) now = {agent_->serial, 0, agent_->clock, 0, atomic, 0, code};
    uintptr_t at = reinterpret_cast<uintptr_t>(p);
    const uintptr_t end = at + bytes;
    const bool small = at % 4 != 0 || bytes % 4 != 0;
    while (at < end) {
      Page& page = shadow_.page_of(at);
      if (small && !page.fine) page.refine();
      const uintptr_t step = page.fine ? 1 : 4, stop = std::min(end, (at | 4095) + 1);
      for (; at < stop; at += step) {
        Cell& cell = page.cells[(at & 4095) / step];
        if (conflict(cell.write, now, self)) report(cell.write, now, "written", writes ? "written" : "read", at);
        if (writes) {
          for (const Access& read : cell.read)
            if (conflict(read, now, self)) report(read, now, "read", "written", at);
          cell.write = now;
        } else {
          cell.remember(now);
        }
      }
    }
  }

 private:
  static BlockState& of(const Block& block) { return *static_cast<BlockState*>(block.observed); }
  static ThreadState& of(const Thread& thread) { return of(*thread.block).threads[size_t(thread.number)]; }

  void release_by(Thread& thread, Token& token) {
    BlockState& block = of(*thread.block);
    ThreadState& self = of(thread);
    if (!token) token = std::make_shared<Clock>();
    if (self.others) token->learn(*self.others);
    Known& known = token->of_block[block.serial];
    known.epoch = std::max(known.epoch, block.epoch);
    if (self.own) known.learn(*self.own);
    known.learn(uint32_t(thread.number), self.clock++);
  }

  bool conflict(Access before, const Access& now, const ThreadState& self) const {
    if (before.serial < first_serial_ || (before.atomic && now.atomic)) return false;
    if (before.copy > 0) {
      const CopyGroup& group = copies_[before.copy];
      if (before.copy == now.copy) return false;
      if (!group.done) return true;
      before.epoch = group.epoch;
      before.clock = group.clock;
    }
    const BlockState& block = of(*current->block);
    if (before.serial == block.serial) {
      if (before.epoch < block.epoch || before.thread == current->number) return false;
      return !self.own || self.own->clock_of(before.thread) < before.clock;
    }
    if (!self.others) return true;
    const auto known = self.others->of_block.find(before.serial);
    if (known == self.others->of_block.end()) return true;
    return before.epoch >= known->second.epoch && known->second.clock_of(before.thread) < before.clock;
  }

  void report(const Access& before, const Access& now, const char* first, const char* second, uintptr_t at) {
    found_++;
    if (!reported_.insert({before.code, now.code}).second || reported_.size() > 20) return;
    reporting_ = true;  // library functions on the way may be instrumented copies
    fprintf(stderr, "emulated CUDA: data race at %p: %s by %s of kernel %s, %s by %s of kernel %s\n", reinterpret_cast<void*>(at), first,
            name(before).c_str(), source_of(before.code).c_str(), second, name(now).c_str(), source_of(now.code).c_str());
    if (settings().abort) abort();
    reporting_ = false;
  }
  /** The thread of an access, in words. */
  std::string name(const Access& access) const {
    for (const auto& [block, state] : states_)
      if (state.serial == access.serial)
        return "thread " + std::to_string(access.thread) + " of block " + std::to_string(block->index.x) + "," +
               std::to_string(block->index.y) + "," + std::to_string(block->index.z);
    for (const auto& [barrier, agent] : agents_)
      if (agent.serial == access.serial) return "a bulk copy";
    return "thread " + std::to_string(access.thread) + " of another block";
  }

  uint32_t next_serial_ = 1, first_serial_ = 1;
  int found_ = 0;
  bool reporting_ = false;
  std::unordered_map<const Block*, BlockState> states_;
  std::unordered_map<const void*, Token> words_;
  std::map<const void*, Agent> agents_;
  Agent* agent_ = nullptr;
  std::vector<CopyGroup> copies_;
  uint32_t copy_ = 0;
  Shadow shadow_;
  std::set<std::pair<void*, void*>> reported_;
};

Detector& detector() {
  static Detector instance;
  return instance;
}
const bool installed = (observer = &detector(), true);

}  // namespace

void race_access(const void* p, size_t bytes, bool writes, void* code) {
  if (current) detector().access(p, bytes, writes, false, code);
}
void announce_atomic(const void* word, size_t bytes, bool writes, Order order) {
  if (!current) return;
  detector().access(word, bytes, writes, true, CALLER);
  detector().atomic(word, writes, order);
}

}  // namespace emulator
