#include "mpi/world.h"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

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

/** FNV-1a. */
uint64_t hash_of(const std::string& text) {
  uint64_t hash = 1469598103934665603ull;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * 1099511628211ull;
  return hash;
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

void World::check(int code, const char* function) const {
  if (code == 0) return;
  char text[1024] = {};
  int length = 0;
  mpi_.call.Error_string(code, text, &length);
  fail("ERR_DISTRIBUTED", function, ": ", text);
}

WorldFacts World::open(const WorldSettings& settings) {
  require(!open_ && failed_to_open_.empty(), "ERR_STATE", "the ranks have met already in this process");
  timeout_ = settings.timeout;
  thread_ = std::thread([this, settings] { work(settings); });
  thread_.detach();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return open_ || !failed_to_open_.empty(); });
  if (!open_) fail("ERR_DISTRIBUTED", failed_to_open_);
  return {.rank = rank_, .size = size_, .version = mpi_.version};
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
          ": it is another MPI than the launcher's. Start with the mpirun of that MPI, or set WEFT_MPI_LIBRARY to the launcher's library");
  check(mpi_.call.Comm_dup(everybody, &data_), "MPI_Comm_dup");
  check(mpi_.call.Comm_dup(everybody, &control_communicator_), "MPI_Comm_dup");
  check(mpi_.call.Comm_dup(everybody, &disagreement_communicator_), "MPI_Comm_dup");
  for (const Handle one : {data_, control_communicator_, disagreement_communicator_})
    check(mpi_.call.Comm_set_errhandler(one, mpi_.the.errors_return), "MPI_Comm_set_errhandler");
  check(mpi_.call.Op_create(add<BFloat16>, 1, &sum_bfloat16_), "MPI_Op_create");
  check(mpi_.call.Op_create(add<Float16>, 1, &sum_float16_), "MPI_Op_create");
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
  open_ = true;
  done_.notify_all();
  Clock::time_point busy = Clock::now();
  for (int tests = 0;;) {
    work_.wait(lock, [&] { return !handed_over_.empty() || !under_way_.empty() || finalizing_; });
    if (under_way_.empty() && !handed_over_.empty()) tests = 0, busy = Clock::now();
    while (!handed_over_.empty()) {
      under_way_.push_back(std::move(handed_over_.front()));
      handed_over_.pop_front();
      Pending& pending = *under_way_.back();
      try {
        if (!hopeless(pending)) begin_now(pending);
      } catch (const Error& error) { end(pending, error.what()); }
    }
    if (under_way_.empty() && finalizing_) break;
    for (auto one = under_way_.begin(); one != under_way_.end();) {
      Pending& pending = **one;
      try {
        if (!pending.done && hopeless(pending)) end(pending, loss_->text);
        if (!pending.done && test(pending)) end(pending, "");
        if (!pending.done && milliseconds_since(busy) > timeout_)
          end(pending, "not all ranks came within " + std::to_string(int64_t(timeout_)) + " ms");
      } catch (const Error& error) { end(pending, error.what()); }
      if (pending.done) tests = 0, busy = Clock::now();
      one = pending.done ? under_way_.erase(one) : std::next(one);
    }
    if (under_way_.empty() || ++tests < 200) continue;
    lock.unlock();
    if (milliseconds_since(busy) < 3) sched_yield();
    else std::this_thread::sleep_for(std::chrono::microseconds(50));
    lock.lock();
  }
  lock.unlock();
  mpi_.call.Finalize();
  lock.lock();
  finished_ = true;
  done_.notify_all();
}

bool World::hopeless(const Pending& pending) const { return loss_ && !(loss_->left && pending.number < loss_->collectives); }

void World::end(Pending& pending, std::string problem) {
  broken_ |= !problem.empty();
  pending.problem = std::move(problem);
  pending.done = true;
  done_.notify_all();
}

Handle World::type_of(DType dtype) const {
  switch (dtype) {
    case DType::uint8: return mpi_.the.uint8;
    case DType::int32: return mpi_.the.int32;
    case DType::int64: return mpi_.the.int64;
    case DType::float16:
    case DType::bfloat16: return mpi_.the.uint16;
    case DType::float32: return mpi_.the.float32;
    case DType::float64: return mpi_.the.float64;
    default: fail("ERR_DTYPE", name_of(dtype), " cannot be reduced over ranks");
  }
}

Handle World::operation(const Collective& c) const {
  const bool half = c.dtype == DType::bfloat16 || c.dtype == DType::float16;
  require(!half || c.reduce == "sum", "ERR_DTYPE", "only the sum of ", name_of(c.dtype), " can be taken over ranks");
  if (half) return c.dtype == DType::bfloat16 ? sum_bfloat16_ : sum_float16_;
  return c.reduce == "sum" ? mpi_.the.sum : c.reduce == "max" ? mpi_.the.max : mpi_.the.min;
}

/**
 * Begins the collective, and beside it, on a communicator of its own, the comparison of what the ranks ask for. Without
 * that MPI would report another size on one rank and success on the others, or wait.
 */
