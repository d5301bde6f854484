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
 *
 * Other programs of the machine make runs longer, never shorter, for milliseconds at a time. A busy thread of
 * JavaScript does so to the runs of all threads, for milliseconds again and again: then their mean counts, not the best
 * of them. So means are taken over spans of some milliseconds, and a good one of the newest spans decides. What was
 * chosen stays until a trial of the other way has shown that this one is better. Trials come again and again: as often
 * as they cost a small share of all time.
 *
 * No time of a run shows that its second thread holds up JavaScript, and with it what comes next. So where JavaScript
 * computes on one of two processors while runs are under way, short runs leave it that one.
 */
class Pace {
 public:
  /**
   * Whether the next run goes to one thread: all threads would gain little, or it is one thread's turn to be tried.
   * `crowded`: the thread that asks for the runs computes beside them, on one of two processors.
   */
  bool alone(bool crowded = false) {
    runs_++, runs_elsewhere_++;
    crowded_ = crowded && together_.best() <= worth_crowding;
    // the first run meets cold memory and tells nothing; long runs always gain from more threads
    if (runs_ == 1 || together_.best() > worth_all) return false;
    if (!divides_ || crowded_) return true;
    if (!trying_ && due()) begin_trial();
    return trying_ ? !prefers_alone_ : prefers_alone_;
  }

