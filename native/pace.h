// Pace: how long a program takes on one thread and on all threads, as its earlier runs have shown.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

namespace weft {

/**
 * The pace of one program. The thread that runs the program uses it. Other threads may while the program does not run.
 */
class Pace {
 public:
  /**
   * Whether the next run goes to one thread: one thread is expected to end no later than all threads would. Now and
   * then the slower way is tried again.
   */
  bool alone() {
    runs_++;
    // the first run meets cold memory and tells nothing; long runs always gain from more threads
    if (runs_ == 1 || together_.microseconds > worth_all) return false;
    if (alone_.runs < tries) return true;
    if (together_.runs < tries) return false;
    const bool sooner = alone_.microseconds <= together_.microseconds;
    return runs_ % retry == 0 ? !sooner : sooner;
  }
  /** Notes how long a run took. */
  void took(bool alone, double microseconds) { (alone ? alone_ : together_).take(microseconds); }
  /** How many microseconds one thread takes. Infinite before one thread has done a run. */
  double microseconds_alone() const { return alone_.microseconds; }

 private:
  struct Estimate {
    double microseconds = std::numeric_limits<double>::infinity();
    int runs = 0;
    /** Keeps the estimate near the shortest run: a longer run was most likely interrupted. */
    void take(double measured) { microseconds = runs++ == 0 ? measured : std::min(measured, microseconds * 1.125 + 0.5); }
  };
  static constexpr double worth_all = 1000;
  static constexpr int tries = 3, retry = 256;
  Estimate alone_, together_;
  uint32_t runs_ = 0;
};

}  // namespace weft
