// Pointwise kernels: broadcasting, blocks, threads and 16-bit conversion around a function that computes one run of
// elements.
#pragma once
#include <array>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** Elements that a chunk of work with tens of instructions per element should hold. */
constexpr int64_t function_grain = 8192;

/**
 * Computes n elements. Bit k of `fixed` says that input k is one element, used n times; the output may be one of the
 * inputs. `parameters` are the attributes of the call.
 */
using RunFunction = void (*)(const void* const* in, unsigned fixed, void* out, int64_t n, const double* parameters);

/** The run function of each dtype an operation supports; the 16-bit floats are converted and use float32. */
struct Runs {
  RunFunction float32 = nullptr, float64 = nullptr, int32 = nullptr, uint8 = nullptr, boolean = nullptr;
};

/**
 * Binds an pointwise call: dtype by the last input, `grain` elements per chunk. Declares in-place use where it is safe.
 */
WEFT_BINDER Step pointwise(Call& call, const Runs& runs, int64_t grain, std::array<double, 2> parameters = {});
WEFT_BINDER Step pointwise(Call& call, RunFunction run, int64_t grain, std::array<double, 2> parameters = {});

/** Converts n elements. */
using ConvertFunction = void (*)(const void* source, void* target, int64_t n);
ConvertFunction convert_function(DType from, DType to);

/** Lets the compiler vectorize a loop whose output may be exactly one of its inputs. */
#if defined(__clang__)
#define WEFT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define WEFT_INDEPENDENT _Pragma("GCC ivdep")
#endif

}  // namespace weft::cpu::WEFT_ISA
