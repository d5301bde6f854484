// Thread load: for how much of the time a thread computes.
#pragma once
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <ctime>

namespace weft {

/**
 * For how much of the time the thread that made it computes. It says itself when it does nothing but look for the end
 * of a run. One other thread at a time may ask.
 */
class ThreadLoad {
 public:
  ThreadLoad() : known_(pthread_getcpuclockid(pthread_self(), &clock_) == 0) {}

  /** Called by the thread, in each turn in which it looks for an end in vain. */
  void looked() {
    const double now = microseconds_of(Clock::now().time_since_epoch());
    if (now - last_look_ < longest_turn)
      looking_.store(looking_.load(std::memory_order_relaxed) + now - last_look_, std::memory_order_relaxed);
    last_look_ = now;
  }

  /** Whether it computed for half of the last milliseconds, its looking apart. The system is asked every 5 ms. */
  bool computes() {
    const double now = microseconds_of(Clock::now().time_since_epoch()), passed = now - asked_;
    if (passed < span) return computes_;
    timespec time{};
    if (!known_ || clock_gettime(clock_, &time) != 0) return computes_ = false;  // the thread has ended
    const double used = double(time.tv_sec) * 1e6 + double(time.tv_nsec) / 1e3, looking = looking_.load(std::memory_order_relaxed);
    const double share = (used - used_ - (looking - looking_before_)) / passed;
    computes_ = passed < longest_span && share > (computes_ ? stays : begins);
    asked_ = now, used_ = used, looking_before_ = looking;
    return computes_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  template <class D> static double microseconds_of(D duration) { return std::chrono::duration<double, std::micro>(duration).count(); }
  /** Microseconds: what is no turn any more; a span that is measured; one too long to say anything of the present. */
  static constexpr double longest_turn = 50, span = 5'000, longest_span = 100'000;
  /** Shares. A thread that shares two processors with two others has two thirds of one. */
  static constexpr double begins = 0.5, stays = 0.4;
  clockid_t clock_{};
  bool known_;
  std::atomic<double> looking_{0};
  double last_look_ = 0;
  double asked_ = 0, used_ = 0, looking_before_ = 0;
  bool computes_ = false;
};

}  // namespace weft
