// Environment: one JavaScript environment (the main thread or a worker) as the queues see it: which of its runs are
// done, who waits, what failed.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace weft {

/** What went wrong in a run. */
struct RunFault {
  double ticket;
  int32_t call;
  int64_t value = 0;
  std::string code, message;  // empty: a bad datum; else what the step threw
  bool none() const { return call < 0 && code.empty(); }
};

class Environment {
 public:
  /**
   * Shared with JavaScript: [0] all tickets up to this one are done, [1] faults so far, [3] microseconds that its
   * thread has computed since it last waited for a result, [4] microseconds that the newest run is expected to take
   * (0: unknown).
   */
  double* status = nullptr;
  std::function<void()> signal;  // tells JavaScript that tickets have finished
  double submitted = 0;          // JavaScript thread only

  /** A run is done, in any order of tickets. Where it throws for want of memory it may be called again. */
  void finish(double ticket, bool notify, const RunFault& fault);
  /** signal() is called when the ticket is done. */
  void notify(double ticket);
  /** Blocks until the ticket is done, or the environment closed. */
  void wait(double ticket);
  std::vector<RunFault> take_faults();
  /** Whether the run failed. Known of those that JavaScript may still take for being under way. */
  bool failed(double ticket);
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  double finished_ = 0;
  int sleepers_ = 0;
  std::set<double> early_;   // done before an older one of another queue
  std::set<double> wanted_;  // tickets to signal
  bool closed_ = false;
  std::vector<RunFault> faults_;
  std::set<double> failed_;
};

}  // namespace weft
