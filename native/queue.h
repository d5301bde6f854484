// Queue: the worker thread of a device. JavaScript threads submit runs, and the worker does them in the order in which
// they were submitted. A JavaScript thread does only the shortest runs itself.
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

/** A copy of bytes between the host and a device. */
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
  int processor = -1;  // that the submitting thread runs on
  double ticket = 0;
  double after = 0;  // the job begins when this ticket, which is another queue's, is done
  // tickets of the runs whose results the job reads; -1 for a run that is known to have failed
  std::vector<double> needs;
  bool notify = false;
  std::shared_ptr<Memory> arena;  // set by submit()
};

class Queue {
 public:
  explicit Queue(Device& device) : device_(device) {}

  /**
   * Puts a job into the queue. Waits while `most_waiting` runs are in it. The calling thread does the job itself,
   * before the call returns, in two cases: the worker thread cannot start, or the run is short and nothing is ahead of
   * it.
   */
  void submit(Job job);
  /** Drops the runs of a closed environment that have not begun, and waits for those that have. */
  void close(Environment&);
  void profile(bool on, Profile* result);
  /** Waits until nothing runs. Then gives memory that nobody holds back to the system. */
  void trim();

  /**
   * Announces a program. All programs share one arena, which is large enough for the largest of them. ERR_OUT_OF_MEMORY
   * where there is not enough memory.
   */
  void add(size_t arena_bytes);
  void remove(size_t arena_bytes);
  size_t arena_bytes();
  size_t programs();
  Device& device() const { return device_; }

 private:
  /** A job that has begun. */
  struct Flight {
    Job job;
    Run run;
    uint64_t mark = 0;
    bool over = false;
    bool doubtful = false;  // this run, or one that it needs, may turn out to have failed
    RunFault report;
    Profile measured;
    explicit Flight(Job taken)
        : job(std::move(taken)),
          run{nullptr, job.inputs.data(), job.outputs.data(), job.replies, nullptr, {}, {}, nullptr},
          report{job.ticket, -1, 0, {}, {}} {}
  };
  void start();
  void do_here(Job job);
  bool short_run(const Job& job) const;
  void tell_expected(const Job& job) const;
  void do_short(Job job, std::unique_lock<std::mutex>& lock);
  void work();
  void serve(std::unique_lock<std::mutex>& lock);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void fail(Flight& flight, const std::string& code, const std::string& message) noexcept;
  void begin(Flight& flight, bool profiling, bool here = false);
  void run_at_pace(Flight& flight, bool here);
  void report_fault(Flight& flight);
  bool ended(Flight& flight);
  bool doubtful(const Job& job) const;
  void finish();
  void look_after(bool wait);
  void fit_arena(size_t bytes);

  static constexpr size_t most_waiting = 64, most_flying = 16;
  /** For how many microseconds at most a JavaScript thread computes before it waits for a result. */
  static constexpr double most_here = 50;
  /**
   * For how many microseconds it pays to watch for the next run: a thread that sleeps is woken within some 40, and
   * finds its caches and its clock colder. After a longer run it pays for a third of that run's time, and for longest
   * after a run of all threads, because all of them have to be woken.
   */
  static constexpr double most_watching = 40, most_watching_together = 120;
  /**
   * For how many microseconds a JavaScript thread looks for the end of a run before it sleeps. Where all processors
   * compute, it would take time from them.
   */
  static constexpr double most_looking = 200, most_looking_together = 40;
  /**
   * A JavaScript thread that sleeps is woken so many microseconds before the run that it waits for is expected to end.
   * A long run is not announced: to wake a thread late makes little difference then.
   */
  static constexpr double ahead_alone = 90, ahead_together = 60, most_announced = 5'000;
  Device& device_;
  std::mutex mutex_;
  std::condition_variable work_, room_, done_;
  std::deque<Job> jobs_;
  std::list<Flight> flights_;  // more than one only on devices with a stream
  std::multiset<size_t> sizes_;
  std::atomic<size_t> queued_{0};                  // jobs_.size(), which the worker watches without the lock
  std::chrono::steady_clock::time_point arrived_;  // when there was a job again after there had been none
  Idleness idle_;                                  // worker only
  double worth_watching_ = most_watching;          // worker only
  int waiting_ = 0;                                // how many threads wait for room
  enum class Worker : uint8_t { none, thread, caller } worker_ = Worker::none;
  std::mutex calling_;  // held by the thread that does a job itself
  bool sleeping_ = false, profiling_ = false;
  bool short_run_ = false;  // a submitting thread does a run itself, and nothing else begins meanwhile
  Profile profile_;
  std::shared_ptr<Memory> arena_;
  std::string broken_;  // why the device is of no use any more; only the worker uses it
};

}  // namespace weft
