// Queue: a device's worker thread. JavaScript threads submit runs and compute but the shortest; runs happen in order
// of submission.
#pragma once
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "environment.h"
#include "pause.h"
#include "program.h"

namespace weft {

/** Bytes between the host and a device. */
struct Transfer {
  enum class Way : uint8_t { in, out } way;
  void* to;
  const void* from;
  size_t bytes;
};

/** What JavaScript submits: a run of a program, or transfers. */
struct Job {
  std::shared_ptr<Program> program;
  std::shared_ptr<Environment> environment;
  std::vector<void*> inputs, outputs;
  std::vector<Reply> replies;
  std::vector<Transfer> transfers;
  double ticket = 0;
  double after = 0;           // begins when this ticket, of another queue, is done
  std::vector<double> needs;  // runs whose results it reads; -1: one that is known to have failed
  bool notify = false;
  std::shared_ptr<Memory> arena;  // set by submit()
};

class Queue {
 public:
  explicit Queue(Device& device) : device_(device) {}

  /**
   * Enqueues; waits while `most_waiting` runs are queued. Does the job before it returns where the worker thread cannot
   * start, and where the run is short and nothing is ahead of it.
   */
  void submit(Job job);
  /** Drops the environment's queued runs and waits for those under way. The environment is closed. */
  void close(Environment&);
  void profile(bool on, Profile* result);
  /** Waits until nothing runs, and gives memory that nobody holds back to the system. */
  void trim();

  /**
   * Programs announce themselves, so that the arena they share is as large as the largest of them. ERR_OUT_OF_MEMORY.
   */
  void add(size_t arena_bytes);
  void remove(size_t arena_bytes);
  size_t arena_bytes();
  size_t programs();
  Device& device() const { return device_; }

 private:
  /** A job that the device works on. */
  struct Flight {
    Job job;
    Run run;
    uint64_t mark = 0;
    bool over = false;
    bool doubtful = false;  // it, or a run that it needs, may turn out to have failed
    RunFault report;
    Profile measured;
    explicit Flight(Job taken)
        : job(std::move(taken)),
          run{nullptr, job.inputs.data(), job.outputs.data(), job.replies, nullptr, {}, {}},
          report{job.ticket, -1, 0, {}, {}} {}
  };
  void start();
  void do_here(Job job);
  bool short_run(const Job& job) const;
  static void tell_expected(const Job& job);
  void do_short(Job job, std::unique_lock<std::mutex>& lock);
  void work();
  void serve(std::unique_lock<std::mutex>& lock);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void fail(Flight& flight, const std::string& code, const std::string& message) noexcept;
  void begin(Flight& flight, bool profiling, bool here = false);
  void run_at_pace(Flight& flight, bool here);
  bool ended(Flight& flight);
  bool doubtful(const Job& job) const;
  void finish();
  void look_after(bool wait);
  void fit_arena(size_t bytes);

  static constexpr size_t most_waiting = 64, most_flying = 16;
  /** Microseconds that a thread of JavaScript computes before it waits for a result. */
  static constexpr double most_here = 50;
  /**
   * Microseconds for which it pays to watch for the next run: a thread that sleeps is woken within some 40. After a run
   * of all threads more: they all have to be woken.
   */
  static constexpr double most_watching = 40, most_watching_together = 120;
  Device& device_;
  std::mutex mutex_;
  std::condition_variable work_, room_, done_;
  std::deque<Job> jobs_;
  std::list<Flight> flights_;  // on devices with a stream, several
  std::multiset<size_t> sizes_;
  std::atomic<size_t> queued_{0};                  // jobs_.size(), for the worker to watch without the lock
  std::chrono::steady_clock::time_point arrived_;  // when there was a job again after there had been none
  Idleness idle_;                                  // worker only
  double worth_watching_ = most_watching;          // worker only
  int waiting_ = 0;                                // threads that wait for room
  enum class Worker : uint8_t { none, thread, caller } worker_ = Worker::none;
  std::mutex calling_;  // held by the thread that does a job itself
  bool sleeping_ = false, profiling_ = false;
  bool short_run_ = false;  // a thread that submits does a run itself: nothing else begins
  Profile profile_;
  std::shared_ptr<Memory> arena_;
  std::string broken_;  // why the device is of no use any more; worker only
};

}  // namespace weft
