// Pace: how long a program takes on one thread and on all threads, as its earlier runs have shown.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

namespace weft {

/**
 * The pace of one program. The thread that runs the program uses it. Other threads may while the program does not run,
 * and call expected() and expects_all() at any time.
 */
class Pace {
 public:
  /**
   * Whether the next run goes to one thread: all threads would gain little. Now and then the other way is tried again,
   * because the machine's other work changes.
   */
  bool alone() {
    runs_++;
    // the first run meets cold memory and tells nothing; long runs always gain from more threads
    if (runs_ == 1 || together_.usual > worth_all) return false;
    if (!trying_ && runs_ >= next_) trying_ = true, tries_ = 0, spent_ = 0;
    return trying_ ? !prefers_alone_ : prefers_alone_;
  }

  /** Notes how many microseconds a run took. */
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
    expects_all_.store(!prefers_alone_, std::memory_order_relaxed);
  }

  /** How many microseconds one thread takes. Infinite before one thread has done a run. */
  double microseconds_alone() const { return alone_.usual; }
  /** How many microseconds the next run is expected to take; 0 where nobody knows. */
  double expected() const { return expected_.load(std::memory_order_relaxed); }
  /** Whether all threads are expected to do the next run. */
  bool expects_all() const { return expects_all_.load(std::memory_order_relaxed); }

 private:
  struct Estimate {
    static constexpr double unknown = std::numeric_limits<double>::infinity();
    double usual = unknown;
    /** Follows the mean. A run that took far longer was interrupted, and counts as one of twice the mean. */
    void take(double measured) { usual = usual == unknown ? measured : usual + (std::min(measured, 2 * usual) - usual) / 8; }
  };

  /** Ends a trial of the other way. The median of its last runs is the new estimate. */
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

  static constexpr double worth_all = 200'000;
  /** All threads are used where they are faster by this factor. */
  static constexpr double worth_waking = 1.08;
  /** After so many microseconds, or runs, the system has given each thread a core of its own. */
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
  std::atomic<bool> expects_all_{true};
};

}  // namespace weft
