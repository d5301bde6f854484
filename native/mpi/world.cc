#include "mpi/world.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "error.h"

namespace weft::mpi {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

/** MPI has no 16-bit floats. Their sums are rounded once for each pair of operands. */
template <class T> void add(void* given, void* sum, int* count, Handle*) {
  const T* a = static_cast<const T*>(given);
  T* b = static_cast<T*>(sum);
  for (int i = 0; i < *count; i++) b[i] = T(float(a[i]) + float(b[i]));
}

/**
 * Of two floats the larger or the smaller one. MPI's own keep NaN or lose it, as the order of the operands is, and that
 * differs from rank to rank. Here NaN on any rank is NaN on all, and -0 is less than 0.
 */
template <class T, bool larger> void extreme(void* given, void* kept, int* count, Handle*) {
  const T* a = static_cast<const T*>(given);
  T* b = static_cast<T*>(kept);
  for (int i = 0; i < *count; i++) {
    using C = Compute<T>;
    const C x = C(a[i]), y = C(b[i]);
    if (x != x || y != y) b[i] = T(std::numeric_limits<C>::quiet_NaN());
    else if (x == y) b[i] = std::signbit(x) == larger ? b[i] : a[i];
    else b[i] = (x > y) == larger ? a[i] : b[i];
  }
}

/** By srun itself: an mpirun that runs in a step of Slurm sets variables of its own. */
bool started_by_srun() {
  return std::getenv("SLURM_PROCID") != nullptr && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr && std::getenv("PMI_SIZE") == nullptr;
}

std::string host_name() {
  char text[256] = {};
  gethostname(text, sizeof text - 1);
  return text;
}

}  // namespace

World& world() {
  static World* const instance = new World;  // never destroyed: its thread lives as long as the process
  return *instance;
}

WorldFacts World::open(const WorldSettings& settings) {
  require(!open_ && failed_to_open_.empty(), "ERR_STATE", "the ranks have met already in this process");
  timeout_ = settings.timeout;
  heartbeat_ = settings.heartbeat;
  thread_ = std::thread([this, settings] { work(settings); });
  thread_.detach();
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::duration<double, std::milli>(timeout_);
  if (!done_.wait_for(lock, limit, [&] { return open_ || !failed_to_open_.empty(); }))
    failed_to_open_ = "not all ranks came within " + std::to_string(int64_t(timeout_)) + " ms";
  if (!open_) fail("ERR_DISTRIBUTED", failed_to_open_);
  return {.rank = rank_, .size = size_, .version = mpi_.version};
}

template <class T> void World::create_extremes(DType dtype) {
  check(mpi_.call.Op_create(extreme<T, true>, 1, &extremes_[dtype].max), "MPI_Op_create");
  check(mpi_.call.Op_create(extreme<T, false>, 1, &extremes_[dtype].min), "MPI_Op_create");
}

