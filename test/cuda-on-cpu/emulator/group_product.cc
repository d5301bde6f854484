// Products of a warpgroup (wgmma): each warp's sixteen rows are computed from the tiles in shared memory that the
// descriptors name. A product is one operation of four warps: who waits for it waits until all have issued it, and then
// it is over for all. A lazy product happens when the first warp waits for it, so that operands overwritten too early,
// or never waited for, give wrong results.
#include <algorithm>
#include <bit>

#include "numbers.h"
#include "state.h"

namespace emulator {

namespace {
constexpr unsigned all = 0xffffffffu;

float element(Mma kind, const char* at) {
  if (kind == Mma::tf32) {
    uint32_t bits;
    memcpy(&bits, at, 4);
    return std::bit_cast<float>(bits & 0xffffe000u);
  }
  uint16_t bits;
  memcpy(&bits, at, 2);
  return kind == Mma::bf16 ? from_bfloat16(bits) : from_float16(bits);
}

/** Reads rows of an operand (rows x depth), row-major, whichever way it lies. `first`: the first of the rows. */
void read_operand(const GroupProduct& product, uint64_t descriptor, bool transposed, int first, int rows, int depth, float* to) {
  const int size = product.kind == Mma::tf32 ? 4 : 2, per_unit = 16 / size;
  const uint32_t start = uint32_t(descriptor & 0x3fff) << 4, leading = uint32_t(descriptor >> 16 & 0x3fff) << 4,
                 stride = uint32_t(descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1) fault("wgmma: only tiles swizzled by 128 bytes are emulated");
  const char* arena = current->block->arena;
  const int across = transposed ? depth : rows, along = transposed ? rows : depth;  // 128-byte rows, and elements along them
  for (int i = 0; i < across; i++)
    for (int j = 0; j < along; j += per_unit) {
      const int row = transposed ? i : first + i, column = transposed ? first + j : j;
      const uint32_t offset = start + uint32_t(row / 8) * stride + uint32_t(row % 8) * 128 +
                              (transposed ? uint32_t(column / 64) * leading + uint32_t(column % 64) * 2 : uint32_t(column * size));
      const char* unit = arena + swizzled(offset, 3);
      if (offset + 16 > arena_bytes) fault("wgmma: a descriptor leads out of shared memory");
      check_read(unit, 16, product.code);
      for (int e = 0; e < per_unit; e++) {
        const float value = element(product.kind, unit + e * size);
        if (transposed) to[(j + e) * depth + i] = value;
        else to[i * depth + j + e] = value;
      }
    }
}

struct Operands {
  std::vector<float> a, b;  // 16 x depth, columns x depth
};
const Operands& read_operands(const GroupProduct& product, int warp) {
  static Operands operands;
  const int depth = product.kind == Mma::tf32 ? 8 : 16;
  operands.a.resize(size_t(16 * depth));
  operands.b.resize(size_t(product.columns * depth));
  read_operand(product, product.a, product.transposed_a, 16 * warp, 16, depth, operands.a.data());
  read_operand(product, product.b, product.transposed_b, 0, product.columns, depth, operands.b.data());
  return operands;
}

/** The sixteen rows of a warp of the group; `product_of(lane)` gives each lane's d. */
template <class F> void multiply(const GroupProduct& product, int warp, F product_of) {
  const int columns = product.columns, depth = product.kind == Mma::tf32 ? 8 : 16;
  const auto& [a, b] = read_operands(product, warp);
  std::vector<float> sums(size_t(16 * columns));
  std::vector<float> b_rows(b.size());
  for (int n = 0; n < columns; n++)
    for (int k = 0; k < depth; k++) b_rows[size_t(k * columns + n)] = b[size_t(n * depth + k)];
  for (int row = 0; row < 16; row++)
    for (int k = 0; k < depth; k++) {
      const float x = a[size_t(row * depth + k)];
      for (int n = 0; n < columns; n++) sums[size_t(row * columns + n)] += x * b_rows[size_t(k * columns + n)];
    }
  for (int lane = 0; lane < 32; lane++) {
    float* d = product_of(lane);
    for (int i = 0; i < columns / 2; i++) {
      const int row = lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      d[i] = (product.accumulate ? d[i] : 0.0f) + sums[size_t(row * columns + column)];
    }
  }
}

bool same(const GroupProduct& x, const GroupProduct& y) {
  return x.kind == y.kind && x.columns == y.columns && x.a == y.a && x.b == y.b && x.transposed_a == y.transposed_a &&
         x.transposed_b == y.transposed_b && x.accumulate == y.accumulate;
}

Warpgroup& group_of(const Thread& thread) {
  Block& block = *thread.block;
  const size_t number = size_t(thread.number) / 128;
  if (block.threads.size() < 128 * (number + 1)) fault("wgmma: a warpgroup is four whole warps");
  if (block.warpgroups.size() <= number) block.warpgroups.resize(number + 1);
  return block.warpgroups[number];
}
int fewest_commits(const Warpgroup& group) { return *std::min_element(group.committed, group.committed + 4); }

/**
 * While there is one, reads are the warpgroup's, not the running thread's; who waits for the products comes after them.
 */
class ReadsOf {
 public:
  explicit ReadsOf(Warpgroup& group) : group_(group) {
    if (observer) observer->begin_bulk(&group, token_);
  }
  ~ReadsOf() {
    if (!observer) return;
    observer->end_bulk();
    observer->merge(group_.clock, token_);
  }

