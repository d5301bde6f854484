// The worker thread. It takes jobs in order, hands them to the device, and tells their environments when they are done.
#include "queue.h"

#include <algorithm>
#include <system_error>

#include "apart.h"
#include "float_mode.h"
#include "long_slice.h"
#include "pause.h"

namespace weft {

/** Starts the worker thread. Where the system allows no more threads, callers do all work from then on. */
void Queue::start() {
  try {
    std::thread([this] { work(); }).detach();
    worker_ = Worker::thread;
  } catch (const std::system_error&) { worker_ = Worker::caller; }
}

void Queue::submit(Job job) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (worker_ == Worker::none) start();
  // where memory could not be had before, there may be no arena
  if (job.program && !arena_) fit_arena(sizes_.empty() ? 0 : *sizes_.rbegin());
  if (worker_ == Worker::caller) {
    lock.unlock();
    return do_here(std::move(job));
  }
  if (short_run(job)) return do_short(std::move(job), lock);
  if (jobs_.size() >= most_waiting) {
    // waits until half of the jobs are done, so that the two threads do not wake each other for every run
    waiting_++;
    room_.wait(lock, [&] { return jobs_.size() <= most_waiting / 2; });
    waiting_--;
  }
  job.arena = arena_;
  job.processor = processor_now();
  tell_expected(job);
  if (jobs_.empty()) arrived_ = std::chrono::steady_clock::now();
  jobs_.push_back(std::move(job));
  queued_.store(jobs_.size(), std::memory_order_release);
  if (sleeping_) work_.notify_one();
}

/** Does on the calling thread what the worker would do with a job. */
void Queue::do_here(Job job) {
  std::lock_guard<std::mutex> one_at_a_time(calling_);
  const FloatMode as_before;
  try {
    device_.enter();
  } catch (const Error& error) { broken_ = error.what(); }
  std::unique_lock<std::mutex> lock(mutex_);
  job.arena = arena_;
  flights_.emplace_back(std::move(job));
  const bool profiling = profiling_;
  lock.unlock();
  begin(flights_.back(), profiling);
  look_after(true);
}

void Queue::close(Environment& environment) {
  std::unique_lock<std::mutex> lock(mutex_);
  std::deque<Job> dropped;  // freed outside the lock, because the last holder of a program calls remove()
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    if (it->environment.get() == &environment) {
      dropped.push_back(std::move(*it));
      it = jobs_.erase(it);
    } else {
      ++it;
    }
  }
  queued_.store(jobs_.size(), std::memory_order_relaxed);
  room_.notify_all();
  done_.wait(lock, [&] {
    return std::none_of(flights_.begin(), flights_.end(),
                        [&](const Flight& flight) { return flight.job.environment.get() == &environment; });
  });
  lock.unlock();
}

void Queue::trim() {
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return jobs_.empty() && flights_.empty() && !short_run_; });
  device_.trim();
}

void Queue::profile(bool on, Profile* result) {
  std::lock_guard<std::mutex> lock(mutex_);
  profiling_ = on;
  *result = std::exchange(profile_, {});
}

void Queue::add(size_t arena_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  fit_arena(std::max(arena_bytes, sizes_.empty() ? size_t(0) : *sizes_.rbegin()));
  sizes_.insert(arena_bytes);
}

void Queue::remove(size_t arena_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = sizes_.find(arena_bytes);
  if (it != sizes_.end()) sizes_.erase(it);
  try {
    fit_arena(sizes_.empty() ? 0 : *sizes_.rbegin());
  } catch (const std::exception&) {}  // the present arena stays
}

size_t Queue::arena_bytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  return arena_ ? arena_->bytes() : 0;
}

size_t Queue::programs() {
  std::lock_guard<std::mutex> lock(mutex_);
  return sizes_.size();
}

/**
 * Sees that runs that are submitted from now on have an arena of at least so many bytes. A much larger arena is given
 * up: the programs that needed it are gone.
 */