void World::begin_now(Pending& pending) {
  const Collective& c = pending.collective;
  const size_t bytes = c.elements * size_of(c.dtype);
  require(c.elements <= size_t(INT32_MAX) && bytes <= size_t(INT32_MAX), "ERR_DISTRIBUTED", c.what, ": at most 2 GiB at a time");
  pending.signature = hash_of(c.what);
  pending.signatures.resize(size_t(size_));
  check(mpi_.call.Iallgather(&pending.signature, 8, mpi_.the.byte, pending.signatures.data(), 8, mpi_.the.byte, control_communicator_,
                             &pending.requests[0]),
        "MPI_Iallgather");
  pending.count = 1;
  Handle* const request = &pending.requests[1];
  const int count = int(c.elements), size = int(bytes);
  switch (c.kind) {
    case Collective::Kind::all_reduce:
      if (c.given != c.taken) std::memcpy(c.taken, c.given, bytes);
      check(mpi_.call.Iallreduce(mpi_.the.in_place, c.taken, count, type_of(c.dtype), operation(c), data_, request), "MPI_Iallreduce");
      break;
    case Collective::Kind::all_gather:
      check(mpi_.call.Iallgather(c.given, size, mpi_.the.byte, c.taken, size, mpi_.the.byte, data_, request), "MPI_Iallgather");
      break;
    case Collective::Kind::reduce_scatter:
      check(mpi_.call.Ireduce_scatter_block(c.given, c.taken, count / size_, type_of(c.dtype), operation(c), data_, request),
            "MPI_Ireduce_scatter_block");
      break;
    case Collective::Kind::broadcast:
      if (rank_ == c.from && c.given != c.taken) std::memcpy(c.taken, c.given, bytes);
      check(mpi_.call.Ibcast(c.taken, size, mpi_.the.byte, c.from, data_, request), "MPI_Ibcast");
      break;
    case Collective::Kind::all_to_all:
      check(mpi_.call.Ialltoall(c.given, size / size_, mpi_.the.byte, c.taken, size / size_, mpi_.the.byte, data_, request),
            "MPI_Ialltoall");
      break;
    case Collective::Kind::send_receive:
      check(mpi_.call.Irecv(c.taken, size, mpi_.the.byte, c.from, 0, data_, request), "MPI_Irecv");
      pending.count = 2;
      check(mpi_.call.Isend(c.given, size, mpi_.the.byte, c.to, 0, data_, request + 1), "MPI_Isend");
      break;
  }
  pending.count++;
}

/** Whether all of it is done. */
bool World::test(Pending& pending) {
  int done = 0;
  for (; pending.count > 0; pending.count--) {
    // the comparison first: where ranks ask for different things, the rest may never be done
    Handle& request = pending.requests[0];
    check(mpi_.call.Test(&request, &done, mpi_.the.status_ignore), "MPI_Test");
    if (!done) return false;
    if (!pending.signatures.empty()) {
      for (const uint64_t other : pending.signatures)
        if (other != pending.signature) disagree(pending);
      pending.signatures.clear();
    }
    std::memmove(pending.requests, pending.requests + 1, 2 * sizeof(Handle));
  }
  return true;
}

/** All ranks learn what each of them asked for. Nothing can follow. */
void World::disagree(Pending& pending) {
  char mine[256] = {};
  std::strncpy(mine, pending.collective.what.c_str(), sizeof mine - 1);
  std::vector<char> all(sizeof mine * size_t(size_));
  check(mpi_.call.Allgather(mine, sizeof mine, mpi_.the.byte, all.data(), sizeof mine, mpi_.the.byte, disagreement_communicator_),
        "MPI_Allgather");
  int other = 0;
  while (pending.signatures[size_t(other)] == pending.signature) other++;
  loss_ = Loss{.rank = other,
               .text = "the ranks disagree: rank " + std::to_string(rank_) + " asks for " + mine + ", rank " + std::to_string(other) +
                       " for " + (all.data() + size_t(other) * sizeof mine)};
  fail("ERR_DISTRIBUTED", loss_->text);
}

std::shared_ptr<Pending> World::begin(Collective collective) {
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
  done_.wait(lock, [&] { return pending.done; });
  if (!pending.problem.empty()) fail("ERR_DISTRIBUTED", pending.problem, " (", pending.collective.what, ")");
}

std::vector<std::string> World::gather(const std::string& mine) {
  if (size_ == 1) return {mine};
  return control_->gather(mine, timeout_);
}

void World::close() {
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
  lock.unlock();
  if (control_) control_->leave(finished);
  lock.lock();
  // MPI_Finalize waits for all ranks. After a loss it would wait for ever
  if (broken_ || (loss_ && !loss_->left)) {
    left_ = true;
    done_.notify_all();
    return;
  }
  finalizing_ = true;
  work_.notify_all();
  done_.wait(lock, [&] { return finished_; });
}

}  // namespace weft::mpi