 private:
  Warpgroup& group_;
  Observer::Token token_;
};

/** Does the oldest group of products, for all warps. */
void finish_oldest(const Thread& thread) {
  for (int i = 0; i < 4; i++) {
    const Warp& warp = thread.block->warps[size_t(thread.number / 128 * 4 + i)];
    const auto groups = [&](int lane) -> auto& { return warp.lane[lane]->asynchronous->products.closed; };
    for (size_t j = 0; j < groups(0).front().size(); j++) {
      if (!settings().eager) multiply(groups(0).front()[j], i, [&](int lane) { return groups(lane).front()[j].d; });
      else if (observer) read_operands(groups(0).front()[j], i);  // until now nobody may overwrite them
    }
    for (int lane = 0; lane < 32; lane++) groups(lane).pop_front();
  }
}

void issue(Warp& warp, unsigned) {
  const GroupProduct& first = *static_cast<GroupProduct*>(warp.argument[0]);
  for (int lane = 1; lane < 32; lane++)
    if (!same(first, *static_cast<GroupProduct*>(warp.argument[lane]))) fault("wgmma: the lanes of a warp give different operands");
  if (!settings().eager) return;
  const ReadsOf reads(group_of(*current));
  multiply(first, current->number / 32 % 4, [&](int lane) { return static_cast<GroupProduct*>(warp.argument[lane])->d; });
}

Groups<GroupProduct>& products() {
  if (!current->asynchronous) current->asynchronous = std::make_unique<Asynchronous>();
  return current->asynchronous->products;
}
}  // namespace

void group_product(Mma kind, float* d, int columns, uint64_t a, uint64_t b, bool transposed_a, bool transposed_b, bool accumulate) {
  if (settings().capability / 10 != 9) fault("wgmma: only sm_90 has products of warpgroups");
  GroupProduct product{kind, d, columns, a, b, transposed_a, transposed_b, accumulate, CALLER};
  collective("wgmma", all, &product, issue);
  products().open.push_back(product);
}
void group_product_fence() { collective("wgmma_fence", all, nullptr, nullptr); }
void group_product_commit() {
  products().commit();
  collective("wgmma_commit", all, nullptr, [](Warp&, unsigned) {
    Warpgroup& group = group_of(*current);
    group.committed[current->number / 32 % 4]++;
    for (Thread* thread : group.waiting) make_ready(thread);
    group.waiting.clear();
  });
}
void group_product_wait(int pending) {
  collective("wgmma_wait", all, nullptr, nullptr);
  Warpgroup& group = group_of(*current);
  const int target = group.committed[current->number / 32 % 4] - pending;
  while (fewest_commits(group) < target) {
    group.waiting.push_back(current);
    block_on("wgmma_wait");
  }
  for (; group.finished < target; group.finished++) {
    const ReadsOf reads(group);
    finish_oldest(*current);
  }
  if (observer) observer->acquire(*current, group.clock);
}

}  // namespace emulator
