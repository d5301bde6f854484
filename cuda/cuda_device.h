// CudaDevice: one GPU, its stream, memory, and recorded work.
#pragma once
#include <memory>
#include <mutex>
#include <set>

#include "device.h"
#include "memory_pool.h"
#include "staging.h"

namespace weft::cuda {

class Graph;

/** The collectives of the ranks whose GPU a device is. */
class Ranks {
 public:
  virtual ~Ranks() = default;
  // as the functions of Device
  virtual void begin_shared() = 0;
  virtual void end_shared() = 0;
  virtual bool all_agree(bool mine, const std::string& facts) = 0;
  virtual Error explain(int64_t value) = 0;
};

class CudaDevice final : public Device {
 public:
  /** Reads the GPU's properties; nothing is set up before the first use. ERR_CUDA. */
  explicit CudaDevice(int ordinal);
  const std::string& name() const { return name_; }
  int ordinal() const { return ordinal_; }
  /** Makes this GPU the calling thread's. */
  void use() const;

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
  std::unique_ptr<Recording> record(const std::function<void()>& work, bool shared) override;
  void replay(Recording& recording) override;

  /** The ranks that this device is one of, from the engine that has brought them together. They live as long as it. */
  void join(Ranks* ranks) { ranks_ = ranks; }
  /**
   * Drops the recordings with collectives. Any thread may call this: one that is replayed now is dropped afterwards.
   */
  void drop_shared_recordings();
  void begin_shared() override;
  void end_shared() override;
  bool all_agree(bool mine, const std::string& facts) override { return ranks_->all_agree(mine, facts); }
  Error explain(int64_t value) override { return ranks_->explain(value); }
  std::pair<uint64_t, size_t> place_of(const void* address) override { return pool_.place_of(address); }

 private:
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
  Ranks* ranks_ = nullptr;
  std::mutex graphs_mutex_;
  std::set<Graph*> shared_graphs_;
  friend class Graph;
};

}  // namespace weft::cuda
