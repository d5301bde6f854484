// MemoryPool: divides large pieces of device memory among tensors, arenas and scratch. Freed blocks are merged and used
// again at once: on a device whose work happens in order, what gets them next runs later.
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "kernel.h"

namespace weft::cuda {

class MemoryPool {
 public:
  /** `reserve` takes memory from the system (null: there is none left), `give_back` returns it. */
  MemoryPool(std::function<void*(size_t)> reserve, std::function<void(void*)> give_back)
      : reserve_(std::move(reserve)), give_back_(std::move(give_back)) {}

  /**
   * Null when the system has no more, even after pieces that nobody uses were returned to it. Aligned to 256 bytes.
   */
  void* allocate(size_t bytes);
  void release(void* memory);
  /** Returns pieces that are not in use to the system, which waits for the work that still uses them. */
  void trim();
  /** The number of the allocation that an address lies in, and the offset in it. Zero where there is none. */
  std::pair<uint64_t, size_t> place_of(const void* address);
  /** Bytes taken from the system. */
  size_t reserved();

 private:
  struct Block {
    size_t bytes;
    bool used, first;     // first: begins a piece
    uint64_t number = 0;  // of the allocation
  };
  using Blocks = std::map<char*, Block>;
  /** trim() for those who hold the lock; whether there was such a piece. */
  bool return_pieces();
  void insert_free(Blocks::iterator block) { free_.emplace(block->second.bytes, block->first); }
  void erase_free(Blocks::iterator block) { free_.erase({block->second.bytes, block->first}); }

  std::function<void*(size_t)> reserve_;
  std::function<void(void*)> give_back_;
  std::mutex mutex_;
  Blocks blocks_;                            // all of them, by address
  std::set<std::pair<size_t, char*>> free_;  // by size, then address: the same requests get the same addresses
  size_t reserved_ = 0;
  uint64_t allocations_ = 0;
};

}  // namespace weft::cuda