  /** Notes how many microseconds a run took. `divides`: it had work for more than one thread. */
  void took(bool alone, double microseconds, bool divides = true) {
    divides_ = divides_ || divides;
    if (runs_ == 1 && !alone) return expect(microseconds);
    now_ += microseconds;
    Estimate& estimate = alone ? alone_ : together_;
    const bool spanned = estimate.take(microseconds, now_);
    if (trying_ && alone != prefers_alone_) {
      tries_++, spent_ += microseconds;
      if (settling_) {
        settling_ = spent_ < settling && tries_ < most_tries;
        estimate.begin_span();
      } else if (spanned || estimate.spans_above(clearly * preferred().typical(), now_)) {
        end_trial();
      }
    } else if (!trying_) {
      since_ += microseconds;
      estimate.forget(now_ - memory);
    }
    expect((prefers_alone_ || crowded_ || !divides_ ? alone_ : together_).usual());
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

  /** How many microseconds the next run is expected to take; 0 where nobody knows. */
  double expected() const { return expected_.load(std::memory_order_relaxed); }
  /** Whether all threads are expected to do the next run. */
  bool expects_all() const { return expects_all_.load(std::memory_order_relaxed); }
  /** The best of the newest runs on one thread, or on all threads. Infinite where there was none. */
  double best(bool alone) const { return (alone ? alone_ : together_).best(); }

 private:
  static constexpr double unknown = std::numeric_limits<double>::infinity();
  static constexpr int samples = 3;

  /** What runs of one way have shown of late. */
  class Estimate {
   public:
    /** Notes a run that ended at `now`, in microseconds of all runs. Returns whether a span is full. */
    bool take(double microseconds, double now) {
      if (now - newest_ >= memory) before_ = best_ = unknown, began_ = now;
      best_ = std::min(best_, microseconds), newest_ = now;
      if (now - began_ >= memory) before_ = best_, best_ = unknown, began_ = now;
      // follows the mean; a run that took far longer was interrupted, and counts as one of twice the mean
      usual_ = usual_ == unknown ? microseconds : usual_ + (std::min(microseconds, 2 * usual_) - usual_) / 8;
      sum_ += microseconds, runs_++;
      const bool full = sum_ >= span && runs_ >= samples;
      if (full) end_span(now);
      return full;
    }
    void begin_span() { sum_ = 0, runs_ = 0; }
    /** Whether the span under way shows more microseconds a run than this. Ends the span if so. */
    bool spans_above(double microseconds, double now) {
      const bool above = runs_ >= samples && sum_ > microseconds * runs_;
      if (above) end_span(now);
      return above;
    }
    /** Of the last one or two times `memory`. */
    double best() const { return std::min(before_, best_); }
    double usual() const { return usual_; }
    /**
     * The mean of a run in a good one of the newest spans: of eight, the best but one. Before there was one: infinite.
     */
    double typical() const {
      std::array<double, kept> means{};
      for (int i = 0; i < spans_; i++) means[size_t(i)] = newest_spans_[size_t(i)].mean;
      std::sort(means.begin(), means.begin() + spans_);
      return spans_ == 0 ? unknown : means[size_t(spans_ / 8)];
    }
    /** Forgets all spans but the newest `count`. */
    void keep(int count) { spans_ = std::min(spans_, count); }
    /** Forgets the spans that ended before, but the newest. */
    void forget(double before) {
      while (spans_ > 1 && newest_spans_[size_t(spans_ - 1)].end < before) spans_--;
    }

   private:
    struct Span {
      double mean, end;
    };
    void end_span(double now) {
      std::copy_backward(newest_spans_.begin(), newest_spans_.end() - 1, newest_spans_.end());
      newest_spans_[0] = {sum_ / runs_, now};
      spans_ = std::min(spans_ + 1, kept);
      begin_span();
    }
    static constexpr int kept = 16;
    std::array<Span, kept> newest_spans_{};  // the newest first
    double before_ = unknown, best_ = unknown, usual_ = unknown;
    double began_ = 0, newest_ = 0, sum_ = 0;
    int spans_ = 0, runs_ = 0;
  };

  const Estimate& preferred() const { return prefers_alone_ ? alone_ : together_; }
  Estimate& other() { return prefers_alone_ ? together_ : alone_; }

  /** Whether the other way is to be tried now. */
  bool due() { return other().typical() == unknown || (since_ >= pause_ && since_ >= worth_trying * extra_); }

  void begin_trial() {
    trying_ = true, tries_ = 0, spent_ = 0;
    settling_ = prefers_alone_;
    other().keep(trials_kept - 1), other().begin_span();
  }

  void end_trial() {
    trying_ = false;
    if (preferred().typical() == unknown) {  // nothing is known of it but a run on cold memory: it is its turn next
      prefers_alone_ = !prefers_alone_;
      return begin_trial();
    }
    extra_ = tries_ * std::max(0.0, other().typical() - preferred().typical());
    since_ = 0;
    const bool prefers_alone = alone_.typical() <= together_.typical() * worth_waking;
    pause_ = prefers_alone == prefers_alone_ ? std::min(2 * pause_, longest_pause) : shortest_pause;
    prefers_alone_ = prefers_alone;
  }

  void expect(double microseconds) {
    expected_.store(microseconds < unknown ? microseconds : 0, std::memory_order_relaxed);
    expects_all_.store(!prefers_alone_ && !crowded_ && divides_, std::memory_order_relaxed);
  }

  /** Microseconds of a run on all threads from which on one thread is never tried. */
  static constexpr double worth_all = 30'000;
  /**
   * Microseconds of a run on all threads up to which one thread does it, where JavaScript computes on one of two
   * processors: some turns of the system's scheduler, so that nobody is held up for long.
   */
  static constexpr double worth_crowding = 5'000;
  /** All threads are used where they are faster by this factor. */
  static constexpr double worth_waking = 1.08;
  /** After so many microseconds, or runs, the system has given each thread a core of its own. */
  static constexpr double settling = 8'000;
  static constexpr int most_tries = 24;
  /** Microseconds over which a mean is taken. */
  static constexpr double span = 5'000;
  /** A trial ends early where runs take so many times as long as the other way. */
  static constexpr double clearly = 1.5;
  /** How many trials count, the newest among them. */
  static constexpr int trials_kept = 3;
  /** Microseconds of runs between two trials: from the shortest on twice as many after each that changed nothing. */
  static constexpr double shortest_pause = 4'000, longest_pause = 250'000;
  /** Microseconds of runs for which the best one counts, as other programs slow runs down for tens of milliseconds. */
  static constexpr double memory = 50'000;
  /** A trial comes when all runs since the last one took so many times what that one cost. */
  static constexpr double worth_trying = 60;
  /** After so many runs that another thread did a trial of the asking thread is worth its time. */
  static constexpr int seldom = 64;
  Estimate alone_, together_;
  bool prefers_alone_ = false, divides_ = false, crowded_ = false;
  bool trying_ = false, settling_ = false;
  int tries_ = 0;                              // runs of the trial under way
  double now_ = 0;                             // microseconds of all runs
  double spent_ = 0;                           // microseconds of the trial under way
  double since_ = 0;                           // microseconds of the runs since the last trial
  double pause_ = shortest_pause, extra_ = 0;  // extra_: microseconds that the last trial cost
  uint32_t runs_ = 0, runs_elsewhere_ = 0;
  std::atomic<double> expected_{0};
  std::atomic<bool> expects_all_{true};
};

}  // namespace weft
