// Queue: the CPU device's worker thread. JavaScript threads submit runs and never compute; runs happen in order of submission.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "program.h"

namespace weft {

/** What went wrong in a run. */
struct RunFault {
  double ticket;
  int32_t call;
  int64_t value = 0;
  std::string code, message;  // empty: a bad datum; else what the step threw
};

/** One JavaScript environment (the main thread or a worker), as the queue sees it. */
struct Environment {
  double* status = nullptr;      // [0] last finished ticket, [1] faults so far; read by JavaScript without a call
  std::function<void()> signal;  // tells JavaScript that tickets have finished
  double submitted = 0;          // JavaScript thread only
  // below: guarded by the queue
  double finished = 0;
  std::set<double> wanted;  // tickets to signal
  bool closed = false;
  std::vector<RunFault> faults;
};

struct Job {
  std::shared_ptr<Program> program;
  std::shared_ptr<Environment> environment;
  std::vector<void*> inputs, outputs;
  double ticket;
  bool notify;
};

class Queue {
 public:
  static Queue& cpu();

  /** Enqueues; waits while `most_waiting` runs are queued. */
  void submit(Job job);
  void notify(Environment&, double ticket);
  void wait(Environment&, double ticket);
  std::vector<RunFault> take_faults(Environment&);
  /** Drops the environment's queued runs and waits for the one under way. */
  void close(Environment&);
  void profile(bool on, Profile* result);

  /** Programs announce themselves, so that the arena they share is as large as the largest of them. */
  void add(size_t arena_bytes);
  void remove(size_t arena_bytes);
  size_t arena_bytes();
  size_t programs();

 private:
  Queue() = default;
  void work();
  char* arena(size_t bytes);

  static constexpr size_t most_waiting = 64;
  std::mutex mutex_;
  std::condition_variable work_, room_, done_;
  std::deque<Job> jobs_;
  std::multiset<size_t> sizes_;
  Environment* running_ = nullptr;
  std::atomic<size_t> queued_{0};  // jobs_.size(), for the worker to watch without the lock
  int waiting_ = 0;                // threads that wait for room
  bool started_ = false, sleeping_ = false, profiling_ = false;
  Profile profile_;
  char* arena_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace weft
