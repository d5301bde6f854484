// Device: what programs and queues need of the hardware that runs kernels. The CPU's is native/cpu/device.cc, CUDA's is
// cuda/cuda_device.cc.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernel.h"

namespace weft {

/** What users are told of a device. */
struct DeviceFacts {
  std::string id, kind, name;  // cuda:0, cuda, NVIDIA H200
  bool emulated = false;
  Target target;
  size_t total = 0, free = 0;  // bytes of memory; 0 where it is the host's
};

/** A copy within the device's memory. */
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

/** A recorded sequence of work. */
class Recording {
 public:
  virtual ~Recording() = default;
};

class Device {
 public:
  virtual ~Device() = default;
  /** Name of its kernels in the registry: cpu, cuda. */
  virtual const char* backend() const = 0;
  /** Highest level of kernels it can run. */
  virtual int level() const { return 0; }
  virtual Target target() const = 0;
  virtual DeviceFacts facts() = 0;
  /** Its memory is the host's, and work is done when a call that asks for it returns. */
  virtual bool is_host() const { return false; }

  // Memory, from any thread that submits runs.
  /** Null when there is not enough. At least 64-byte aligned, contents undefined. */
  virtual void* allocate(size_t bytes) = 0;
  /** On devices with a stream the memory may serve runs that are submitted later, while earlier ones still use it. */
  virtual void release(void* memory) = 0;
  /** Returns memory that nobody holds to the system; only while nothing runs. */
  virtual void trim() {}
  /** Bytes taken from the system, for tensors or in reserve. */
  virtual size_t reserved() { return 0; }

  // Work, in order, from the thread of the device's queue alone.
  virtual void enter() {}
  /** Where the host is the device: whether the calling thread computes by itself, or all threads together. */
  virtual void work_alone([[maybe_unused]] bool alone) {}
  /** Whether work for all threads comes within microseconds: they watch for it, or sleep. */
  virtual void expect_work([[maybe_unused]] bool soon) {}
  virtual void* stream() { return nullptr; }
  /** Does nothing when `guard` holds a fault by then. */
  virtual void copy(const std::vector<Copy>& copies, const Fault* guard) = 0;
  virtual void clear_fault(Fault* fault) = 0;
  /** `from` may change once it returns. */
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  /** `to` is filled when the next mark is reached. */
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /** A point in the order of work. */
  virtual uint64_t mark() { return 0; }
  /** Whether all work before the mark is done. Throws ERR_CUDA when the device failed; it is of no use from then on. */
  virtual bool reached(uint64_t mark) = 0;
  /** Whether every step is waited for, so that an error names the operation that made it. */
  virtual bool stepwise() const { return false; }
  /** Waits until all work is done. Throws ERR_CUDA when the device failed. */
  virtual void settle() {}
  /** After an error of a run: waits for what the run had begun. False: the device failed, and is of no use any more. */
  virtual bool recover() { return true; }
  /** Milliseconds that the work takes on the device. */
  virtual double time(const std::function<void()>& work) = 0;
  /** Records what `work` enqueues instead of doing it; null when the device cannot. */
  virtual std::unique_ptr<Recording> record([[maybe_unused]] const std::function<void()>& work) { return nullptr; }
  virtual void replay([[maybe_unused]] Recording& recording) {}
};

/** Memory of a device, freed with its last holder. */
class Memory {
 public:
  /** ERR_OUT_OF_MEMORY when there is not enough. */
  Memory(Device& device, size_t bytes);
  ~Memory() {
    try {
      device_.release(data_);
    } catch (const std::exception&) {}  // the device keeps it; a destructor must not throw
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  char* data() const { return static_cast<char*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  Device& device_;
  size_t bytes_;
  void* data_;
};

/** The device that runs on the host's processor. */
Device& cpu_device();

}  // namespace weft
