// A pool whose threads take chunks from one atomic word. The word holds the number of the run (its generation) and the
// next chunk. So a thread that the system has put to sleep never holds the others up: they take its chunks. A thread
// that waits spins for a short while and then sleeps. The thread that starts a run works on it too.
#include "parallel.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
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

thread_local bool alone_ = false;
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
  explicit Pool(int threads) : processors_(size_t(threads), -1) {
    try {
      for (int thread = 1; thread < threads; thread++)
        std::thread([this, thread] { work(thread); }).detach();  // the threads live as long as the process
    } catch (const std::system_error&) {}
  }

  void run(int64_t chunks, ChunkFunction function, void* context) {
    std::lock_guard<std::mutex> one_at_a_time(entry_);
    function_ = function;
    context_ = context;
    chunks_.store(uint32_t(chunks), std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    failure_ = nullptr;
    std::atomic_ref<int>(processors_[0]).store(processor_now(), std::memory_order_relaxed);
    const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    ticket_.store(uint64_t(generation) << 32 | uint32_t(chunks), std::memory_order_release);
    generation_.store(generation, std::memory_order_seq_cst);
    if (parked_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(parking_);
      wake_.notify_all();
    }
    claim(generation, 0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != uint32_t(chunks); spins++) {
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
   * Does chunks of the run until all have been claimed. One word says which run it is and how many chunks are left: two
   * words could be of two runs, while the next one begins.
   */
  void claim(uint32_t generation, int thread) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t left = uint32_t(ticket);
      if (uint32_t(ticket >> 32) != generation || left == 0) return;
      if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel)) continue;
      try {
        function_(context_, int64_t(chunks_.load(std::memory_order_relaxed) - left), thread);
      } catch (...) {
        std::lock_guard<std::mutex> lock(parking_);
        if (!failure_) failure_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);
      chunk_is_done();
      ticket = ticket_.load(std::memory_order_acquire);
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
  std::atomic<uint32_t> generation_{0}, chunks_{0}, done_{0};
  std::atomic<uint64_t> ticket_{~uint64_t(0)};
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

void work_alone(bool alone) { alone_ = alone; }
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
  if (alone_ || threads() == 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) function(context, chunk, 0), chunk_is_done();
    return;
  }
  pool().run(chunks, function, context);
}

}  // namespace weft::cpu
