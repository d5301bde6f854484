#include "nccl_world.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "control/rendezvous.h"
#include "error.h"
#include "launch.h"

/** The engine of this library, for the addon. */
extern "C" __attribute__((visibility("default"))) weft::Engine* weft_engine() { return &weft::cuda::nccl_world(); }

namespace weft::cuda {
namespace {

NcclWorld* world_of_process = nullptr;

/** For how long at most a communicator is waited for that is given up: 10 s, or WEFT_NCCL_PATIENCE milliseconds. */
std::chrono::milliseconds most_patience() {
  const char* const given = std::getenv("WEFT_NCCL_PATIENCE");
  const int milliseconds = given == nullptr ? 0 : std::atoi(given);
  return std::chrono::milliseconds(milliseconds > 0 ? milliseconds : 10'000);
}

/** FNV-1a, as text. */
std::string hash_of(const std::string& text) {
  uint64_t hash = 1469598103934665603ull;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * 1099511628211ull;
  return "=" + std::to_string(hash);
}

std::chrono::duration<double, std::milli> milliseconds(double count) { return std::chrono::duration<double, std::milli>(count); }

}  // namespace

void make_nccl_world(std::vector<CudaDevice*> devices) {
  // never destroyed: its threads live as long as the process
  if (world_of_process == nullptr) world_of_process = new NcclWorld(std::move(devices));
}

NcclWorld& nccl_world() {
  make_nccl_world({});
  return *world_of_process;
}

std::string NcclWorld::load(const std::string& library) {
  nccl_ = open_nccl(library);
  return nccl_.version;
}

WorldFacts NcclWorld::open(const WorldSettings& settings) {
  require(control_ == nullptr, "ERR_STATE", "the ranks have met already in this process");
  rank_ = settings.rank, size_ = settings.size, timeout_ = settings.timeout, heartbeat_ = settings.heartbeat;
  const auto found = std::find_if(devices_.begin(), devices_.end(), [&](CudaDevice* one) { return one->facts().id == settings.device; });
  require(found != devices_.end(), "ERR_NO_DEVICE", "there is no device ", settings.device);
  CudaDevice* const device = *found;
  device->use();
  int32_t* word = nullptr;
  check(cudaHostAlloc(reinterpret_cast<void**>(&word), sizeof *word, cudaHostAllocMapped), "pinned memory");
  *word = 0;
  lost_ = word;
  check(cudaHostGetDevicePointer(reinterpret_cast<void**>(&lost_on_device_), word, 0), "pinned memory");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  for (cudaEvent_t* event : {&fork_, &join_}) check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "event");
  try {
    meet(settings);
  } catch (const Error& error) {
    // the others would wait for NCCL
    if (control_ != nullptr) control_->give_up("rank " + std::to_string(rank_) + ": " + error.what());
    throw;
  }
  device_ = device;
  device_->join(this);
  watch_ = std::thread([this] { look_after(); });
  watch_.detach();
  return {.rank = rank_, .size = size_, .version = nccl_.version};
}

/** Lets the processes meet, and then NCCL. */
void NcclWorld::meet(const WorldSettings& settings) {
  control_ = rendezvous(settings);
  control_->watch(
      [this](const Loss& loss) {
        std::lock_guard lock(mutex_);
        lose(loss);
      },
      timeout_);
  NcclId id{};
  if (rank_ == 0) check_nccl(nccl_, nccl_.GetUniqueId(&id), "GetUniqueId");
  const std::vector<std::string> all = control_->gather(std::string(id.internal, sizeof id.internal) + nccl_.version, timeout_);
  for (size_t rank = 1; rank < all.size(); rank++)
    require(all[rank].substr(sizeof id.internal) == all[0].substr(sizeof id.internal), "ERR_DISTRIBUTED", "the ranks have ",
            all[0].substr(sizeof id.internal), " on rank 0 and ", all[rank].substr(sizeof id.internal), " on rank ", rank);
  std::memcpy(id.internal, all[0].data(), sizeof id.internal);

  // it waits for all ranks, without a limit
  struct Meeting {
    NcclCommunicator communicator = nullptr;
    int result = 0;
    bool done = false;
  };
  const auto meeting = std::make_shared<Meeting>();
  const int ordinal = std::stoi(settings.device.substr(settings.device.find(':') + 1));
  std::thread([this, meeting, id, ordinal] {
    cudaSetDevice(ordinal);
    NcclCommunicator made = nullptr;
    const int result = nccl_.CommInitRank(&made, size_, id, rank_);
    std::lock_guard lock(mutex_);
    *meeting = {made, result, true};
    changed_.notify_all();
  }).detach();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(timeout_), [&] { return meeting->done || loss_; });
  if (!meeting->done) fail("ERR_DISTRIBUTED", loss_ ? loss_->text : "NCCL has not joined the ranks in time");
  check_nccl(nccl_, meeting->result, "CommInitRank");
  communicator_ = meeting->communicator;
  int count = 0;
  check_nccl(nccl_, nccl_.CommCount(communicator_, &count), "CommCount");
  require(count == size_, "ERR_DISTRIBUTED", "NCCL knows ", count, " ranks, and there are ", size_);
}

