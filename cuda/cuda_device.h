// CudaDevice: one GPU, its stream, memory, and recorded work.
#pragma once
#include <memory>

#include "device.h"
#include "memory_pool.h"
#include "staging.h"

namespace weft::cuda {

class CudaDevice final : public Device {
 public:
  /** Reads the GPU's properties; nothing is set up before the first use. ERR_CUDA. */
  explicit CudaDevice(int ordinal);
  const std::string& name() const { return name_; }

  const char* backend() const override { return "cuda"; }
  Target target() const override { return target_; }
  DeviceFacts facts() override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override { pool_.release(memory); }
  void trim() override;
  size_t reserved() override { return pool_.reserved(); }

  void enter() override;
  void* stream() override { return stream_; }
  void copy(const std::vector<Copy>& copies, const Fault* guard) override;
  void clear_fault(Fault* fault) override;
  void upload(void* to, const void* from, size_t bytes) override { staging_->upload(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { staging_->download(to, from, bytes); }
  uint64_t mark() override { return staging_->mark(); }
  bool reached(uint64_t mark) override { return staging_->reached(mark); }
  bool stepwise() const override { return stepwise_; }
  void settle() override;
  bool recover() override;
  double time(const std::function<void()>& work) override;
  std::unique_ptr<Recording> record(const std::function<void()>& work) override;
  void replay(Recording& recording) override;

 private:
  /** Makes this GPU the calling thread's. */
  void use() const;
  /** Memory from the driver; null when no more may be taken. */
  void* reserve(size_t bytes);

  int ordinal_;
  std::string name_;
  Target target_;
  size_t total_ = 0;
  bool stepwise_ = false;
  MemoryPool pool_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<Staging> staging_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace weft::cuda
