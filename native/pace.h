// Pace: how long a program takes on one thread and on all of them, as its earlier runs tell.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

namespace weft {

/** Of one program. Used by the thread that runs it, and by others while it does not run. */
class Pace {
 public:
  /**
   * Whether one thread does the next run as soon as all of them would. Every now and then the slower way is tried
   * again.
   */
  bool alone() {
    runs_++;
    // the first run meets cold memory, and long runs gain from every thread
    if (runs_ == 1 || together_.microseconds > worth_all) return false;
    if (alone_.runs < tries) return true;
    if (together_.runs < tries) return false;
    const bool sooner = alone_.microseconds <= together_.microseconds;
    return runs_ % retry == 0 ? !sooner : sooner;
  }
  /** Notes what a run took. */
  void took(bool alone, double microseconds) { (alone ? alone_ : together_).take(microseconds); }
  /** What one thread takes, in microseconds; infinite as long as no run has told. */
  double microseconds_alone() const { return alone_.microseconds; }

 private:
  struct Estimate {
    double microseconds = std::numeric_limits<double>::infinity();
    int runs = 0;
    /** Near the shortest run: a longer one was mostly interrupted. */
    void take(double measured) { microseconds = runs++ == 0 ? measured : std::min(measured, microseconds * 1.125 + 0.5); }
  };
  static constexpr double worth_all = 1000;
  static constexpr int tries = 3, retry = 256;
  Estimate alone_, together_;
  uint32_t runs_ = 0;
};

}  // namespace weft