/** On the thread that talks to MPI: opens it, and lets the ranks meet. */
void World::meet(const WorldSettings& settings) {
  int provided = 0;
  check(mpi_.call.Init_thread(nullptr, nullptr, thread_serialized, &provided), "MPI_Init_thread");
  require(provided >= thread_serialized, "ERR_DISTRIBUTED", mpi_.version, " was built without threads: MPI_THREAD_SERIALIZED is needed");
  const Handle everybody = mpi_.the.world;
  check(mpi_.call.Comm_rank(everybody, &rank_), "MPI_Comm_rank");
  check(mpi_.call.Comm_size(everybody, &size_), "MPI_Comm_size");
  require(settings.size == 0 || settings.size == size_, "ERR_DISTRIBUTED", "the launcher started ", settings.size, " ranks, but ",
          mpi_.version, " (", mpi_.path, ") knows ", size_,
          started_by_srun() ? ": srun tells it of the others where it is called as srun --mpi=pmix, if this MPI was built with PMIx"
                            : ": it is another MPI than the launcher's. Start with the mpirun of that MPI, or set WEFT_MPI_LIBRARY to the "
                              "launcher's library");
  check(mpi_.call.Comm_dup(everybody, &data_), "MPI_Comm_dup");
  check(mpi_.call.Comm_dup(everybody, &control_communicator_), "MPI_Comm_dup");
  check(mpi_.call.Comm_dup(everybody, &disagreement_communicator_), "MPI_Comm_dup");
  for (const Handle one : {data_, control_communicator_, disagreement_communicator_})
    check(mpi_.call.Comm_set_errhandler(one, mpi_.the.errors_return), "MPI_Comm_set_errhandler");
  check(mpi_.call.Op_create(add<BFloat16>, 1, &sum_bfloat16_), "MPI_Op_create");
  check(mpi_.call.Op_create(add<Float16>, 1, &sum_float16_), "MPI_Op_create");
  create_extremes<float>(DType::float32);
  create_extremes<double>(DType::float64);
  create_extremes<BFloat16>(DType::bfloat16);
  create_extremes<Float16>(DType::float16);
  if (size_ == 1) return;

  char hosts[256] = {};
  std::strncpy(hosts, host_name().c_str(), sizeof hosts - 1);
  std::vector<char> all(sizeof hosts * size_t(size_));
  check(mpi_.call.Allgather(hosts, sizeof hosts, mpi_.the.byte, all.data(), sizeof hosts, mpi_.the.byte, control_communicator_),
        "MPI_Allgather");
  bool only_here = true;
  for (int i = 1; i < size_; i++) only_here &= std::strcmp(all.data(), all.data() + size_t(i) * sizeof hosts) == 0;
  Control::Meeting meeting;
  if (rank_ == 0) control_ = Control::listen(size_, settings.heartbeat, only_here, settings.network, meeting);
  check(mpi_.call.Bcast(&meeting, sizeof meeting, mpi_.the.byte, 0, control_communicator_), "MPI_Bcast");
  if (rank_ != 0) control_ = Control::connect(rank_, size_, settings.heartbeat, meeting, settings.timeout);
  control_->watch(
      [this](const Loss& loss) {
        std::lock_guard lock(mutex_);
        loss_ = loss;
        work_.notify_all();
      },
      settings.timeout);
}

void World::work(WorldSettings settings) {
  try {
    meet(settings);
  } catch (const std::exception& error) {
    std::lock_guard lock(mutex_);
    failed_to_open_ = error.what();
    done_.notify_all();
    return;
  }
  std::unique_lock lock(mutex_);
  if (!failed_to_open_.empty()) return;  // too late
  open_ = true;
  done_.notify_all();
  prctl(PR_SET_TIMERSLACK, 1000);  // of this thread: naps are as short as they are asked for
  Clock::time_point busy = Clock::now();
  for (int tests = 0;; tests++) {
    if (under_way_.empty() && handed_over_.empty()) {
      work_.wait(lock, [&] { return !handed_over_.empty() || finalizing_; });
      tests = 0, busy = Clock::now();
    }
    for (; !handed_over_.empty(); handed_over_.pop_front()) under_way_.push_back(std::move(handed_over_.front()));
    if (under_way_.empty() && finalizing_) break;
    if (advance()) {
      tests = 0, busy = Clock::now();
    } else if (milliseconds_since(busy) > timeout_) {
      for (const auto& pending : under_way_) end(*pending, "not all ranks came within " + std::to_string(int64_t(timeout_)) + " ms");
      under_way_.clear();
    } else {
      rest(milliseconds_since(busy), tests, lock);
    }
  }
  lock.unlock();
  mpi_.call.Finalize();
  lock.lock();
  finished_ = true;
  done_.notify_all();
}

/** Begins what can be begun, in order, and looks what is done. Whether anything was. */
bool World::advance() {
  bool changed = false, turn = true;
  for (auto one = under_way_.begin(); one != under_way_.end();) {
    Pending& pending = **one;
    try {
      if (hopeless(pending)) fail("ERR_DISTRIBUTED", loss_->text);
      if (pending.asked.empty()) compare(pending), changed = true;
      // the next one only where all of this one has begun: the order is the same on all ranks
      if (turn) changed |= begin_pieces(pending);
      turn &= pending.begun == pending.pieces;
      changed |= test(pending);
      if (pending.compared && pending.begun == pending.pieces && pending.flying.empty()) end(pending, "");
    } catch (const Error& error) { end(pending, error.what()); }
    changed |= pending.done;
    one = pending.done ? under_way_.erase(one) : std::next(one);
  }
  return changed;
}

