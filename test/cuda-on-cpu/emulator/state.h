// The state of a running kernel: threads (fibers), warps, blocks. Shared by the sources of the emulation; kernels do
// not see it.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda_runtime.h"

namespace emulator {

struct Block;
struct Clock;  // the race detector's
struct Warp;
struct Stack;
struct Thread;

struct AsyncCopy {
  void* to;
  const void* from;
  int bytes;
  bool valid;
  uint32_t group;  // the race detector's number of the copies committed together
};
/** A product of a warpgroup, as one of its threads issued it. */
struct GroupProduct {
  Mma kind;
  float* d;
  int columns;
  uint64_t a, b;
  bool transposed_a, transposed_b, accumulate;
  void* code;
};
/** A box of shared memory on its way to global memory. */
struct BulkStore {
  const CUtensorMap* map;
  const char* from;
  std::vector<int> at;
  void* code;
};
/** Work that a thread has under way: groups in the order of their commits, and the one still open. */
template <class T> struct Groups {
  std::vector<T> open;
  std::deque<std::vector<T>> closed;
  void commit() {
    closed.push_back(std::move(open));
    open.clear();
  }
  bool any() const {
    for (const auto& group : closed)
      if (!group.empty()) return true;
    return !open.empty();
  }
};
struct Asynchronous {
  Groups<AsyncCopy> copies;
  Groups<GroupProduct> products;
  Groups<BulkStore> stores;
};

struct Thread {
  uint3 index;
  int number, lane;  // in the block, in the warp
  Block* block;
  Warp* warp;
  Stack* stack = nullptr;  // none before it starts and after it returned
  void* stack_pointer = nullptr;
  const char* waiting = nullptr;  // what for
  int vote = 0;                   // result of the barrier it waited at
  unsigned cluster_phase = 0;     // of its last arrival at the cluster's barrier
  std::unique_ptr<Asynchronous> asynchronous;
};

/** A collective that some lanes have reached. */
struct Collective {
  const char* name;
  unsigned mask, arrived;
};
struct Warp {
  unsigned alive = 0;  // lanes that have not returned
  int pending_count = 0;
  Thread* lane[32];
  void* argument[32];
  Collective pending[32];
};

struct Barrier {
  int arrived = 0, expected = 0, votes = 0;
  std::shared_ptr<Clock> clock;  // what those who arrived had done
  std::vector<Thread*> waiting;
};
/** A barrier in shared memory, by its address (sm_90). */
struct SharedBarrier {
  int count = 0, pending = 0;
  int64_t bytes = 0;
  unsigned phase = 0;
  std::shared_ptr<Clock> clock, completed;  // of the phase under way and of the last one
  std::vector<Thread*> waiting;
};

/** Four warps that multiply together (sm_90). */
struct Warpgroup {
  int committed[4] = {}, finished = 0;  // groups of products: by each warp, by all
  std::shared_ptr<Clock> clock;         // known to who has waited for them
  std::vector<Thread*> waiting;
};

struct Block {
  uint3 index;
  int alive = 0;
  unsigned rank = 0;          // in its cluster
  Block** cluster = nullptr;  // the blocks of its cluster
  unsigned cluster_size = 1;
  char* arena = nullptr;  // its shared memory: dynamic, then static arrays
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Barrier barrier[16];
  int barriers_met = 0;  // barriers at which some threads have arrived
  std::map<void*, SharedBarrier> shared_barriers;
  std::deque<Warpgroup> warpgroups;
  Barrier cluster_barrier;  // in the first block of a cluster
  unsigned cluster_phase = 0;
  std::shared_ptr<Clock> cluster_completed;
  void* observed = nullptr;  // the race detector's
};
constexpr size_t arena_bytes = 256 << 10;

enum class Schedule { forward, backward, random };
struct Settings {
  int capability = 90, devices = 1, multiprocessors = 4;
  size_t memory = size_t(8) << 30;
  Schedule schedule = Schedule::forward;
  uint64_t seed = 1;
  uint64_t refusal = 0;  // the launch that finds no memory, counted from 1; 0: none
  uint64_t failure = 0;  // the kernel that fails, counted from 1; 0: none
  bool eager = false, abort = false, lazy_streams = false;
  size_t shared_limit() const;
};
extern const Settings global_settings;
inline const Settings& settings() { return global_settings; }
uint64_t random_number();

extern Thread* current;  // null outside of kernels

void block_on(const char* what);  // lets others run until somebody makes the thread ready
void make_ready(Thread*);

/**
 * Tells AddressSanitizer and the race detector of an access made on behalf of the running thread by the code at an
 * address.
 */
void check_read(const void*, size_t, void* code);
void check_write(void*, size_t, void* code);
void check_poison(const void*, size_t, bool writes);  // AddressSanitizer only
#define CALLER __builtin_return_address(0)
void require_shared(const void*, size_t, const char* what);

/** What the race detector wants to know. There is none in builds that do not look for races. */
class Observer {
 public:
  using Token = std::shared_ptr<Clock>;  // what somebody knew at some time, left where others find it
  virtual void kernel_begins() = 0;
  virtual bool kernel_ends() = 0;  // whether races were found
  virtual void block_begins(Block&) = 0;
  virtual void block_barrier(Block&) = 0;                  // all its threads have met
  virtual void warp_barrier(Warp&, unsigned mask) = 0;     // these lanes have met
  virtual void release(Token&) = 0;                        // the token learns what the running thread has done and knows
  virtual void acquire(Thread&, const Token&) = 0;         // the thread learns what the token knows
  virtual void merge(Token& into, const Token& from) = 0;  // the one token learns what the other knows
  virtual void fence() = 0;
  /**
   * A number for the copies that the running thread commits together. Writes of such a copy are seen by who comes after
   * end_copies.
   */
  virtual uint32_t begin_copies() = 0;
  virtual void copy(void* to, size_t bytes, uint32_t group, void* code) = 0;
  virtual void end_copies(uint32_t group) = 0;
  /**
   * Between these, accesses are those of a bulk copy that the running thread issues; who acquires the token comes after
   * it.
   */
  virtual void begin_bulk(void* barrier, Token&) = 0;
  virtual void end_bulk() = 0;
  virtual void access(const void*, size_t bytes, bool writes, void* code) = 0;

