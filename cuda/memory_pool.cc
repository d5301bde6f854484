// Memory of a device: best fit, splitting, merging with neighbours of the same piece.
#include "memory_pool.h"

namespace weft::cuda {
namespace {

constexpr size_t alignment = 256, small_piece = size_t(8) << 20, large_piece = size_t(32) << 20, unit = size_t(2) << 20;

constexpr size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

/** How much to take from the system for a request: small ones share a piece. */
size_t piece_for(size_t bytes) {
  if (bytes <= unit) return small_piece;
  return bytes < large_piece ? large_piece : round_up(bytes, unit);
}

}  // namespace

void* MemoryPool::allocate(size_t bytes) {
  bytes = round_up(std::max(bytes, size_t(1)), alignment);
  std::lock_guard<std::mutex> lock(mutex_);
  auto fit = free_.lower_bound({bytes, nullptr});
  if (fit == free_.end()) {
    size_t piece = piece_for(bytes);
    char* memory = static_cast<char*>(reserve_(piece));
    if (memory == nullptr) memory = static_cast<char*>(reserve_(piece = bytes));
    // free pieces may each be too small and together be enough
    if (memory == nullptr && return_pieces()) memory = static_cast<char*>(reserve_(bytes));
    if (memory == nullptr) return nullptr;
    reserved_ += piece;
    insert_free(blocks_.emplace(memory, Block{piece, false, true}).first);
    fit = free_.lower_bound({bytes, nullptr});
  }
  const auto block = blocks_.find(fit->second);
  free_.erase(fit);
  const size_t left = block->second.bytes - bytes;
  block->second.used = true;
  block->second.number = ++allocations_;
  if (left > 0) {
    block->second.bytes = bytes;
    insert_free(blocks_.emplace(block->first + bytes, Block{left, false, false}).first);
  }
  return block->first;
}

void MemoryPool::release(void* memory) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto block = blocks_.find(static_cast<char*>(memory));
  require(block != blocks_.end() && block->second.used, "ERR_ARGUMENT", "release: not a block of this device");
  block->second.used = false;
  const auto after = std::next(block);
  if (after != blocks_.end() && !after->second.used && !after->second.first) {
    erase_free(after);
    block->second.bytes += after->second.bytes;
    blocks_.erase(after);
  }
  if (!block->second.first) {
    const auto before = std::prev(block);
    if (!before->second.used) {
      erase_free(before);
      before->second.bytes += block->second.bytes;
      blocks_.erase(block);
      block = before;
    }
  }
  insert_free(block);
}

void MemoryPool::trim() {
  std::lock_guard<std::mutex> lock(mutex_);
  return_pieces();
}

bool MemoryPool::return_pieces() {
  bool returned = false;
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto after = std::next(block);
    const bool whole = block->second.first && (after == blocks_.end() || after->second.first);
    if (whole && !block->second.used) {
      erase_free(block);
      reserved_ -= block->second.bytes;
      give_back_(block->first);
      blocks_.erase(block);
      returned = true;
    }
    block = after;
  }
  return returned;
}

std::pair<uint64_t, size_t> MemoryPool::place_of(const void* address) {
  char* const at = const_cast<char*>(static_cast<const char*>(address));
  std::lock_guard<std::mutex> lock(mutex_);
  const auto after = blocks_.upper_bound(at);
  if (after == blocks_.begin()) return {};
  const auto& [begin, block] = *std::prev(after);
  return block.used && at < begin + block.bytes ? std::pair(block.number, size_t(at - begin)) : std::pair(uint64_t(0), size_t(0));
}

size_t MemoryPool::reserved() {
  std::lock_guard<std::mutex> lock(mutex_);
  return reserved_;
}

}  // namespace weft::cuda
