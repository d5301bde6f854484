// The interpreter of chains of pointwise operations (fuse.cu): a small program, run by every thread for its four
// elements. Inputs are loaded at the start; they, temporary values and the result before it are the operands of an
// instruction, all of them in registers. Every thread takes the same branches, so that an instruction costs a few
// cycles beside its arithmetic.
#pragma once
#include "pointwise.cuh"
#include "pointwise/activation.h"
#include "pointwise/arithmetic.h"
#include "pointwise/compare.h"
#include "pointwise/math.h"

namespace weft::cuda::chain {

constexpr int most_instructions = 16, most_inputs = 8, most_outputs = 4, most_temporaries = 4;

/** Lines of native/pointwise/, by the number of operands and of attributes. */
#define WEFT_CHAIN_UNARY(X) WEFT_ARITHMETIC_UNARY(X) WEFT_MATH(X)
#define WEFT_CHAIN_BINARY(X) WEFT_ARITHMETIC_BINARY(X) WEFT_COMPARE(X) WEFT_CHAIN_LOGIC(X)
#define WEFT_CHAIN_SLOPED(X) WEFT_ACTIVATION(X)
#define WEFT_CHAIN_SLOPED_1(X) WEFT_ACTIVATION_1(X)
#define WEFT_CHAIN_SLOPED_2(X) WEFT_ARITHMETIC_SLOPED_2(X)
/** bool values are 0 and 1 here. */
#define WEFT_CHAIN_LOGIC(X)          \
  X(logic, logicalAnd, x* y)         \
  X(logic, logicalOr, x + y - x * y) \
  X(logic, logicalXor, x != y)

enum class Operation : uint8_t {
#define X(kind, name, ...) name,
  WEFT_CHAIN_UNARY(X) WEFT_CHAIN_BINARY(X)
#undef X
#define X(kind, name, ...) name, name##Grad,
      WEFT_CHAIN_SLOPED(X) WEFT_CHAIN_SLOPED_1(X) WEFT_CHAIN_SLOPED_2(X)
#undef X
          logicalNot,
  where,
  identity,
  test,
  roundFloat16,
  roundBFloat16
};

#define X(kind, name, expression) WEFT_UNARY(name, p, q, expression)
WEFT_CHAIN_UNARY(X)
#undef X
#define X(kind, name, expression) WEFT_BINARY(name, expression)
WEFT_CHAIN_BINARY(X)
#undef X
#define X(kind, name, expression, slope) WEFT_UNARY(name, p, q, expression) WEFT_SLOPE(name, p, q, slope)
WEFT_CHAIN_SLOPED(X)
#undef X
#define X(kind, name, first, expression, slope) WEFT_UNARY(name, first, q, expression) WEFT_SLOPE(name, first, q, slope)
WEFT_CHAIN_SLOPED_1(X)
#undef X
#define X(kind, name, first, second, expression, slope) WEFT_UNARY(name, first, second, expression) WEFT_SLOPE(name, first, second, slope)
WEFT_CHAIN_SLOPED_2(X)
#undef X

/** Where an operand comes from: an input, a temporary value, or the result of the instruction before. */
constexpr uint8_t first_temporary = most_inputs, last_result = most_inputs + most_temporaries, nowhere = 255;

struct Instruction {
  Operation operation;
  uint8_t source[3] = {nowhere, nowhere, nowhere};
  uint8_t temporary = nowhere, output = nowhere;  // where the result goes beside being the last one
  float attribute[2] = {0, 0};                    // in the order of the operation's line
};

struct Chain {
  int instructions = 0, inputs = 0;
  Instruction at[most_instructions];
  void* out[most_outputs];
  Kind out_kind[most_outputs];
  bool in_bool[most_inputs] = {}, out_bool[most_outputs] = {};
};

/** Elements of a thread. */
using Four = float4;

template <class F> __device__ __forceinline__ Four each(const Four& x, float first, float second) {
  return make_float4(float(F::at(x.x, first, second)), float(F::at(x.y, first, second)), float(F::at(x.z, first, second)),
                     float(F::at(x.w, first, second)));
}
template <class F> __device__ __forceinline__ Four each(const Four& x, const Four& y, float first, float second) {
  return make_float4(float(F::at(x.x, y.x, first, second)), float(F::at(x.y, y.y, first, second)), float(F::at(x.z, y.z, first, second)),
                     float(F::at(x.w, y.w, first, second)));
}

struct test_of {
  static __device__ __forceinline__ float at(float x, float, float) { return x != 0.0f; }
};
struct logicalNot_of {
  static __device__ __forceinline__ float at(float x, float, float) { return x == 0.0f; }
};
template <class T> struct rounded_to {
  static __device__ __forceinline__ float at(float x, float, float) { return widen(narrow<T>(x)); }
};

__device__ __forceinline__ Four compute(const Instruction& instruction, const Four& x, const Four& y, const Four& z) {
  const float first = instruction.attribute[0], second = instruction.attribute[1];
  switch (instruction.operation) {
#define X(kind, name, ...) \
  case Operation::name: return each<name##_of>(x, first, second);
    WEFT_CHAIN_UNARY(X)
#undef X
#define X(kind, name, ...) \
  case Operation::name: return each<name##_of>(x, y, first, second);
    WEFT_CHAIN_BINARY(X)
#undef X
#define X(kind, name, ...)                                        \
  case Operation::name: return each<name##_of>(x, first, second); \
  case Operation::name##Grad: return each<name##Grad_of>(x, y, first, second);
    WEFT_CHAIN_SLOPED(X)
    WEFT_CHAIN_SLOPED_1(X)
    WEFT_CHAIN_SLOPED_2(X)
#undef X
    case Operation::test: return each<test_of>(x, first, second);
    case Operation::logicalNot: return each<logicalNot_of>(x, first, second);
    case Operation::roundFloat16: return each<rounded_to<Float16>>(x, first, second);
    case Operation::roundBFloat16: return each<rounded_to<BFloat16>>(x, first, second);
    case Operation::where: return make_float4(x.x != 0 ? y.x : z.x, x.y != 0 ? y.y : z.y, x.z != 0 ? y.z : z.z, x.w != 0 ? y.w : z.w);
    default: return x;
  }
}

/**
 * The values of a thread. Registers have no addresses, so each has a name, and branches that all threads take alike
 * pick them.
 */
struct Values {
#define WEFT_CHAIN_INPUTS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define WEFT_CHAIN_TEMPORARIES(X) X(8) X(9) X(10) X(11)
#define X(k) Four v##k;
  WEFT_CHAIN_INPUTS(X) WEFT_CHAIN_TEMPORARIES(X) Four last;
#undef X