 protected:
  ~Observer() = default;
};
extern Observer* observer;

/**
 * Waits until all lanes of the mask have called it with the same name; the last to arrive runs `together`, with every
 * lane's argument in warp.argument, before any goes on.
 */
void collective(const char* name, unsigned mask, void* argument, void (*together)(Warp&, unsigned mask));

// what the scheduler asks of the other sources
void finish_asynchronous(Thread&);   // the thread returns: nothing may be under way
void release_cluster(Block& first);  // a thread of the cluster has returned or arrived
bool run_pending_copy();             // lets one bulk copy happen; false when there is none
bool bulk_copies_pending();
void drop_bulk_copies();
void shared_barrier_bytes(Block&, void* barrier, int64_t bytes, const Observer::Token&);  // a copy is done
void finish_stores(Thread&);
/**
 * Swizzles an offset in shared memory: 16-byte units of a row change places by the row. mode: 1 of 32 bytes, 2 of 64, 3
 * of 128.
 */
inline uint32_t swizzled(uint32_t offset, int mode) {
  const uint32_t mask = mode == 3 ? 0x70 : mode == 2 ? 0x30 : mode == 1 ? 0x10 : 0;
  return offset ^ (offset >> 3 & mask);
}
void record_failure(cudaError_t);

bool on_stack(const void*);  // whether an address is a local variable of the running thread
/** The function and source line of code. */
std::string source_of(void* code);
/** The first source line of a kernel in the calls that lead here, or an address. */
std::string where();
}  // namespace emulator
