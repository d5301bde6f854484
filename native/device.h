// Device: what programs and queues need of the hardware that runs kernels. native/cpu/device.cc is the CPU,
// cuda/cuda_device.cc a CUDA device.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernel.h"

namespace weft {

/** What users are told of a device. */
struct DeviceFacts {
  std::string id, kind, name;  // for example cuda:0, cuda, NVIDIA H200
  bool emulated = false;
  Target target;
  size_t total = 0, free = 0;  // bytes of memory; 0 where the memory is the host's
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
  /** The name that its kernels have in the registry: cpu or cuda. */
  virtual const char* backend() const = 0;
  /** The highest level of kernels that it can run. */
  virtual int level() const { return 0; }
  virtual Target target() const = 0;
  virtual DeviceFacts facts() = 0;
  /** Whether its memory is the host's memory, and work is done when the call that asks for it returns. */
  virtual bool is_host() const { return false; }

  // Memory. Any thread that submits runs may call these.
  /** Null where there is not enough. The address is a multiple of 64. The contents are undefined. */
  virtual void* allocate(size_t bytes) = 0;
  /**
   * Gives memory back. On devices with a stream, runs that are submitted earlier may still use it. Runs that are
   * submitted later may get it at once, because the stream keeps them in order.
   */
  virtual void release(void* memory) = 0;
  /** Gives memory that nobody holds back to the system. Only called while nothing runs. */
  virtual void trim() {}
  /** Bytes that are taken from the system, whether tensors use them or not. */
  virtual size_t reserved() { return 0; }

  // Work, which is done in the order of the calls. Only the thread that does the queue's work calls these.
  /** Called by a thread before its first work. */
  virtual void enter() {}
  /**
   * Where the device is the host: says whether the calling thread computes by itself from now on, or with all threads.
   */
  virtual void work_alone([[maybe_unused]] bool alone) {}
  /** Whether a step since the last call of work_alone() had work for more than one thread. */
  virtual bool divided_work() const { return true; }
  /** Where the device is the host: `call` is called between the parts of a step. Null: no more. */
  virtual void between_parts([[maybe_unused]] const std::function<void()>* call) {}
  /** The threads of a run of all threads, where it leaves no processor to others; else 0. */
  virtual int filling_threads() const { return 0; }
  /** Whether work for all threads comes within microseconds: they watch for it, or sleep. */
  virtual void expect_work([[maybe_unused]] bool soon) {}
  virtual void* stream() { return nullptr; }
  /** Copies within the device's memory. Nothing is copied where `guard` holds a fault when the copy is due. */
  virtual void copy(const std::vector<Copy>& copies, const Fault* guard) = 0;
  virtual void clear_fault(Fault* fault) = 0;
  /** Copies from the host. `from` may change as soon as the call returns. */
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  /** Copies to the host. `to` is filled when the next mark is reached. */
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /** Marks the present point in the order of work. */
  virtual uint64_t mark() { return 0; }
  /** Whether all work before the mark is done. ERR_CUDA where the device failed: it is of no use from then on. */
  virtual bool reached(uint64_t mark) = 0;
  /** Whether the device waits for every step, so that an error names the operation that made it. */
  virtual bool stepwise() const { return false; }
  /** Waits until all work is done. ERR_CUDA where the device failed. */
  virtual void settle() {}
  /** Waits, after an error of a run, for what the run had begun. False where the device is of no use any more. */
  virtual bool recover() { return true; }
  /** Does the work. Returns the milliseconds that it took on the device. */
  virtual double time(const std::function<void()>& work) = 0;
  /**
   * Records what `work` enqueues, and does not do it. Null where the device cannot record. `shared`: there are
   * collectives in it.
   */
  virtual std::unique_ptr<Recording> record([[maybe_unused]] const std::function<void()>& work, [[maybe_unused]] bool shared) {
    return nullptr;
  }
  virtual void replay([[maybe_unused]] Recording& recording) {}

  // Runs with collectives, on a device whose collectives are part of its own order of work.
  /** Before the work of such a run. ERR_DISTRIBUTED where the ranks cannot go on. */
  virtual void begin_shared() {}
  /** After it, once the device is done with it, or it has failed. */
  virtual void end_shared() {}
  /** Whether every rank gives true, and all give the same facts. All ranks ask in the same order. */
  virtual bool all_agree(bool mine, [[maybe_unused]] const std::string& facts) { return mine; }
  /** What a collective means by the value of a fault that it has raised. */
  virtual Error explain([[maybe_unused]] int64_t value) { return {"ERR_DISTRIBUTED", "a collective has failed"}; }
  /** Which allocation an address lies in, and where in it. No two allocations of a process have the same number. */
  virtual std::pair<uint64_t, size_t> place_of(const void* address) { return {0, reinterpret_cast<size_t>(address)}; }
};

/** Memory of a device, freed with its last holder. */
class Memory {
 public:
  /** ERR_OUT_OF_MEMORY where there is not enough. */
  Memory(Device& device, size_t bytes);
  ~Memory() {
    try {
      device_.release(data_);
    } catch (const std::exception&) {}  // the memory stays with the device; a destructor must not throw
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