void Queue::fit_arena(size_t bytes) {
  constexpr size_t slack = size_t(2) << 20, least = 4096;
  const size_t there = arena_ ? arena_->bytes() : 0;
  if (there >= bytes && there > 0 && there <= 4 * bytes + slack) return;
  try {
    arena_ = std::make_shared<Memory>(device_, std::max(bytes, least));
  } catch (const Error&) {
    arena_.reset();
    try {
      arena_ = std::make_shared<Memory>(device_, std::max(bytes, least));
    } catch (const Error&) {
      arena_ = std::make_shared<Memory>(device_, std::max(there, least));
      throw;
    }
  }
}

/** Waits until there is a job. */
void Queue::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto began = std::chrono::steady_clock::now();
  if (idle_.below(worth_watching_)) {  // watching for the next run spares both sides a system call
    lock.unlock();
    watch(std::chrono::microseconds(int(worth_watching_)), [&] { return queued_.load(std::memory_order_acquire) != 0; });
    lock.lock();
  }
  sleeping_ = true;
  work_.wait(lock, [&] { return !jobs_.empty() && !short_run_; });
  sleeping_ = false;
  idle_.waited(std::chrono::duration<double, std::micro>(arrived_ - began).count());
}

/** Notes why a run failed. */
void Queue::fail(Flight& flight, const std::string& code, const std::string& message) noexcept {
  try {
    if (broken_.empty() && !device_.recover()) broken_ = message;
    flight.report.code = code, flight.report.message = message;
  } catch (const std::exception&) {
    flight.report.code = "ERR_STATE", flight.report.message = "out of memory";  // texts so short need no memory
  }
}

/** Whether a run that the job needs has failed. */
static bool lacks(const Job& job) {
  return std::any_of(job.needs.begin(), job.needs.end(), [&](double need) { return need < 0 || job.environment->failed(need); });
}
constexpr const char* lacking = "an input comes of a run that failed";  // JavaScript knows which run

/** Whether a run that the job needs is under way and may turn out to have failed. */
bool Queue::doubtful(const Job& job) const {
  return std::any_of(flights_.begin(), flights_.end(), [&](const Flight& flight) {
    return flight.doubtful && std::find(job.needs.begin(), job.needs.end(), flight.job.ticket) != job.needs.end();
  });
}

/**
 * Hands a job to the device. `here` says that the calling thread does it alone. What it throws becomes the fault of the
 * run.
 */
void Queue::begin(Flight& flight, bool profiling, bool here) {
  Job& job = flight.job;
  const auto failed = [&](const std::string& code, const std::string& message) {
    if (job.program) flight.report.call = job.program->current_call();
    fail(flight, code, message);
  };
  if (job.after > 0) job.environment->wait(job.after);
  try {
    require(broken_.empty(), "ERR_CUDA", broken_);
    require(!lacks(job), "ERR_INPUT", lacking);
    for (const Transfer& transfer : job.transfers) {
      if (transfer.way == Transfer::Way::in) device_.upload(transfer.to, transfer.from, transfer.bytes);
      else device_.download(transfer.to, transfer.from, transfer.bytes);
    }
    if (job.program) {
      flight.run.arena = job.arena->data();
      flight.run.profile = profiling ? &flight.measured : nullptr;
      if (device_.is_host() && !profiling) run_at_pace(flight, here);
      else job.program->run(flight.run);
    }
    flight.mark = device_.mark();
  } catch (const Error& error) { failed(error.code, error.what()); } catch (const std::bad_alloc&) {
    failed("ERR_OUT_OF_MEMORY", "out of memory");
  } catch (const std::exception& error) { failed("ERR_STATE", error.what()); } catch (...) {
    failed("ERR_STATE", "the kernel threw what is no std::exception");
  }
}

/** Says which call has met a bad value, or why a collective has failed. */
void Queue::report_fault(Flight& flight) {
  flight.report.call = flight.run.fault.call.load(), flight.report.value = flight.run.fault.value;
  if (!flight.job.program->shared(flight.report.call)) return;
  const Error error = device_.explain(flight.report.value);
  flight.report.code = error.code, flight.report.message = error.what();
}

