// NcclWorld: the ranks of a run whose tensors lie on GPUs, as this process sees them. Collectives are work of a stream
// of their own, which the device's stream forks and joins by events; so they may be recorded into a CUDA graph. NCCL
// does not notice that ranks ask for different things, or that one is gone: it waits for ever. The ranks compare what
// they ask for wherever work is not replayed, and a watch over signs of life ends what cannot be finished.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "collectives.h"
#include "control/control.h"
#include "cuda_device.h"
#include "nccl.h"

namespace weft::cuda {

/** The value of a fault that a collective raises where the run cannot go on. */
constexpr int64_t lost_value = INT64_MIN;

/** What each rank tells the others of its faults, on the device. */
struct Met {
  int32_t call, unused;
  int64_t value;
};

class NcclWorld final : public Engine, public Ranks {
 public:
  /** `devices`: of this process. */
  explicit NcclWorld(std::vector<CudaDevice*> devices) : devices_(std::move(devices)) {}

  const char* name() const override { return "nccl"; }
  std::string load(const std::string& library) override;
  void give_kernels(Registry& to) override;
  WorldFacts open(const WorldSettings&) override;
  std::vector<std::string> gather(const std::string& mine) override;
  void close(bool failed) override;

  void begin_shared() override;
  void end_shared() override;
  bool all_agree(bool mine, const std::string& facts) override;
  Error explain(int64_t value) override;

  // For the Steps of collectives, on the thread of the device's queue.
  bool is_open() const { return device_ != nullptr; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  CudaDevice& device() const { return *device_; }
  const Nccl& nccl() const { return nccl_; }
  NcclCommunicator communicator() const { return communicator_; }
  /** A word that kernels may read: not 0 once the run cannot go on, and results of collectives mean nothing. */
  const int32_t* lost() const { return lost_on_device_; }
  /**
   * Compares `what`, which all ranks have to ask for alike, and enqueues `calls` on the stream of the collectives,
   * behind all work that the device's stream has now. ERR_DISTRIBUTED where the ranks disagree, or one is lost.
   */
  void enqueue(cudaStream_t from, const std::string& what, const std::function<void(cudaStream_t)>& calls);
  /** Marks the present end of the stream of the collectives. */
  void mark(cudaEvent_t event);
  /** Lets a stream wait for the mark. */
  static void join(cudaStream_t stream, cudaEvent_t event);
  /** The same for all that was enqueued so far. */
  void join(cudaStream_t stream);

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<std::string> told_by_all(const std::string& mine, const std::string& what, bool equal);
  void meet(const WorldSettings& settings);
  void finish_emulated_work();
  void look_after();
  /** Ends what is under way, for a reason. Callers hold the lock. */
  void lose(Loss loss);
  void release(int (*how)(NcclCommunicator));

  const std::vector<CudaDevice*> devices_;
  Nccl nccl_{};
  CudaDevice* device_ = nullptr;
  NcclCommunicator communicator_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t fork_ = nullptr, join_ = nullptr;
  volatile int32_t* lost_ = nullptr;
  int32_t* lost_on_device_ = nullptr;
  int rank_ = 0, size_ = 1;
  double timeout_ = 0, heartbeat_ = 0;
  std::unique_ptr<Control> control_;
  std::thread watch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t begun_ = 0, ended_ = 0;  // runs with collectives
  Clock::time_point progress_;      // when one of them began or ended last
  std::optional<Loss> loss_;
  Clock::time_point lost_since_;
  bool aborted_ = false, ending_ = false, closed_ = false;
};

/** The world of the process. */
NcclWorld& nccl_world();
/** Once per process, where its devices are known. */
void make_nccl_world(std::vector<CudaDevice*> devices);

}  // namespace weft::cuda
