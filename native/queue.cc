// The worker thread: takes runs in order, gives each the shared arena, records faults, tells JavaScript.
#include "queue.h"

#include "float_mode.h"
#include "pause.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace weft {

Queue& Queue::cpu() {
  static Queue* queue = new Queue;  // never destroyed: its thread lives as long as the process
  return *queue;
}

void Queue::submit(Job job) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!started_) {
    started_ = true;
    std::thread([this] { work(); }).detach();
  }
  if (jobs_.size() >= most_waiting) {
    // until half of them are done, so that the two threads do not wake each other for every run
    waiting_++;
    room_.wait(lock, [&] { return jobs_.size() <= most_waiting / 2; });
    waiting_--;
  }
  jobs_.push_back(std::move(job));
  queued_.store(jobs_.size(), std::memory_order_release);
  if (sleeping_) work_.notify_one();
}

void Queue::notify(Environment& environment, double ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (environment.finished >= ticket) {
    lock.unlock();
    environment.signal();
  } else {
    environment.wanted.insert(ticket);
  }
}

void Queue::wait(Environment& environment, double ticket) {
  // most waits are shorter than it takes to put a thread to sleep and wake it again
  const std::atomic_ref<double> finished(environment.status[0]);
  if (watch(std::chrono::microseconds(500), [&] { return finished.load(std::memory_order_acquire) >= ticket; })) return;
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return environment.finished >= ticket; });
}

std::vector<RunFault> Queue::take_faults(Environment& environment) {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(environment.faults, {});
}

void Queue::close(Environment& environment) {
  std::unique_lock<std::mutex> lock(mutex_);
  environment.closed = true;
  std::deque<Job> dropped;  // freed outside the lock: the last holder of a program calls remove()
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
  done_.wait(lock, [&] { return running_ != &environment; });
  lock.unlock();
}

void Queue::profile(bool on, Profile* result) {
  std::lock_guard<std::mutex> lock(mutex_);
  profiling_ = on;
  *result = std::exchange(profile_, {});
}

void Queue::add(size_t arena_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  sizes_.insert(arena_bytes);
}

void Queue::remove(size_t arena_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = sizes_.find(arena_bytes);
  if (it != sizes_.end()) sizes_.erase(it);
}

size_t Queue::arena_bytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  return capacity_;
}

size_t Queue::programs() {
  std::lock_guard<std::mutex> lock(mutex_);
  return sizes_.size();
}

/** The arena, at least as large as asked; given back to the system in part when the programs that needed it are gone. */
char* Queue::arena(size_t bytes) {
  constexpr size_t huge_page = size_t(2) << 20;
  const size_t largest = std::max(bytes, sizes_.empty() ? size_t(0) : *sizes_.rbegin());
  if (largest > capacity_ || capacity_ > 4 * largest + huge_page) {
    std::free(arena_);
    capacity_ =
        largest < huge_page ? (std::max(largest, size_t(1)) + 4095) / 4096 * 4096 : (largest + huge_page - 1) / huge_page * huge_page;
    arena_ = static_cast<char*>(std::aligned_alloc(capacity_ < huge_page ? 4096 : huge_page, capacity_));
    if (arena_ == nullptr) {
      const size_t asked = std::exchange(capacity_, 0);
      throw Error("ERR_OUT_OF_MEMORY", "asked for an arena of " + std::to_string(asked) + " bytes; use smaller batches");
    }
#ifdef MADV_HUGEPAGE
    if (capacity_ >= huge_page) madvise(arena_, capacity_, MADV_HUGEPAGE);
#endif
  }
  return arena_;
}

void Queue::work() {
  flush_subnormals();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (jobs_.empty()) {
      // the next run often comes within microseconds: watching for it spares both sides a system call
      lock.unlock();
      watch(std::chrono::microseconds(200), [&] { return queued_.load(std::memory_order_acquire) != 0; });
      lock.lock();
      sleeping_ = true;
      work_.wait(lock, [&] { return !jobs_.empty(); });
      sleeping_ = false;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    queued_.store(jobs_.size(), std::memory_order_relaxed);
    if (waiting_ > 0 && jobs_.size() <= most_waiting / 2) room_.notify_all();
    Environment& environment = *job.environment;
    running_ = &environment;
    const bool profiling = profiling_;
    Profile measured;
    Fault fault;
    RunFault report{job.ticket, -1, 0, {}, {}};
    try {
      char* memory = arena(job.program->arena_bytes());
      lock.unlock();
      job.program->run(memory, job.inputs.data(), job.outputs.data(), fault, profiling ? &measured : nullptr);
      if (fault.raised()) report.call = fault.call.load(), report.value = fault.value;
    } catch (const Error& error) { report.code = error.code, report.message = error.what(); } catch (const std::exception& error) {
      report.code = "ERR_OUT_OF_MEMORY", report.message = error.what();  // all a step can throw besides Error is bad_alloc
    }
    if (lock.owns_lock()) lock.unlock();
    job.program.reset();  // outside the lock: the last holder calls remove()
    lock.lock();
    for (const auto& [name, entry] : measured.entries) {
      auto& total = profile_.entries[name];
      total.count += entry.count, total.ms += entry.ms, total.flops += entry.flops, total.bytes += entry.bytes;
    }
    running_ = nullptr;
    environment.finished = job.ticket;
    if (!environment.closed) {
      if (report.call >= 0 || !report.code.empty()) {
        environment.faults.push_back(std::move(report));
        std::atomic_ref<double>(environment.status[1]).fetch_add(1.0);
      }
      std::atomic_ref<double>(environment.status[0]).store(job.ticket, std::memory_order_release);
      const auto waiting = environment.wanted.upper_bound(job.ticket);
      if (job.notify || waiting != environment.wanted.begin()) {
        environment.wanted.erase(environment.wanted.begin(), waiting);
        environment.signal();
      }
    }
    done_.notify_all();
  }
}

}  // namespace weft