/**
 * Between two tests that found nothing. Where a thread waits for the result, the first ones follow at once. While the
 * process computes, they leave the processor to it. After a long wait they may be further apart: by a hundredth of it.
 */
void World::rest(double waited, int tests, std::unique_lock<std::mutex>& lock) {
  if (waiting_ > 0 && tests < 200) return;
  if (waiting_ > 0 && waited < 3) {
    lock.unlock();
    sched_yield();
    lock.lock();
    return;
  }
  const auto nap = std::chrono::duration<double, std::milli>(std::clamp(waited / 100, 0.05, 1.0));
  const auto handed_over = handed_over_.size();
  const int waiting = waiting_;
  work_.wait_for(lock, nap, [&] { return handed_over_.size() != handed_over || waiting_ > waiting || loss_ || ending_; });
}

bool World::hopeless(const Pending& pending) const { return loss_ && !(loss_->left && pending.number < loss_->collectives); }

/** What is not done cannot be taken back, and nothing that follows would meet its like on the other ranks. */
void World::end(Pending& pending, std::string problem) {
  if (!problem.empty()) {
    broken_ = true;
    if (!loss_ || loss_->left) loss_ = Loss{.rank = rank_, .text = problem};
  }
  pending.problem = std::move(problem);
  pending.done = true;
  done_.notify_all();
}

std::shared_ptr<Pending> World::begin(Collective collective) {
  accept(collective);
  auto pending = std::make_shared<Pending>();
  pending->collective = std::move(collective);
  std::lock_guard lock(mutex_);
  require(open_ && !ending_, "ERR_DISTRIBUTED", "the world is closed: distributed.close() was called, or the process ends");
  pending->number = begun_++;
  handed_over_.push_back(pending);
  work_.notify_all();
  return pending;
}

void World::wait(Pending& pending) {
  std::unique_lock lock(mutex_);
  waiting_++;
  work_.notify_all();
  done_.wait(lock, [&] { return pending.done; });
  waiting_--;
  if (!pending.problem.empty()) fail("ERR_DISTRIBUTED", pending.problem, " (", pending.collective.what, ")");
}

std::vector<std::string> World::gather(const std::string& mine) {
  if (size_ == 1) return {mine};
  return control_->gather(mine, timeout_);
}

void World::close(bool failed) {
  std::unique_lock lock(mutex_);
  if (!open_ || finished_) return;
  // a process that ends may close what is being closed: a rank says once that it leaves
  if (ending_) return done_.wait(lock, [&] { return finished_ || left_; });
  // what is under way when a process ends is of no use to it, and the others must not wait for it
  const bool waiting = !handed_over_.empty() || !under_way_.empty();
  if (waiting && !loss_) loss_ = Loss{.rank = rank_, .text = "this rank ends"};
  ending_ = true;
  work_.notify_all();
  done_.wait(lock, [&] { return under_way_.empty() && handed_over_.empty(); });
  const uint64_t finished = broken_ ? 0 : begun_;
  const bool whole = !failed && !broken_ && (!loss_ || loss_->left);
  lock.unlock();
  const bool all_whole = control_ ? control_->leave(finished, failed, whole) : whole;
  lock.lock();
  // after a loss MPI_Finalize would wait for ever
  if (!whole || (loss_ && !loss_->left)) {
    left_ = true;
    done_.notify_all();
    return;
  }
  finalizing_ = true;
  work_.notify_all();
  const auto finished_now = [&] { return finished_; };
  if (all_whole) return done_.wait(lock, finished_now);
  // Others end with an error, and do not finalize. A launcher ends this rank then, with their exit code, which it would
  // lose if this one did not finalize either. A launcher that lets the others go on may leave it in MPI_Finalize.
  done_.wait_for(lock, std::chrono::duration<double, std::milli>(2 * heartbeat_), finished_now);
  left_ = true;
  done_.notify_all();
}

}  // namespace weft::mpi
