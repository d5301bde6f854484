// Keeps book of which runs of a JavaScript environment are done.
#include "environment.h"

#include <utility>

#include "pause.h"

namespace weft {

void Environment::finish(double ticket, bool notify, const RunFault& fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  // what needs memory comes first: where it throws, nothing has changed
  const bool early = ticket != finished_ + 1;
  if (early) early_.insert(ticket);
  if (early && notify && !closed_) wanted_.insert(ticket);
  if (!closed_ && !fault.none()) {
    constexpr size_t most_failed = 4096;  // far more than the runs that can be queued
    failed_.insert(ticket);
    if (failed_.size() > most_failed) failed_.erase(failed_.begin());
    faults_.push_back(fault);
    std::atomic_ref<double>(status[1]).fetch_add(1.0);
  }
  if (!early) {
    finished_ = ticket;
    while (!early_.empty() && *early_.begin() == finished_ + 1) finished_++, early_.erase(early_.begin());
  }
  if (!closed_) {
    std::atomic_ref<double>(status[0]).store(finished_, std::memory_order_release);
    const auto waiting = wanted_.upper_bound(finished_);
    if ((notify && !early) || waiting != wanted_.begin()) {
      wanted_.erase(wanted_.begin(), waiting);
      awaited_.store(!wanted_.empty(), std::memory_order_relaxed);
      signal();
    }
  }
  if (sleepers_ > 0) done_.notify_all();
}

void Environment::notify(double ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (finished_ >= ticket) signal();
  else wanted_.insert(ticket), awaited_.store(true, std::memory_order_relaxed);
}

void Environment::announce(double ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || wanted_.erase(ticket) == 0) return;
  awaited_.store(!wanted_.empty(), std::memory_order_relaxed);
  std::atomic_ref<double>(status[6]).store(ticket, std::memory_order_release);
  signal();
}

void Environment::wait(double ticket) {
  // most waits are shorter than it takes to put a thread to sleep and wake it again
  const std::atomic_ref<double> finished(status[0]);
  if (watch(std::chrono::microseconds(100), [&] { return finished.load(std::memory_order_acquire) >= ticket; })) return;
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_++;
  done_.wait(lock, [&] { return finished_ >= ticket || closed_; });
  sleepers_--;
}

std::vector<RunFault> Environment::take_faults() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(faults_, {});
}

bool Environment::failed(double ticket) {
  if (std::atomic_ref<double>(status[1]).load(std::memory_order_acquire) == 0) return false;
  std::lock_guard<std::mutex> lock(mutex_);
  return failed_.count(ticket) != 0;
}

void Environment::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  done_.notify_all();
}

}  // namespace weft
