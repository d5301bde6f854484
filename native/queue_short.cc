// Short runs. The thread that submits a short run does it. One thread does a run alone where more would not be faster.
#include <algorithm>
#include <new>

#include "apart.h"
#include "float_mode.h"
#include "queue.h"

namespace weft {
namespace {

/** Says for its scope whether the calling thread does the work alone, or all threads together. */
class WorkAlone {
 public:
  WorkAlone(Device& device, bool alone) : device_(device) { device_.work_alone(alone); }
  ~WorkAlone() { device_.work_alone(false); }
  WorkAlone(const WorkAlone&) = delete;
  WorkAlone& operator=(const WorkAlone&) = delete;

 private:
  Device& device_;
};

/** Has a function called after each step of a run, and `often` within the steps. Null: nothing is called. */
class DuringRun {
 public:
  DuringRun(Device& device, Run& run, const std::function<void()>* call, bool often) : device_(device), run_(run) {
    set(call, often ? call : nullptr);
  }
  ~DuringRun() { set(nullptr, nullptr); }
  DuringRun(const DuringRun&) = delete;
  DuringRun& operator=(const DuringRun&) = delete;

 private:
  void set(const std::function<void()>* after_step, const std::function<void()>* between_parts) {
    run_.after_step = after_step, device_.between_parts(between_parts);
  }
  Device& device_;
  Run& run_;
};

}  // namespace

/**
 * Whether it would take longer to hand a job over than to do it. It must be the only job of its environment and of this
 * queue. So runs stay in order, and no other run changes state meanwhile.
 */
bool Queue::short_run(const Job& job) const {
  if (!job.program || job.program->waits() || !device_.is_host() || short_run_ || profiling_ || !jobs_.empty() || !flights_.empty())
    return false;
  double* const status = job.environment->status;
  return std::atomic_ref<double>(status[0]).load(std::memory_order_acquire) == job.ticket - 1 &&
         job.program->pace.fits(most_here - status[3]);
}

/** Lets whoever will wait for the job know how long it takes, and for how long it pays to look for its end. */
void Queue::tell_expected(const Job& job) const {
  double* const status = job.environment->status;
  status[4] = job.program ? job.program->pace.expected() : 0;
  status[5] = job.program && device_.filling_threads() > 0 && job.program->pace.expects_all() ? most_looking_together : most_looking;
}

/** Does a short job on the calling thread. */
void Queue::do_short(Job job, std::unique_lock<std::mutex>& lock) {
  job.arena = arena_;
  Flight flight(std::move(job));
  short_run_ = true;
  lock.unlock();
  {
    const FloatMode as_before;
    device_.enter();
    begin(flight, false, true);
    ended(flight);
  }
  Environment& environment = *flight.job.environment;
  for (bool told = false; !told;) {
    try {
      // nobody needs to be woken, because the submitting thread sees that the job is done
      environment.finish(flight.job.ticket, false, flight.report);
      told = true;
    } catch (const std::bad_alloc&) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }
  }
  lock.lock();
  short_run_ = false;
  if (sleeping_ && !jobs_.empty()) work_.notify_one();
  done_.notify_all();
  lock.unlock();
}

/** Does a run on the host. The calling thread does it alone where that is as fast as all threads together. */
void Queue::run_at_pace(Flight& flight, bool here) {
  using Clock = std::chrono::steady_clock;
  Pace& pace = flight.job.program->pace;
  // beside a thread that computes, two processors have room for one thread
  const bool competes = !here && worker_ == Worker::thread && device_.filling_threads() == 2;
  ThreadLoad* const asker = competes ? &flight.job.environment->load : nullptr;
  const bool alone = here || pace.alone(asker && asker->computes());
  const WorkAlone by_itself(device_, alone);
  if (!here) keep_apart(&flight.job.processor, 1);
  if (!alone) device_.expect_work(true);
  const bool fills = !alone && device_.filling_threads() > 0;
  // The mean may be of runs that others have slowed down, and who is woken late has waited for nothing. Where all
  // processors compute, who is woken early takes one of them.
  const double expected = fills ? pace.expected() : std::min(pace.expected(), pace.best(alone));
  const double ahead = fills ? ahead_together : ahead_alone;
  if (asker) asker->begin_run();
  const auto began = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double, std::micro>(Clock::now() - began).count(); };
  bool announced = false;
  const std::function<void()> announce = [&] {
    Environment& environment = *flight.job.environment;
    if (announced || !environment.awaited() || passed() < expected - ahead) return;
    announced = true;
    environment.announce(flight.job.ticket);
  };
  const bool announces = !here && expected > ahead && expected <= most_announced;
  {
    const DuringRun calls(device_, flight.run, announces ? &announce : nullptr, !fills);
    flight.job.program->run(flight.run);
  }
  const double microseconds = passed();
  if (asker) asker->end_run();
  const bool divides = device_.divided_work();
  if (here) {
    pace.took_here(microseconds, divides);
    flight.job.environment->status[3] += microseconds;
    return;
  }
  pace.took(alone, microseconds, divides);
  worth_watching_ = alone ? std::clamp(microseconds / 3, most_watching, most_watching_together) : most_watching_together;
  if (!alone && queued_.load(std::memory_order_relaxed) == 0 && !idle_.below(worth_watching_)) device_.expect_work(false);
}

}  // namespace weft
