// Pace: how long a program takes on one thread and on all threads, as its earlier runs have shown.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

namespace weft {

/**
 * The pace of one program. The thread that runs the program uses it. Other threads may while the program does not run,
 * and call expected() and expects_all() at any time.
 *
 * Other programs of the machine make runs longer, never shorter, and do so for milliseconds at a time. So the best of
 * the newest runs counts, what was chosen stays until a trial of the other way has shown that this one is better, and
 * trials come again and again: as often as they cost a small share of all time.
 */
class Pace {
 public:
  /** Whether the next run goes to one thread: all threads would gain little, or it is one thread's turn to be tried. */
  bool alone() {
    runs_++, runs_elsewhere_++;
    // the first run meets cold memory and tells nothing; long runs always gain from more threads
    if (runs_ == 1 || together_.best() > worth_all) return false;
    if (!divides_) return true;
    if (!trying_ && due()) begin_trial();
    return trying_ ? !prefers_alone_ : prefers_alone_;
  }

  /** Notes how many microseconds a run took. `divides`: it had work for more than one thread. */
  void took(bool alone, double microseconds, bool divides = true) {
    divides_ = divides_ || divides;
    Estimate& estimate = alone ? alone_ : together_;
    if (runs_ == 1 && !alone) {
      expect(microseconds);
      return;
    }
    now_ += microseconds;
    estimate.take(microseconds, now_);
    if (trying_ && alone != prefers_alone_) {
      tries_++, spent_ += microseconds;
      const bool settled = alone || spent_ >= settling || tries_ >= most_tries;
      if (settled && tries_ >= samples) end_trial();
    } else if (!trying_) {
      since_ += microseconds;
    }
    expect((prefers_alone_ || !divides_ ? alone_ : together_).usual());
  }

  /** Notes a run that the thread which asked for it did by itself. */
  void took_here(double microseconds, bool divides = true) { runs_elsewhere_ = 0, took(true, microseconds, divides); }

  /**
   * Whether a run takes one thread no longer than this. Seldom a run is let through that took up to twice as long
   * elsewhere: another thread finds its caches cold each time, and would never see how short the run is.
   */
  bool fits(double microseconds) const {
    return alone_.best() <= microseconds || (runs_elsewhere_ >= seldom && alone_.best() <= 2 * microseconds);
  }

  /** The best of the newest runs on one thread, or on all threads. Infinite where there was none. */
  double best(bool alone) const { return (alone ? alone_ : together_).best(); }
  /** How many microseconds the next run is expected to take; 0 where nobody knows. */
  double expected() const { return expected_.load(std::memory_order_relaxed); }
  /** Whether all threads are expected to do the next run. */
  bool expects_all() const { return expects_all_.load(std::memory_order_relaxed); }

 private:
  static constexpr double unknown = std::numeric_limits<double>::infinity();
  static constexpr int samples = 5;

  /** What runs of one way have shown of late. */
  class Estimate {
   public:
    /** Notes a run that ended at `now`, in microseconds of all runs. */
    void take(double microseconds, double now) {
      if (now - newest_ >= memory) count_ = 0, before_ = best_ = unknown;
      if (count_ == 0) began_ = now;
      best_ = std::min(best_, microseconds), newest_ = now;
      if (++count_ >= samples && now - began_ >= memory) before_ = best_, best_ = unknown, count_ = 0;
      // follows the mean; a run that took far longer was interrupted, and counts as one of twice the mean
      usual_ = usual_ == unknown ? microseconds : usual_ + (std::min(microseconds, 2 * usual_) - usual_) / 8;
    }
    /** Of the last one or two times `memory`. */
    double best() const { return std::min(before_, best_); }
    double usual() const { return usual_; }

   private:
    double before_ = unknown, best_ = unknown, usual_ = unknown;
    double began_ = 0, newest_ = 0;
    int count_ = 0;
  };

  const Estimate& preferred() const { return prefers_alone_ ? alone_ : together_; }
  const Estimate& other() const { return prefers_alone_ ? together_ : alone_; }

  /** Whether the other way is to be tried now. */
  bool due() const { return other().best() == unknown || (since_ >= pause_ && since_ >= worth_trying * extra_); }

  void begin_trial() { trying_ = true, tries_ = 0, spent_ = 0; }

  void end_trial() {
    trying_ = false;
    if (preferred().best() == unknown) {  // nothing is known of it but a run on cold memory: it is its turn next
      prefers_alone_ = !prefers_alone_;
      return begin_trial();
    }
    extra_ = tries_ * std::max(0.0, other().best() - preferred().best());
    since_ = 0;
    const bool prefers_alone = alone_.best() <= together_.best() * worth_waking;
    pause_ = prefers_alone == prefers_alone_ ? std::min(2 * pause_, longest_pause) : shortest_pause;
    prefers_alone_ = prefers_alone;
  }

  void expect(double microseconds) {
    expected_.store(microseconds < unknown ? microseconds : 0, std::memory_order_relaxed);
    expects_all_.store(!prefers_alone_ && divides_, std::memory_order_relaxed);
  }

  /** Microseconds of a run on all threads from which on one thread is never tried. */
  static constexpr double worth_all = 30'000;
  /** All threads are used where they are faster by this factor. */
  static constexpr double worth_waking = 1.08;
  /** After so many microseconds, or runs, the system has given each thread a core of its own. */
  static constexpr double settling = 8'000;
  static constexpr int most_tries = 24;
  /** Microseconds of runs between two trials: from the shortest on twice as many after each that changed nothing. */
  static constexpr double shortest_pause = 4'000, longest_pause = 250'000;
  /** Microseconds of runs for which the best one counts, as other programs slow runs down for tens of milliseconds. */
  static constexpr double memory = 50'000;
  /** A trial comes when all runs since the last one took so many times what that one cost. */
  static constexpr double worth_trying = 50;
  /** After so many runs that another thread did a trial of the asking thread is worth its time. */
  static constexpr int seldom = 64;
  Estimate alone_, together_;
  bool prefers_alone_ = false, divides_ = false;
  bool trying_ = false;
  int tries_ = 0;                              // runs of the trial under way
  double now_ = 0;                             // microseconds of all runs
  double spent_ = 0;                           // microseconds of the trial under way
  double since_ = 0;                           // microseconds of the runs since the last trial
  double pause_ = shortest_pause, extra_ = 0;  // extra_: microseconds that the last trial cost at least
  uint32_t runs_ = 0, runs_elsewhere_ = 0;
  std::atomic<double> expected_{0};
  std::atomic<bool> expects_all_{true};
};

}  // namespace weft
