// A pool whose threads each begin with a share of the chunks: neighbours, in their order. What one chunk fetches for
// the next, and what was written to the same place in the step before, then lies in the caches of the right thread. A
// thread that is done takes the last chunks of the others. A share is one atomic word, with the number of the run (its
// generation) and the chunks that are left. So a thread that the system has put to sleep never holds the others up. A
// thread that waits spins for a short while and then sleeps. The thread that starts a run works on it too.
#include "parallel.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "alone.h"
#include "apart.h"
#include "error.h"
#include "float_mode.h"
#include "pause.h"

namespace weft::cpu {
namespace {

thread_local bool alone_ = false, divided_ = false;
thread_local const std::function<void()>* after_chunk_ = nullptr;

void chunk_is_done() {
  if (after_chunk_ != nullptr) (*after_chunk_)();
}

int configured_threads() {
  const char* const text = std::getenv("WEFT_THREADS");
  if (text != nullptr && *text != '\0') {
    const std::string digits = text;
    const bool number = digits.size() <= 4 && digits.find_first_not_of("0123456789") == std::string::npos;
    const int n = number ? std::stoi(digits) : 0;
    require(n >= 1 && n <= 1024, "ERR_ARGUMENT", "WEFT_THREADS=", text, ": a number of threads from 1 to 1024 is expected");
    return n;
  }
  return processors();
}

class Pool {
 public:
  /**
   * Where the system allows fewer threads, the threads that there are do all the work: no chunk belongs to a thread.
   */
  explicit Pool(int threads) : shares_(new std::atomic<uint64_t>[size_t(threads)]), processors_(size_t(threads), -1) {
    for (int thread = 0; thread < threads; thread++) shares_[thread].store(0, std::memory_order_relaxed);
    try {
      for (int thread = 1; thread < threads; thread++)
        std::thread([this, thread] { work(thread); }).detach();  // the threads live as long as the process
    } catch (const std::system_error&) {}
  }

  void run(int64_t chunks, ChunkFunction function, void* context) {
    std::lock_guard<std::mutex> one_at_a_time(entry_);
    function_ = function;
    context_ = context;
    const auto parts = uint32_t(std::min(chunks, most_parts)), threads = uint32_t(processors_.size());
    chunks_.store(chunks, std::memory_order_relaxed);
    parts_.store(parts, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    failure_ = nullptr;
    std::atomic_ref<int>(processors_[0]).store(processor_now(), std::memory_order_relaxed);
    const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    // the first threads have the larger shares: this one, which is awake, is the first
    const auto first_of = [&](uint32_t thread) { return (parts * thread + threads - 1) / threads; };
    for (uint32_t thread = 0; thread < threads; thread++)
      shares_[thread].store(uint64_t(generation) << 32 | first_of(thread) << 16 | first_of(thread + 1), std::memory_order_release);
    generation_.store(generation, std::memory_order_seq_cst);
    if (parked_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(parking_);
      wake_.notify_all();
    }
    claim(generation, 0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != parts; spins++) {
      if (spins < 200) WEFT_PAUSE();
      else sched_yield();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  void rouse() {
    resting_.store(false, std::memory_order_relaxed);
    if (parked_.load(std::memory_order_seq_cst) == 0) return;
    std::lock_guard<std::mutex> lock(parking_);
    roused_++;
    wake_.notify_all();
  }
  void rest() { resting_.store(true, std::memory_order_relaxed); }

 private:
  /**
   * Takes a part of a share. One word says which run it is and what is left: two words could be of two runs, while the
   * next one begins.
   */
  bool take(std::atomic<uint64_t>& share, uint32_t generation, bool own, int64_t& part) {
    uint64_t left = share.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t first = uint32_t(left) >> 16, end = uint32_t(left) & 0xffff;
      if (uint32_t(left >> 32) != generation || first == end) return false;
      part = own ? first : end - 1;
      if (share.compare_exchange_weak(left, own ? left + 0x10000 : left - 1, std::memory_order_acq_rel)) return true;
    }
  }

  /**
   * Does parts of the run, its own first, until all have been taken. A part is a chunk, or some where there are many.
   */
  void claim(uint32_t generation, int thread) {
    const int threads = int(processors_.size());
    for (int other = 0; other < threads; other++) {
      for (int64_t part; take(shares_[(thread + other) % threads], generation, other == 0, part);) {
        const int64_t chunks = chunks_.load(std::memory_order_relaxed), parts = parts_.load(std::memory_order_relaxed);
        try {
          for (int64_t chunk = chunks * part / parts; chunk < chunks * (part + 1) / parts; chunk++) function_(context_, chunk, thread);
        } catch (...) {
          std::lock_guard<std::mutex> lock(parking_);
          if (!failure_) failure_ = std::current_exception();
        }
        done_.fetch_add(1, std::memory_order_release);
        chunk_is_done();
      }
    }
  }

  /** Moves the thread off the processors of the threads before it. */
  void keep_apart_from_others(int thread) {
    keep_apart(processors_.data(), thread);
    std::atomic_ref<int>(processors_[size_t(thread)]).store(processor_now(), std::memory_order_relaxed);
  }

  void work(int thread) {
    flush_subnormals();
    uint32_t seen = 0;
    const auto called = [&] { return generation_.load(std::memory_order_seq_cst) != seen; };
    for (;;) {
      watch(std::chrono::microseconds(120), [&] { return called() || resting_.load(std::memory_order_relaxed); });
      if (!called()) {
        std::unique_lock<std::mutex> lock(parking_);
        const uint32_t before = roused_;
        parked_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return called() || roused_ != before; });
        parked_.fetch_sub(1, std::memory_order_seq_cst);
        if (!called()) continue;  // watches for what comes
      }
      seen = generation_.load(std::memory_order_acquire);
      keep_apart_from_others(thread);
      claim(seen, thread);
    }
  }

  std::mutex entry_, parking_;
  std::condition_variable wake_;
  uint32_t roused_ = 0;  // under parking_
  std::atomic<bool> resting_{false};
  std::atomic<int> parked_{0};
  static constexpr int64_t most_parts = 0xffff;
  std::atomic<uint32_t> generation_{0}, parts_{0}, done_{0};
  std::atomic<int64_t> chunks_{0};
  std::unique_ptr<std::atomic<uint64_t>[]> shares_;  // of each thread: generation, first part that is left, their end
  ChunkFunction function_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;
  std::vector<int> processors_;  // where each thread was in the newest run
};

Pool& pool() {
  static Pool* const made = new Pool(threads());  // never destroyed: its threads end with the process
  return *made;
}

}  // namespace

void work_alone(bool alone) { alone_ = alone, divided_ = false; }
bool divided_work() { return divided_ && threads() > 1; }
void after_chunks(const std::function<void()>* call) { after_chunk_ = call; }
void rouse() {
  if (threads() > 1) pool().rouse();
}
void rest() {
  if (threads() > 1) pool().rest();
}

int processors() {
  static const int n = [] {
    cpu_set_t set;  // the process may have fewer than the machine
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, int(std::thread::hardware_concurrency()));
  }();
  return n;
}

int threads() {
  static const int n = configured_threads();
  return n;
}

void run_chunks(int64_t chunks, ChunkFunction function, void* context) {
  divided_ = true;
  if (alone_ || threads() == 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) function(context, chunk, 0), chunk_is_done();
    return;
  }
  pool().run(chunks, function, context);
}

}  // namespace weft::cpu
