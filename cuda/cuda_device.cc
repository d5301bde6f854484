// A GPU through the CUDA runtime. Work goes to one stream, in order, from the thread of the device's queue; memory
// comes from a pool.
#include "cuda_device.h"

#include <algorithm>
#include <string_view>

#include "architectures.h"
#include "copies.h"
#include "launch.h"
#include "setting.h"

namespace weft::cuda {

/**
 * An instantiated graph. One with collectives may be dropped while its program is still there: NCCL ends no
 * communicator that a graph refers to.
 */
class Graph final : public Recording {
 public:
  Graph(CudaDevice& device, cudaGraphExec_t executable, bool shared) : device_(device), executable_(executable), shared_(shared) {
    if (!shared_) return;
    std::lock_guard lock(device_.graphs_mutex_);
    device_.shared_graphs_.insert(this);
  }
  ~Graph() override {
    if (shared_) {
      std::lock_guard lock(device_.graphs_mutex_);
      device_.shared_graphs_.erase(this);
    }
    drop();
  }
  void drop() {
    std::lock_guard lock(mutex_);
    if (executable_ != nullptr) cudaGraphExecDestroy(std::exchange(executable_, nullptr));
  }
  void launch(cudaStream_t stream) {
    std::lock_guard lock(mutex_);
    require(executable_ != nullptr, "ERR_DISTRIBUTED", "the ranks have parted: what was recorded with them was dropped");
    check(cudaGraphLaunch(executable_, stream), "replaying a graph");
  }

 private:
  CudaDevice& device_;
  std::mutex mutex_;
  cudaGraphExec_t executable_;
  const bool shared_;
};

CudaDevice::CudaDevice(int ordinal)
    : ordinal_(ordinal), pool_([this](size_t bytes) { return reserve(bytes); }, [](void* memory) { cudaFree(memory); }) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), "properties of the device");
  name_ = properties.name;
  total_ = properties.totalGlobalMem;
  const char* const stepwise = setting("WEFT_CUDA_SYNC", {"0", "1"});
  stepwise_ = stepwise != nullptr && std::string_view(stepwise) == "1";
  const int capability = 10 * properties.major + properties.minor;
#ifdef WEFT_EMULATED
  emulator::set_code(code_for(capability));
#endif
  target_ = {capability, properties.multiProcessorCount, properties.sharedMemPerBlockOptin};
}

void CudaDevice::use() const { check(cudaSetDevice(ordinal_), "setting the device"); }

void* CudaDevice::reserve(size_t bytes) {
  // kernels are loaded at their first launch and recordings are kept on the device: the driver needs memory for both
  const size_t kept = std::min(size_t(512) << 20, total_ / 16);
  size_t free = 0, total = 0;
  void* memory = nullptr;
  use();
  const bool enough = cudaMemGetInfo(&free, &total) != cudaSuccess || free >= bytes + kept;
  if (enough && cudaMalloc(&memory, bytes) == cudaSuccess) return memory;
  cudaGetLastError();  // being out of memory is not an error that stays
  return nullptr;
}

DeviceFacts CudaDevice::facts() {
  DeviceFacts facts{"cuda:" + std::to_string(ordinal_), "cuda", name_, false, target_, total_, 0};
#ifdef WEFT_EMULATED
  facts.emulated = true;
#endif
  size_t total = 0;
  use();
  if (cudaMemGetInfo(&facts.free, &total) != cudaSuccess) cudaGetLastError();
  return facts;
}

void* CudaDevice::allocate(size_t bytes) { return pool_.allocate(bytes); }

void CudaDevice::trim() {
  use();
  pool_.trim();
}

void CudaDevice::enter() {
  use();
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
  check(cudaEventCreateWithFlags(&begin_, cudaEventDefault), "event");
  check(cudaEventCreateWithFlags(&end_, cudaEventDefault), "event");
  staging_ = std::make_unique<Staging>(stream_);
}

void CudaDevice::copy(const std::vector<Copy>& copies, const Fault* guard) { copy_all(stream_, copies, guard); }

void CudaDevice::clear_fault(Fault* fault) {
  check(cudaMemsetAsync(fault, 0xff, sizeof(int32_t), stream_), "clear");  // the call's number becomes -1
}

void CudaDevice::settle() { check(cudaStreamSynchronize(stream_), "the device failed, and is of no use to this process any more"); }

bool CudaDevice::recover() {
  cudaGetLastError();
  // an error that stays comes back from every call
  if (cudaStreamSynchronize(stream_) != cudaSuccess) return false;
  try {
    return staging_->reached(staging_->mark());
  } catch (const Error&) { return false; }
}

double CudaDevice::time(const std::function<void()>& work) {
  check(cudaEventRecord(begin_, stream_), "event");
  work();
  check(cudaEventRecord(end_, stream_), "event");
  check(cudaEventSynchronize(end_), "event");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin_, end_), "event");
  return double(milliseconds);
}

std::unique_ptr<Recording> CudaDevice::record(const std::function<void()>& work, bool shared) {
  // other threads may allocate meanwhile
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(stream_, &graph), "recording");
  cudaGraphExec_t executable = nullptr;
  cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  if (status == cudaErrorMemoryAllocation) {
    pool_.trim();
    status = cudaGraphInstantiate(&executable, graph, 0);
  }
  cudaGraphDestroy(graph);
  if (status == cudaErrorMemoryAllocation) {  // the work is done without a recording
    cudaGetLastError();
    return nullptr;
  }
  check(status, "instantiating a graph");
  return std::make_unique<Graph>(*this, executable, shared);
}

void CudaDevice::replay(Recording& recording) { static_cast<Graph&>(recording).launch(stream_); }

void CudaDevice::drop_shared_recordings() {
  std::lock_guard lock(graphs_mutex_);
  for (Graph* const graph : shared_graphs_) graph->drop();
}

void CudaDevice::begin_shared() {
  require(ranks_ != nullptr, "ERR_DISTRIBUTED", "the ranks of this run do not meet on this device");
  ranks_->begin_shared();
}

void CudaDevice::end_shared() {
  if (ranks_ != nullptr) ranks_->end_shared();
}

}  // namespace weft::cuda
