// Environment: a JavaScript environment, which is the main thread or a worker, as the queues see it. It knows which
// runs are done, who waits for them, and what failed in them.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "thread_load.h"

namespace weft {

/** What went wrong in a run. */
struct RunFault {
  double ticket;
  int32_t call;
  int64_t value = 0;
  std::string code, message;  // what the step threw; empty where the run met a bad datum
  bool none() const { return call < 0 && code.empty(); }
};

class Environment {
 public:
  /**
   * Numbers that C++ and JavaScript share. [0]: all tickets up to this one are done. [1]: how many faults there were so
   * far. [3]: how many microseconds the JavaScript thread has computed since it last waited for a result. [4]: how many
   * microseconds the newest run is expected to take; 0 where nobody knows. [5]: for how many microseconds it pays to
   * look for the end of that run again and again: not for long where it keeps all processors busy. [6]: the last ticket
   * that was announced.
   */
  double* status = nullptr;
  std::function<void()> signal;  // tells JavaScript that tickets have finished
  double submitted = 0;          // tickets given so far; only the JavaScript thread uses it
  ThreadLoad load;               // of the JavaScript thread, which makes the environment

  /**
   * Notes that a run is done. Runs may end in any order of their tickets. Where the call throws for want of memory, it
   * may be repeated.
   */
  void finish(double ticket, bool notify, const RunFault& fault);
  /** Asks for a call of signal() when the ticket is done. */
  void notify(double ticket);
  /**
   * Tells who asked for a call of signal() that the ticket is about to be done, by that call. So the thread that waits
   * is awake in time. From then on it looks for the end itself.
   */
  void announce(double ticket);
  /** Whether anybody asked for a call of signal() that is still due. */
  bool awaited() const { return awaited_.load(std::memory_order_relaxed); }
  /** Blocks until the ticket is done or the environment is closed. */
  void wait(double ticket);
  std::vector<RunFault> take_faults();
  /** Whether the run failed. It is known for every run that JavaScript may still believe to be under way. */
  bool failed(double ticket);
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  double finished_ = 0;
  int sleepers_ = 0;
  std::set<double> early_;            // tickets that are done before an older one, which is another queue's
  std::set<double> wanted_;           // tickets whose end calls signal()
  std::atomic<bool> awaited_{false};  // whether wanted_ has any
  bool closed_ = false;
  std::vector<RunFault> faults_;
  std::set<double> failed_;
};

}  // namespace weft