/** Whether a flight is over. Its report is complete then. */
bool Queue::ended(Flight& flight) {
  if (flight.over || !flight.report.code.empty()) return true;
  try {
    if (!device_.reached(flight.mark)) return false;
    flight.over = true;
    if (flight.job.program) flight.job.program->finish(flight.run);
    if (flight.job.program && flight.job.program->shared()) device_.end_shared();
    if (flight.run.fault.raised()) report_fault(flight);
    else if (lacks(flight.job)) fail(flight, "ERR_INPUT", lacking);
  } catch (const Error& error) {
    if (broken_.empty()) broken_ = error.what();  // the device does not tell any more how far it is
    fail(flight, error.code, error.what());
  } catch (const std::exception& error) { fail(flight, "ERR_OUT_OF_MEMORY", error.what()); }
  return true;
}

/** Ends the oldest flight, which is over, and tells its environment. */
void Queue::finish() {
  Flight& flight = flights_.front();
  if (!flight.measured.entries.empty()) {
    // comes before anybody is told that the run is done: a profile that ends then must hold this run
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
      for (const auto& [name, entry] : flight.measured.entries) {
        auto& total = profile_.entries[name];
        total.count += entry.count, total.ms += entry.ms, total.flops += entry.flops, total.bytes += entry.bytes;
      }
    } catch (const std::bad_alloc&) {}  // the run counts all the same, only its times are lost
  }
  flight.job.environment->finish(flight.job.ticket, flight.job.notify, flight.report);
  flight.job.program.reset();  // outside the lock, because the last holder calls remove()
  std::list<Flight> over;      // the flight's arena may go with it, outside the lock as well
  std::unique_lock<std::mutex> lock(mutex_);
  over.splice(over.end(), flights_, flights_.begin());
  done_.notify_all();
  lock.unlock();
  over.clear();
}

void Queue::work() {
  if (device_.is_host()) take_long_slices();
  try {
    device_.enter();
  } catch (const Error& error) { broken_ = error.what(); }
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    try {
      serve(lock);
    } catch (const std::bad_alloc&) {
      // there was no memory to note something about a run: nothing is lost, and it is tried again
      if (lock.owns_lock()) lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      lock.lock();
    }
  }
}

/** Begins the next job, or looks after the flights. Waits where there is neither a job nor a flight. */
void Queue::serve(std::unique_lock<std::mutex>& lock) {
  if (flights_.empty() && (jobs_.empty() || short_run_)) wait_for_work(lock);
  // A job that waits for another queue begins when there is no flight left, because the other queue may wait for one.
  // A job that changes state begins when it is known that its inputs are good.
  const auto waits = [&](const Job& job) {
    return job.after > 0 ? !flights_.empty() : job.program && job.program->updates() && doubtful(job);
  };
  const bool drain = jobs_.empty() || flights_.size() >= most_flying || waits(jobs_.front());
  if (!drain) {
    const bool in_doubt = jobs_.front().program && (jobs_.front().program->raises() || doubtful(jobs_.front()));
    flights_.emplace_back(std::move(jobs_.front()));
    flights_.back().doubtful = in_doubt;
    jobs_.pop_front();
    queued_.store(jobs_.size(), std::memory_order_relaxed);
    if (waiting_ > 0 && jobs_.size() <= most_waiting / 2) room_.notify_all();
    const bool profiling = profiling_;
    lock.unlock();
    begin(flights_.back(), profiling);
  } else {
    lock.unlock();
  }
  look_after(drain && queued_.load(std::memory_order_relaxed) != 0);
  lock.lock();
}

/**
 * Finishes flights, the oldest first. Returns when there are none left, or when there is a job to begin. With `wait`,
 * one flight must end before a job counts.
 */
void Queue::look_after(bool wait) {
  const auto wanted = [&] { return !wait && queued_.load(std::memory_order_acquire) != 0; };
  while (!flights_.empty()) {
    if (ended(flights_.front())) finish(), wait = false;
    else if (wanted()) return;
    else if (!watch(std::chrono::microseconds(200), [&] { return ended(flights_.front()) || wanted(); }))
      std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

}  // namespace weft
