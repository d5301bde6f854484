// Large blocks of memory that were given back, for the next that ask for as much. The system takes a large block back
// at once, and clears the pages of the next one: a result of 16 MB costs as much time for that as a sum of two tensors.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace weft::cpu {

class KeptBlocks {
 public:
  KeptBlocks() { kept_.reserve(17); }  // one more than can stay

  /** A kept block of exactly so many bytes, or null. */
  void* take(size_t bytes) {
    std::lock_guard lock(mutex_);
    for (size_t i = kept_.size(); i-- > 0;) {
      if (kept_[i].bytes != bytes) continue;
      void* const memory = kept_[i].memory;
      if (!note(memory, bytes)) return nullptr;  // the block stays kept
      kept_.erase(kept_.begin() + ptrdiff_t(i));
      kept_bytes_ -= bytes;
      return memory;
    }
    return nullptr;
  }

  /** Notes a block of std::aligned_alloc() that is in use from now on. Null, and the block free, where that fails. */
  void* lend(void* memory, size_t bytes) {
    std::lock_guard lock(mutex_);
    if (note(memory, bytes)) return memory;
    std::free(memory);
    return nullptr;
  }

  /** Takes a block back. Returns false where it was not lent: it is the caller's to free. */
  bool give(void* memory) {
    std::lock_guard lock(mutex_);
    const auto found = lent_.find(memory);
    if (found == lent_.end()) return false;
    const size_t bytes = found->second;
    lent_.erase(found);
    if (bytes > most_bytes / 2) {
      std::free(memory);
      return true;
    }
    kept_.push_back({memory, bytes});
    kept_bytes_ += bytes;
    while (kept_bytes_ > most_bytes) drop_oldest();
    return true;
  }

  /** Frees all that is kept. */
  void drop() {
    std::lock_guard lock(mutex_);
    while (!kept_.empty()) drop_oldest();
  }

 private:
  struct Block {
    void* memory;
    size_t bytes;
  };
  /** False where there is no memory for the note. */
  bool note(void* memory, size_t bytes) {
    try {
      return lent_.emplace(memory, bytes).second;
    } catch (const std::bad_alloc&) { return false; }
  }
  void drop_oldest() {
    std::free(kept_.front().memory);
    kept_bytes_ -= kept_.front().bytes;
    kept_.erase(kept_.begin());
  }
  /** Of all blocks that are kept; a single one has half of it at most. */
  static constexpr size_t most_bytes = size_t(32) << 20;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> lent_;
  std::vector<Block> kept_;  // the oldest first
  size_t kept_bytes_ = 0;
};

}  // namespace weft::cpu