std::vector<std::string> NcclWorld::gather(const std::string& mine) { return control_->gather(mine, timeout_); }

void NcclWorld::begin_shared() {
  std::lock_guard lock(mutex_);
  require(!ending_, "ERR_DISTRIBUTED", "the world is closed: distributed.close() was called, or the process ends");
  if (loss_ && !(loss_->left && begun_ < loss_->collectives)) fail("ERR_DISTRIBUTED", loss_->text);
  begun_++;
  progress_ = Clock::now();
}

void NcclWorld::end_shared() {
  std::lock_guard lock(mutex_);
  ended_++;
  progress_ = Clock::now();
  changed_.notify_all();
}

void NcclWorld::lose(Loss loss) {
  if (loss_ && (!loss_->left || loss.left)) return;
  loss_ = std::move(loss);
  lost_since_ = Clock::now();
  changed_.notify_all();
}

Error NcclWorld::explain(int64_t value) {
  std::lock_guard lock(mutex_);
  if (value == lost_value) return {"ERR_DISTRIBUTED", loss_ ? loss_->text : "a collective has failed"};
  return {"ERR_DATA", "rank " + std::to_string(uint64_t(value) >> 48) + " has met a bad value, " +
                          std::to_string(int64_t(uint64_t(value) << 16) >> 16) + "; its own error names the operation and the layer"};
}

/** All ranks ask for the same, or none goes on. `mine`: what is compared of it; `what`: how it is told. */
std::vector<std::string> NcclWorld::told_by_all(const std::string& mine, const std::string& what, bool equal) {
  std::string problem;
  try {
    auto all = control_->gather(mine, timeout_, Control::Gather::comparisons);
    const auto differs = [&](const std::string& other) { return equal ? other != mine : other[0] != mine[0]; };
    const auto other = std::find_if(all.begin(), all.end(), differs);
    if (other == all.end()) return all;
    const auto rank = size_t(other - all.begin());
    const auto texts = control_->gather(what, timeout_, Control::Gather::comparisons);
    problem = "the ranks disagree: rank " + std::to_string(rank_) + " asks for " + what + ", rank " + std::to_string(rank) + " for " +
              texts[rank];
  } catch (const Error& error) { problem = error.what(); }
  control_->give_up(problem);
  fail("ERR_DISTRIBUTED", problem);
}

/** An emulated stream may do its work only when somebody waits for it, and other ranks wait for its collectives. */
void NcclWorld::finish_emulated_work() {
#ifdef WEFT_EMULATED
  device_->settle();
#endif
}

bool NcclWorld::all_agree(bool mine, const std::string& facts) {
  finish_emulated_work();
  const std::string word = "?" + std::to_string(int(mine)) + facts;
  const auto all = told_by_all(word, "a step once more", false);
  return mine && std::all_of(all.begin(), all.end(), [&](const std::string& other) { return other == word; });
}

