// cp.async, ldmatrix and mma.sync: the twins of cuda/tensor_core.cuh.
#include <cmath>

#include "numbers.h"
#include "state.h"

namespace emulator {

// ---- asynchronous copies: lazy ones happen when they are waited for, so that whoever reads too early reads what was
// there before

static void do_copy(const AsyncCopy& copy) {
  if (copy.valid) memcpy(copy.to, copy.from, size_t(copy.bytes));
  else memset(copy.to, 0, size_t(copy.bytes));
}

void async_copy(void* to, const void* from, int bytes, bool valid) {
  if (settings().capability < 80) {
    if (valid) check_read(from, size_t(bytes), CALLER);
    check_write(to, size_t(bytes), CALLER);
    return do_copy({to, from, bytes, valid, 0});
  }
  require_shared(to, size_t(bytes), "cp.async");
  if (reinterpret_cast<uintptr_t>(to) % uintptr_t(bytes) != 0 || (valid && reinterpret_cast<uintptr_t>(from) % uintptr_t(bytes) != 0))
    fault("cp.async of %d bytes: the address is not a multiple of them", bytes);
  if (valid) check_read(from, size_t(bytes), CALLER);
  Thread& self = *current;
  if (!self.asynchronous) self.asynchronous = std::make_unique<Asynchronous>();
  auto& open = self.asynchronous->copies.open;
  const AsyncCopy copy{to, from, bytes, valid, !observer ? 0 : open.empty() ? observer->begin_copies() : open.front().group};
  check_poison(to, size_t(bytes), true);
  if (observer) observer->copy(to, size_t(bytes), copy.group, CALLER);
  if (settings().eager) do_copy(copy);
  open.push_back(copy);
}

void async_commit() {
  Thread& self = *current;
  if (!self.asynchronous) {
    if (settings().capability < 80) return;
    self.asynchronous = std::make_unique<Asynchronous>();
  }
  self.asynchronous->copies.commit();
}

void async_wait(int pending) {
  Asynchronous* asynchronous = current->asynchronous.get();
  if (!asynchronous) return;
  auto& groups = asynchronous->copies.closed;
  while (int(groups.size()) > pending) {
    for (const AsyncCopy& copy : groups.front()) {
      if (!settings().eager) do_copy(copy);
      if (observer) observer->end_copies(copy.group);
    }
    groups.pop_front();
  }
}

// ---- ldmatrix

namespace {
struct MatrixArgument {
  const char* row;
  uint32_t* registers;
  int count;
  bool transposed;
};

void load_together(Warp& warp, unsigned) {
  const auto argument = [&](int lane) { return static_cast<MatrixArgument*>(warp.argument[lane]); };
  const MatrixArgument& first = *argument(0);
  for (int matrix = 0; matrix < first.count; matrix++) {
    uint16_t element[8][8];
    for (int row = 0; row < 8; row++) memcpy(element[row], argument(8 * matrix + row)->row, 16);
    for (int lane = 0; lane < 32; lane++) {
      const int group = lane / 4, pair = lane % 4 * 2;
      const uint16_t low = first.transposed ? element[pair][group] : element[group][pair];
      const uint16_t high = first.transposed ? element[pair + 1][group] : element[group][pair + 1];
      argument(lane)->registers[matrix] = uint32_t(high) << 16 | low;
    }
  }
}
}  // namespace

void load_matrix(uint32_t* registers, const void* row, int count, bool transposed) {
  if (current->lane < 8 * count) {
    require_shared(row, 16, "ldmatrix");
    if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fault("ldmatrix: the address of a row is not a multiple of 16");
    check_read(row, 16, CALLER);
  }
  MatrixArgument argument{static_cast<const char*>(row), registers, count, transposed};
  static constexpr const char* names[] = {"ldmatrix.x2", "ldmatrix.x4", "ldmatrix.x2.trans", "ldmatrix.x4.trans"};
  collective(names[(count == 4 ? 1 : 0) + (transposed ? 2 : 0)], 0xffffffffu, &argument, load_together);
}

// ---- mma: d (16 x 8) += a (16 x k) b (k x 8), fragments as cuda/tensor_core.cuh describes them

namespace {
struct ProductArgument {
  float* d;
  const uint32_t *a, *b;
};

template <Mma kind> float element(uint32_t word, int half) {
  const uint16_t bits = uint16_t(word >> (16 * half));
  if constexpr (kind == Mma::tf32) return std::bit_cast<float>(word & 0xffffe000u);
  if constexpr (kind == Mma::bf16) return from_bfloat16(bits);
  return from_float16(bits);
}

template <Mma kind> void multiply(Warp& warp, unsigned) {
  constexpr int per_word = kind == Mma::tf32 ? 1 : 2, k_words = kind == Mma::f16_k8 ? 1 : 2, depth = 4 * per_word * k_words;
  float a[16][depth], b[depth][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto& argument = *static_cast<ProductArgument*>(warp.argument[lane]);
    const int group = lane / 4, quad = lane % 4;
    for (int part = 0; part < k_words; part++)
      for (int half = 0; half < per_word; half++) {
        const int k = part * 4 * per_word + quad * per_word + half;
        a[group][k] = element<kind>(argument.a[2 * part], half);
        a[group + 8][k] = element<kind>(argument.a[2 * part + 1], half);
        b[k][group] = element<kind>(argument.b[part], half);
      }
  }
  float product[16][8] = {};
  for (int row = 0; row < 16; row++)
    for (int k = 0; k < depth; k++)
      for (int column = 0; column < 8; column++) product[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < 32; lane++) {
    float* d = static_cast<ProductArgument*>(warp.argument[lane])->d;
    for (int i = 0; i < 4; i++) d[i] += product[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}
}  // namespace

void mma(Mma kind, float* d, const uint32_t* a, const uint32_t* b) {
  ProductArgument argument{d, a, b};
  constexpr unsigned all = 0xffffffffu;
  if (kind != Mma::f16_k8 && settings().capability < 80 && kind != Mma::f16) fault("this GPU has no tensor-core product of this kind");
  switch (kind) {
    case Mma::tf32: return collective("mma.tf32", all, &argument, multiply<Mma::tf32>);
    case Mma::bf16: return collective("mma.bf16", all, &argument, multiply<Mma::bf16>);
    case Mma::f16: return collective("mma.f16", all, &argument, multiply<Mma::f16>);
    case Mma::f16_k8: return collective("mma.f16.k8", all, &argument, multiply<Mma::f16_k8>);
  }
}

}  // namespace emulator
