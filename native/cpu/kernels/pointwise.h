// Pointwise kernels. Broadcasting, blocks, threads and the conversion of 16-bit floats are the same for all of them. An
// operation brings a function that computes one run of elements.
#pragma once
#include <array>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** How many elements a chunk should hold where each takes tens of instructions. */
constexpr int64_t function_grain = 8192;

/**
 * Computes n elements. Where bit k of `fixed` is set, input k is one element that is used n times. The output may be
 * one of the inputs. `parameters` are the attributes of the call.
 */
using RunFunction = void (*)(const void* const* in, unsigned fixed, void* out, int64_t n, const double* parameters);

/** The run function of each dtype that an operation supports. 16-bit floats are converted, and use that of float32. */
struct Runs {
  RunFunction float32 = nullptr, float64 = nullptr, int32 = nullptr, uint8 = nullptr, boolean = nullptr;
};

/**
 * Binds a pointwise call. The dtype of its last input chooses the run function. A chunk holds `grain` elements. The
 * output takes over the memory of an input where that is safe.
 */
WEFT_BINDER Step pointwise(Call& call, const Runs& runs, int64_t grain, std::array<double, 2> parameters = {});
WEFT_BINDER Step pointwise(Call& call, RunFunction run, int64_t grain, std::array<double, 2> parameters = {});

/** Converts n elements. */
using ConvertFunction = void (*)(const void* source, void* target, int64_t n);
ConvertFunction convert_function(DType from, DType to);

/** Before a loop whose output may be the very memory of an input: the compiler may vectorize it. */
#if defined(__clang__)
#define WEFT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define WEFT_INDEPENDENT _Pragma("GCC ivdep")
#endif

}  // namespace weft::cpu::WEFT_ISA