void NcclWorld::enqueue(cudaStream_t from, const std::string& what, const std::function<void(cudaStream_t)>& calls) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(from, &status), "capture");
  const std::string whole = what + (status == cudaStreamCaptureStatusNone ? "" : ", recorded");
  if (status == cudaStreamCaptureStatusNone) finish_emulated_work();
  told_by_all(hash_of(whole), whole, true);
  check(cudaEventRecord(fork_, from), "event");
  check(cudaStreamWaitEvent(stream_, fork_, 0), "event");
  calls(stream_);
}

void NcclWorld::mark(cudaEvent_t event) { check(cudaEventRecord(event, stream_), "event"); }

void NcclWorld::join(cudaStream_t stream, cudaEvent_t event) { check(cudaStreamWaitEvent(stream, event, 0), "event"); }

void NcclWorld::join(cudaStream_t stream) {
  mark(join_);
  join(stream, join_);
}

/** A thread of its own: ends what cannot be finished. */
void NcclWorld::look_after() {
  device_->use();
  std::unique_lock lock(mutex_);
  while (!closed_) {
    changed_.wait_for(lock, std::chrono::milliseconds(20));
    if (aborted_ || closed_) continue;
    if (!loss_) {
      int error = 0;
      constexpr int in_progress = 7;
      const int result = nccl_.CommGetAsyncError(communicator_, &error);
      std::string problem;
      if (result != 0 || (error != 0 && error != in_progress))
        problem = "NCCL of rank " + std::to_string(rank_) + ": " + nccl_.GetErrorString(result != 0 ? result : error);
      else if (begun_ != ended_ && Clock::now() - progress_ > milliseconds(timeout_))
        problem = "not all ranks came within " + std::to_string(int64_t(timeout_)) + " ms";
      if (problem.empty()) continue;
      lock.unlock();
      control_->give_up(problem);
      lock.lock();
    }
    if (!loss_) continue;
    // a rank that has left in order has done its part of the first runs: they can be finished
    const bool finishing = ended_ < std::min(begun_, loss_->collectives) &&
                           Clock::now() - lost_since_ < 2 * milliseconds(heartbeat_) + std::chrono::seconds(1);
    if (loss_->left && (begun_ <= loss_->collectives || finishing)) continue;
    aborted_ = true;
    lock.unlock();
    *lost_ = 1;  // before the results of what is aborted can be read
    release(nccl_.CommAbort);
    lock.lock();
    changed_.notify_all();
  }
}

/**
 * Gives the communicator up. NCCL waits until no graph refers to it. A recording that is under way ends when NCCL has
 * begun to abort, so both happen at once.
 */
void NcclWorld::release(int (*how)(NcclCommunicator)) {
  const auto done = std::make_shared<std::atomic<bool>>(false);
  std::thread([=, communicator = communicator_, device = device_] {
    device->use();
    how(communicator);
    *done = true;
  }).detach();
  device_->drop_shared_recordings();
  const auto until = Clock::now() + most_patience();
  while (!*done && Clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void NcclWorld::close(bool failed) {
  std::unique_lock lock(mutex_);
  if (device_ == nullptr || closed_) return;
  if (ending_) return changed_.wait(lock, [&] { return closed_; });
  ending_ = true;
  // runs under way end soon, unless the others do not come
  const auto over = [&] { return ended_ == begun_ || (loss_ && !loss_->left); };
  if (!changed_.wait_for(lock, 2 * milliseconds(heartbeat_), over)) lose({.rank = rank_, .text = "this rank ends"});
  if (loss_ && !loss_->left) changed_.wait_for(lock, most_patience(), [&] { return aborted_ && ended_ == begun_; });
  const bool whole = !loss_ || loss_->left;
  const uint64_t finished = whole ? ended_ : 0;
  lock.unlock();
  control_->leave(finished, failed, whole);
  lock.lock();
  const bool destroy = !std::exchange(aborted_, true);
  lock.unlock();
  device_->use();
  if (destroy) release(nccl_.CommDestroy);
  lock.lock();
  closed_ = true;
  changed_.notify_all();
}

}  // namespace weft::cuda
