// The CPU as a device. Its memory is the host's memory, and a step is done when its call returns.
#include "device.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "cpu/alone.h"
#include "cpu/features.h"
#include "cpu/huge_pages.h"
#include "cpu/kept_blocks.h"
#include "cpu/parallel.h"
#include "float_mode.h"

namespace weft {
namespace {

constexpr size_t huge_page = size_t(2) << 20;

class CpuDevice final : public Device {
 public:
  const char* backend() const override { return "cpu"; }
  int level() const override { return cpu::level(); }
  Target target() const override { return {}; }
  DeviceFacts facts() override { return {"cpu", "cpu", cpu::name(), false, {}, 0, 0}; }
  bool is_host() const override { return true; }

  void* allocate(size_t bytes) override {
    const size_t unit = bytes < huge_page ? 4096 : huge_page, rounded = (std::max(bytes, size_t(1)) + unit - 1) / unit * unit;
    if (rounded < huge_page) return std::aligned_alloc(unit, rounded);
    if (void* const kept = blocks_.take(rounded)) return kept;
    const auto fresh = [&] { return std::aligned_alloc(unit, rounded); };
    void* memory = fresh();
    if (memory == nullptr) blocks_.drop(), memory = fresh();
    if (memory == nullptr) return nullptr;
    cpu::prefer_huge_pages(memory, rounded);
    return blocks_.lend(memory, rounded);
  }
  void release(void* memory) override {
    if (!blocks_.give(memory)) std::free(memory);
  }
  void trim() override { blocks_.drop(); }

  void enter() override { flush_subnormals(); }
  void work_alone(bool alone) override { cpu::work_alone(alone); }
  bool divided_work() const override { return cpu::divided_work(); }
  void between_parts(const std::function<void()>* call) override { cpu::after_chunks(call); }
  int filling_threads() const override { return cpu::threads() > 1 && cpu::threads() >= cpu::processors() ? cpu::threads() : 0; }
  void expect_work(bool soon) override { soon ? cpu::rouse() : cpu::rest(); }
  void copy(const std::vector<Copy>& copies, const Fault* guard) override {
    if (guard != nullptr && guard->raised()) return;
    for (const Copy& copy : copies)
      if (copy.bytes > 0) std::memcpy(copy.to, copy.from, copy.bytes);
  }
  void clear_fault(Fault* fault) override { fault->call.store(-1, std::memory_order_relaxed); }
  void upload(void* to, const void* from, size_t bytes) override { copy({{to, from, bytes}}, nullptr); }
  void download(void* to, const void* from, size_t bytes) override { copy({{to, from, bytes}}, nullptr); }
  bool reached(uint64_t) override { return true; }
  double time(const std::function<void()>& work) override {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  cpu::KeptBlocks blocks_;
};

}  // namespace

void cpu::prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory), end = (address + bytes) / huge_page * huge_page;
  const uintptr_t begin = (address + huge_page - 1) / huge_page * huge_page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

Device& cpu_device() {
  static CpuDevice* device = new CpuDevice;  // never destroyed: its worker thread lives as long as the process
  return *device;
}

}  // namespace weft