  __device__ __forceinline__ Four pick(int source) const {
    switch (source) {
#define X(k) \
  case k: return v##k;
      WEFT_CHAIN_INPUTS(X)
      WEFT_CHAIN_TEMPORARIES(X)
#undef X
      default: return last;
    }
  }
  __device__ __forceinline__ void keep(int temporary) {
    switch (temporary + first_temporary) {
#define X(k) \
  case k: v##k = last; break;
      WEFT_CHAIN_TEMPORARIES(X)
#undef X
      default: break;
    }
  }
};
static_assert(most_inputs == 8 && most_temporaries == 4, "Values has this many");

/** The elements of an input, out of what was fetched. */
__device__ __forceinline__ Four unpacked(const Raw<float>& raw, bool is_bool, bool one, Kind kind) {
  if (is_bool) {
    const uint32_t bytes = raw.word[0];
    const auto flag = [=](int e) { return (bytes >> (one ? 0 : 8 * e) & 1u) != 0 ? 1.0f : 0.0f; };
    return make_float4(flag(0), flag(1), flag(2), flag(3));
  }
  float x[4];
  if (one) x[0] = x[1] = x[2] = x[3] = raw.one(kind);
  else raw.four(x, kind);
  return make_float4(x[0], x[1], x[2], x[3]);
}

__global__ void __launch_bounds__(256, 3) run_chain(PointwiseWork<most_inputs> work, Chain chain) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= work.packs + work.singles) return;
  const bool single = i >= work.packs, tail = single && work.packs > 0;
  const int64_t element = tail ? int64_t(work.packs) * 3 + i : single ? int64_t(i) : int64_t(i) * 4;
  int64_t offset[most_inputs] = {};
  if (!tail) work.places.add(i, offset);
  Raw<float> raw[most_inputs];
#pragma unroll
  for (int k = 0; k < most_inputs; k++) {
    if (k >= chain.inputs) break;
    if (tail && !work.still[k]) offset[k] = element;
    const bool one = single || work.still[k];
    if (chain.in_bool[k]) {
      const uint8_t* from = static_cast<const uint8_t*>(work.in[k]) + offset[k];
      raw[k].word[0] = one ? uint32_t(*from) : *reinterpret_cast<const uint32_t*>(from);
    } else if (one) {
      raw[k].fetch_one(work.in[k], offset[k], work.kind[k]);
    } else {
      raw[k].fetch(work.in[k], offset[k], work.kind[k]);
    }
  }
  Values values{};
#define X(k) \
  if (k < chain.inputs) values.v##k = unpacked(raw[k], chain.in_bool[k], single || work.still[k], work.kind[k]);
  WEFT_CHAIN_INPUTS(X)
#undef X
#pragma unroll 1
  for (int at = 0; at < chain.instructions; at++) {
    const Instruction& instruction = chain.at[at];
    const Four x = values.pick(instruction.source[0]);
    Four y = x, z = x;
    if (instruction.source[1] != nowhere) y = values.pick(instruction.source[1]);
    if (instruction.source[2] != nowhere) z = values.pick(instruction.source[2]);
    values.last = compute(instruction, x, y, z);
    if (instruction.temporary != nowhere) values.keep(instruction.temporary);
    if (instruction.output != nowhere) {
      void* out = chain.out[instruction.output];
      const Kind kind = chain.out_kind[instruction.output];
      const float result[4] = {values.last.x, values.last.y, values.last.z, values.last.w};
      if (chain.out_bool[instruction.output]) {
        const uint8_t flags[4] = {result[0] != 0, result[1] != 0, result[2] != 0, result[3] != 0};
        if (single) put_one(out, element, flags[0], kind);
        else put_four(out, element, flags, kind);
      } else if (single) put_one(out, element, result[0], kind);
      else put_four(out, element, result, kind);
    }
  }
}

}  // namespace weft::cuda::chain
