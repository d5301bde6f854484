// What the race detector remembers of accesses to memory.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace emulator {

/** One access, as remembered for later ones. */
struct Access {
  uint32_t serial = 0, epoch = 0, clock = 0;
  uint16_t thread = 0;
  bool atomic = false;
  uint32_t copy = 0;  // of which group of asynchronous copies
  void* code = nullptr;
};
/** The last write; the last read, one before it by another thread, and one by another warp. */
struct Cell {
  Access write, read[3];

  void remember(const Access& now) {
    const Access& last = read[0];
    if (last.serial != now.serial || last.thread / 32 != now.thread / 32) read[2] = last;
    else if (last.thread != now.thread) read[1] = last;
    read[0] = now;
  }
};
/** 4096 bytes of memory: a cell for every four bytes, or for every byte once smaller elements were met. */
struct Page {
  bool fine = false;
  std::vector<Cell> cells = std::vector<Cell>(1024);
  void refine() {
    std::vector<Cell> bytes(4096);
    for (size_t i = 0; i < 4096; i++) bytes[i] = cells[i / 4];
    cells = std::move(bytes);
    fine = true;
  }
};
class Shadow {
 public:
  Page& page_of(uintptr_t at) {
    if (!cached_ || cached_number_ != at >> 12) {
      auto& page = pages_[at >> 12];
      if (!page) page = std::make_unique<Page>();
      cached_ = page.get();
      cached_number_ = at >> 12;
    }
    return *cached_;
  }
  /** Forgets whole pages. */
  void forget(const void* from, size_t bytes) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(from) >> 12;
    for (uintptr_t number = first; number < first + bytes / 4096; number++) pages_.erase(number);
    cached_ = nullptr;
  }

 private:
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
  Page* cached_ = nullptr;
  uintptr_t cached_number_ = 0;
};

}  // namespace emulator
