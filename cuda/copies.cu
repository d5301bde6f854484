// Many copies in one launch: a block takes 16 KiB of one copy. The list travels in the kernel's parameters, so that a
// recorded launch keeps it. Made for the ends of a program's run: a few small inputs, results and assignments of state.
#include "copies.h"

#include <algorithm>

#include "vocabulary.cuh"

namespace weft::cuda {
namespace {

constexpr unsigned most_copies = 64, threads = 256;
constexpr int64_t bytes_per_block = 16384;

struct Copies {
  Copy list[most_copies];
};

__global__ void __launch_bounds__(threads) copy_pieces(const Copies copies, const Fault* guard) {
  if (guard != nullptr && raised(guard)) return;
  const Copy copy = copies.list[blockIdx.y];
  char* to = static_cast<char*>(copy.to);
  const char* from = static_cast<const char*>(copy.from);
  const int64_t begin = blockIdx.x * bytes_per_block, end = min(int64_t(copy.bytes), begin + bytes_per_block);
  const int64_t whole = aligned(to, 16) && aligned(from, 16) ? begin + (end - begin) / 16 * 16 : begin;
  for (int64_t i = begin + threadIdx.x * 16; i < whole; i += blockDim.x * 16)
    store_pack<4>(reinterpret_cast<uint32_t*>(to + i), load_pack<4>(reinterpret_cast<const uint32_t*>(from + i)));
  for (int64_t i = whole + threadIdx.x; i < end; i += blockDim.x) to[i] = from[i];
}

}  // namespace

void copy_all(cudaStream_t stream, const std::vector<Copy>& copies, const Fault* guard) {
  const Frame frame{nullptr, stream, nullptr};
  for (size_t first = 0; first < copies.size(); first += most_copies) {
    Copies list{};
    const size_t count = std::min(size_t(most_copies), copies.size() - first);
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) list.list[i] = copies[first + i], longest = std::max(longest, list.list[i].bytes);
    const int64_t warps = std::min(divide_up(int64_t(longest), 512), int64_t(threads / 32));
    const Shape shape{.grid = dim3(unsigned(divide_up(int64_t(longest), bytes_per_block)), unsigned(count)),
                      .block = dim3(unsigned(32 * warps))};
    launch(frame, shape, copy_pieces, list, guard);
  }
}

}  // namespace weft::cuda
