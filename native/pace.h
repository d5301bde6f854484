// Pace: how long a program takes on one thread and on all of them, as its earlier runs tell.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

namespace weft {

/** Of one program. Used by the thread that runs it, and by others while it does not run; expected() by any thread. */
class Pace {
 public:
  /**
   * Whether one thread does the next run: where all of them would gain little. Every now and then the other way is
   * tried again, for what else the machine does changes.
   */
  bool alone() {
    runs_++;
    // the first run meets cold memory, and long runs gain from every thread
    if (runs_ == 1 || together_.usual > worth_all) return false;
    if (!trying_ && runs_ >= next_) trying_ = true, tries_ = 0, spent_ = 0;
    return trying_ ? !prefers_alone_ : prefers_alone_;
  }

  /** Notes what a run took, in microseconds. */
  void took(bool alone, double microseconds) {
    Estimate& estimate = alone ? alone_ : together_;
    if (trying_ && alone != prefers_alone_) {
      tried_[size_t(tries_++) % tried_.size()] = microseconds;
      spent_ += microseconds;
      const bool settled = alone || spent_ >= settling || tries_ >= most_tries;
      if (settled && size_t(tries_) >= tried_.size()) end_trial(estimate);
    } else {
      estimate.take(microseconds);
    }
    if (!trying_) prefers_alone_ = alone_.usual <= together_.usual * worth_waking;
    const double expected = (prefers_alone_ ? alone_ : together_).usual;
    expected_.store(expected < Estimate::unknown ? expected : 0, std::memory_order_relaxed);
  }

  /** What one thread takes, in microseconds; infinite as long as no run has told. */
  double microseconds_alone() const { return alone_.usual; }
  /** What a run takes, in microseconds; 0 as long as none has told. */
  double expected() const { return expected_.load(std::memory_order_relaxed); }

 private:
  struct Estimate {
    static constexpr double unknown = std::numeric_limits<double>::infinity();
    double usual = unknown;
    /** Follows the mean. A run that takes far longer was interrupted. */
    void take(double measured) { usual = usual == unknown ? measured : usual + (std::min(measured, 2 * usual) - usual) / 8; }
  };

  /** The other way has been tried: of its last runs the middle one counts. */
  void end_trial(Estimate& estimate) {
    trying_ = false;
    std::sort(tried_.begin(), tried_.end());
    estimate.usual = tried_[tried_.size() / 2];
    if (runs_ < 2 * tried_.size()) {
      together_ = {};  // they were timed on cold memory only: it is their turn next
    } else {
      interval_ = std::min(2 * interval_, most_interval);
      next_ = runs_ + interval_;
    }
  }

  static constexpr double worth_all = 20'000;
  /** All threads are woken for a gain of this much. */
  static constexpr double worth_waking = 1.08;
  /** Microseconds, or runs, until the system has given each thread a core of its own. */
  static constexpr double settling = 8'000;
  static constexpr int most_tries = 24;
  static constexpr uint32_t most_interval = 512;
  Estimate alone_, together_;
  bool prefers_alone_ = false;
  bool trying_ = false;
  int tries_ = 0;                  // runs of the trial under way
  double spent_ = 0;               // microseconds of the trial under way
  std::array<double, 3> tried_{};  // its last runs
  uint32_t runs_ = 0, next_ = 2, interval_ = 64;
  std::atomic<double> expected_{0};
};

}  // namespace weft
