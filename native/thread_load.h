// Thread load: whether a thread computes while the runs of another one are under way.
#pragma once
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>

namespace weft {

/**
 * Whether the thread that made it computes beside the runs of another thread. What it does between runs does not count:
 * it takes no processor from them. It says itself when it does nothing but look for the end of a run.
 */
class ThreadLoad {
 public:
  ThreadLoad() : known_(pthread_getcpuclockid(pthread_self(), &clock_) == 0) {}

  /**
   * Called by the thread, in each turn in which it looks for an end in vain. What lies between two turns counts as
   * looking where it is short.
   */
  void looked() {
    const double now = clock_now();
    if (now - last_look_ < longest_turn) looked_for(now - last_look_);
    last_look_ = now;
  }
  /** Called by the thread, after it looked for an end for so many microseconds, or slept until then. */
  void looked_for(double microseconds) {
    looking_.store(looking_.load(std::memory_order_relaxed) + microseconds, std::memory_order_relaxed);
  }

  /** Called by the other thread, before and after its runs. Of short runs, only some are looked at. */
  void begin_run() {
    const double now = clock_now();
    computes_ = computes_ && now - decided_ < holds;
    measures_ = now - began_ >= rare && used(used_before_);
    if (!measures_) return;
    began_ = now, looking_before_ = looking_.load(std::memory_order_relaxed);
  }
  void end_run() {
    double used_now = 0;
    const double now = clock_now(), passed = now - began_;
    if (!measures_ || passed < shortest || !used(used_now)) return;
    const double looking = looking_.load(std::memory_order_relaxed) - looking_before_;
    passed_ += passed, computed_ += std::max(0.0, used_now - used_before_ - looking), runs_++;
    if (passed_ < span && runs_ < most_runs) return;
    computes_ = computed_ > (computes_ ? stays : begins) * passed_;
    passed_ = computed_ = 0, runs_ = 0, decided_ = now;
  }
  /** Whether it computed for half of the time of the newest runs. The other thread asks. */
  bool computes() const { return computes_; }

 private:
  static double clock_now() {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  /** The processor time of the thread, in microseconds. False where nobody tells. */
  bool used(double& microseconds) {
    timespec time{};
    known_ = known_ && clock_gettime(clock_, &time) == 0;
    computes_ = computes_ && known_;
    microseconds = double(time.tv_sec) * 1e6 + double(time.tv_nsec) / 1e3;
    return known_;
  }

  /** Microseconds of what is no turn any more. */
  static constexpr double longest_turn = 50;
  /** Microseconds from one run that is measured to the next, as the system is asked; and of the shortest one. */
  static constexpr double rare = 1'000, shortest = 100;
  /** Microseconds of runs, or runs, that are enough to decide. */
  static constexpr double span = 5'000;
  static constexpr int most_runs = 16;
  /** Microseconds for which it holds that the thread computes: runs that are too short to be measured tell no more. */
  static constexpr double holds = 250'000;
  /** Shares of the time. A thread that shares two processors with two others has two thirds of one. */
  static constexpr double begins = 0.5, stays = 0.4;
  clockid_t clock_{};
  std::atomic<double> looking_{0};
  double last_look_ = 0;  // the thread's own; what follows is of the other one
  bool known_, measures_ = false, computes_ = false;
  double began_ = 0, used_before_ = 0, looking_before_ = 0;  // of the run under way
  double passed_ = 0, computed_ = 0, decided_ = 0;           // of the newest runs
  int runs_ = 0;
};

}  // namespace weft
