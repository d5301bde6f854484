// Pointwise kernels: a functor of native/pointwise/ over the elements of one to three broadcast inputs. A thread takes
// packs of four neighbouring elements, two at a time, wherever the inner axis allows it: an input is then read as a
// pack or, where it is broadcast along that axis, as one element. Everything else goes element by element. One instance
// per functor and type of computation serves all of this, by branches that all threads take alike: the work is bound by
// memory.
#pragma once
#include "numbers.cuh"
#include "storage.cuh"
#include "strided.cuh"

namespace weft::cuda {

/**
 * What a launch of a pointwise kernel does: numbers [0, packs) are packs of four elements, the next `singles` are
 * single elements.
 */
template <int inputs> struct PointwiseWork {
  const void* in[inputs];
  void* out;
  Kind kind[inputs], out_kind;
  bool still[inputs];  // broadcast along the inner axis
  uint32_t packs, singles;
  Places<inputs> places;  // of packs, or where there is none of single elements
};

template <class F, class First, class C, class Out, int inputs>
__global__ void __launch_bounds__(256) pointwise(PointwiseWork<inputs> work, C alpha, C beta) {
  constexpr int unroll = 2;
  const uint32_t first = blockIdx.x * blockDim.x * unroll + threadIdx.x, last = work.packs + work.singles;
  Raw<First> a[unroll];
  Raw<C> b[unroll], c[unroll];
#pragma unroll
  for (int u = 0; u < unroll; u++) {
    const uint32_t i = first + uint32_t(u) * blockDim.x;
    if (i >= last) break;
    int64_t offset[inputs] = {};
    const bool tail = i >= work.packs && work.packs > 0;
    if (!tail) work.places.add(i, offset);
    auto fetch = [&](auto& raw, int k) {
      if (tail && !work.still[k]) offset[k] = int64_t(work.packs) * 3 + i;
      if (i >= work.packs || work.still[k]) raw.fetch_one(work.in[k], offset[k], work.kind[k]);
      else raw.fetch(work.in[k], offset[k], work.kind[k]);
    };
    fetch(a[u], 0);
    if constexpr (inputs > 1) fetch(b[u], 1);
    if constexpr (inputs > 2) fetch(c[u], 2);
  }
#pragma unroll
  for (int u = 0; u < unroll; u++) {
    const uint32_t i = first + uint32_t(u) * blockDim.x;
    if (i >= last) break;
    First x[4];
    C y[4], z[4];
    const bool single = i >= work.packs;
    auto convert = [&](const auto& raw, auto& to, int k) {
      if (single || work.still[k]) {
        to[0] = raw.one(work.kind[k]);
        to[1] = to[2] = to[3] = to[0];
      } else raw.four(to, work.kind[k]);
    };
    convert(a[u], x, 0);
    if constexpr (inputs > 1) convert(b[u], y, 1);
    if constexpr (inputs > 2) convert(c[u], z, 2);
    auto at = [&](int e) {
      if constexpr (inputs == 1) return Out(F::at(x[e], alpha, beta));
      else if constexpr (inputs == 2) return Out(F::at(x[e], y[e], alpha, beta));
      else return Out(F::at(x[e], y[e], z[e]));
    };
    Out result[4];
    result[0] = at(0);
    if (single) {
      put_one(work.out, work.packs > 0 ? int64_t(work.packs) * 3 + i : int64_t(i), result[0], work.out_kind);
    } else {
#pragma unroll
      for (int e = 1; e < 4; e++) result[e] = at(e);
      put_four(work.out, int64_t(i) * 4, result, work.out_kind);
    }
  }
}

/** The launches of a pointwise call: each as packs, where its shape allows them, and as single elements. */
template <int inputs> struct PointwisePlan {
  struct Part {
    PointwiseWork<inputs> packed, single;
    int64_t first;                          // element of the output
    std::array<int64_t, inputs> in_offset;  // in bytes
  };
  std::vector<Part> parts;
  std::array<View, inputs> in;
  View out;

  explicit PointwisePlan(const Call& call) : out(call.out[0]) {
    std::array<Dims, inputs> strides;
    for (size_t k = 0; k < inputs; k++) {
      in[k] = call.in[k];
      strides[k] = broadcast_strides(in[k].dims, out.dims.size());
    }
    int64_t done = 0;
    for (Walk<inputs>& walk : Walk<inputs>(out.dims, strides).parts()) {
      Part part;
      part.first = done;
      done += walk.size();
      bool packs = walk.inner() >= 4;
      for (size_t k = 0; k < inputs; k++) {
        part.in_offset[k] = walk.offset[k] * int64_t(size_of(in[k].dtype));
        part.single.kind[k] = kind_of(in[k].dtype);
        part.single.still[k] = walk.strides.back()[k] == 0;
        for (size_t axis = 0; axis + 1 < walk.dims.size(); axis++)
          packs = packs && (part.single.still[k] || walk.strides[axis][k] % 4 == 0);
      }
      if (walk.dims.size() > 1) packs = packs && walk.inner() % 4 == 0;
      part.single.out_kind = kind_of(out.dtype);
      part.single.packs = 0;
      part.single.singles = uint32_t(walk.size());
      part.single.places = Places<inputs>(walk);
      part.packed = part.single;
      if (packs) {
        part.packed.packs = uint32_t(walk.size() / 4);
        part.packed.singles = uint32_t(walk.size() % 4);
        walk.dims.back() /= 4;
        for (int64_t& stride : walk.strides.back()) stride *= 4;
        part.packed.places = Places<inputs>(walk);
      }
      parts.push_back(part);
    }
  }

  /**
   * The work of a part: as packs if the addresses allow them; out_fits: those of the output do. The caller sets `out`.
   */
  PointwiseWork<inputs> work_of(const Part& part, const Frame& frame, bool out_fits) const {
    std::array<const char*, inputs> from;
    for (size_t k = 0; k < inputs; k++) {
      from[k] = in[k].used() ? frame.at<char>(in[k]) + part.in_offset[k] : nullptr;
      out_fits = out_fits && (part.packed.still[k] || aligned(from[k], 4 * size_of(in[k].dtype)));
    }
    PointwiseWork<inputs> work = out_fits ? part.packed : part.single;
    for (size_t k = 0; k < inputs; k++) work.in[k] = from[k];
    return work;
  }

  template <class F, class First, class C, class Out> void run(const Frame& frame, C alpha, C beta) const {
    for (const Part& part : parts) {
      char* to = frame.at<char>(out) + part.first * int64_t(size_of(out.dtype));
      PointwiseWork<inputs> work = work_of(part, frame, aligned(to, 4 * size_of(out.dtype)));
      work.out = to;
      const int64_t threads = divide_up(work.packs + work.singles, 2);
      const unsigned block = block_for(threads);
      launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, pointwise<F, First, C, Out, inputs>, work,
             alpha, beta);
    }
  }
};

/** Says which inputs the output may overwrite. */
inline void share_memory(Call& call) {
  for (size_t k = 0; k < call.in.size(); k++)
    if (call.in[k].dims == call.out[0].dims && size_of(call.in[k].dtype) == size_of(call.out[0].dtype)) call.in_place(k, 0);
}

template <class F, class First, class C, class Out, int inputs> Step pointwise_step(Call& call, double alpha = 0, double beta = 0) {
  share_memory(call);
  return [plan = PointwisePlan<inputs>(call), alpha = C(alpha), beta = C(beta)](const Frame& frame) {
    plan.template run<F, First, C, Out>(frame, alpha, beta);
  };
}

/** C: the type of computation; Out: of the result. */
template <class F, int inputs, class C, class Out = C> Step pointwise_as(Call& call, double alpha = 0, double beta = 0) {
  return pointwise_step<F, C, C, Out, inputs>(call, alpha, beta);
}

[[noreturn]] inline void no_dtype(const Call& call, DType dtype) {
  throw Error("ERR_DTYPE", call.op + ": " + name_of(dtype) + " is not supported");
}

/** float32 and the 16-bit floats. */
template <class F, int inputs, class Out = float> Step pointwise_floats(Call& call, double alpha = 0, double beta = 0) {
  const DType dtype = call.in[inputs - 1].dtype;
  if (!is_float(dtype)) no_dtype(call, dtype);
  return pointwise_as<F, inputs, float, Out>(call, alpha, beta);
}

/** Floats, int32 (computed as I) and uint8. */
template <class F, int inputs, class I = int32_t> Step pointwise_numbers(Call& call, double alpha = 0, double beta = 0) {
  switch (call.in[inputs - 1].dtype) {
    case DType::int32: return pointwise_as<F, inputs, I>(call, alpha, beta);
    case DType::uint8: return pointwise_as<F, inputs, uint8_t>(call, alpha, beta);
    default: return pointwise_floats<F, inputs>(call, alpha, beta);
  }
}

#define WEFT_INLINE __device__ __forceinline__

// the binders of the words that lines of native/pointwise/ begin with
template <class F> Step unary_wrapping(Call& call, double a = 0, double b = 0) { return pointwise_numbers<F, 1, uint32_t>(call, a, b); }
template <class F> Step unary_number(Call& call, double a = 0, double b = 0) { return pointwise_numbers<F, 1>(call, a, b); }
template <class F> Step unary_float(Call& call, double a = 0, double b = 0) { return pointwise_floats<F, 1>(call, a, b); }
template <class F> Step unary_function(Call& call, double a = 0, double b = 0) { return pointwise_floats<F, 1>(call, a, b); }
template <class F> Step unary_test(Call& call) { return pointwise_floats<F, 1, Bool>(call); }

/** Slopes are those of floats. */
template <class F> Step slope(Call& call, double a = 0, double b = 0) { return pointwise_floats<F, 2>(call, a, b); }

template <class F> Step binary_wrapping(Call& call) { return pointwise_numbers<F, 2, uint32_t>(call); }
template <class F> Step binary_number(Call& call) { return pointwise_numbers<F, 2>(call); }
template <class F> Step binary_float(Call& call) { return pointwise_floats<F, 2>(call); }
template <class F> Step binary_function(Call& call) { return pointwise_floats<F, 2>(call); }
template <class F> Step binary_compare(Call& call) {
  switch (call.in[1].dtype) {
    case DType::int32: return pointwise_as<F, 2, int32_t, Bool>(call);
    case DType::uint8:
    case DType::boolean: return pointwise_as<F, 2, uint8_t, Bool>(call);
    default: return pointwise_floats<F, 2, Bool>(call);
  }
}
template <class F> Step binary_logic(Call& call) {
  if (call.in[1].dtype != DType::boolean) no_dtype(call, call.in[1].dtype);
  return pointwise_as<F, 2, uint8_t>(call);
}

// kernels of lines, to be handed to the lists
#define WEFT_CUDA_UNARY(kind, name, expression) \
  WEFT_UNARY(name, p, q, expression)            \
  KERNEL(cuda, name) { return unary_##kind<name##_of>(call); }
#define WEFT_CUDA_BINARY(kind, name, expression) \
  WEFT_BINARY(name, expression)                  \
  KERNEL(cuda, name) { return binary_##kind<name##_of>(call); }
#define WEFT_CUDA_SLOPED(kind, name, expression, derivative)   \
  WEFT_UNARY(name, p, q, expression)                           \
  WEFT_SLOPE(name, p, q, derivative)                           \
  KERNEL(cuda, name) { return unary_##kind<name##_of>(call); } \
  KERNEL(cuda, name##Grad) { return slope<name##Grad_of>(call); }
#define WEFT_CUDA_SLOPED_1(kind, name, first, expression, derivative)                     \
  WEFT_UNARY(name, first, q, expression)                                                  \
  WEFT_SLOPE(name, first, q, derivative)                                                  \
  KERNEL(cuda, name) { return unary_##kind<name##_of>(call, call.attrs.number(#first)); } \
  KERNEL(cuda, name##Grad) { return slope<name##Grad_of>(call, call.attrs.number(#first)); }
#define WEFT_CUDA_SLOPED_2(kind, name, first, second, expression, derivative)                                         \
  WEFT_UNARY(name, first, second, expression)                                                                         \
  WEFT_SLOPE(name, first, second, derivative)                                                                         \
  KERNEL(cuda, name) { return unary_##kind<name##_of>(call, call.attrs.number(#first), call.attrs.number(#second)); } \
  KERNEL(cuda, name##Grad) { return slope<name##Grad_of>(call, call.attrs.number(#first), call.attrs.number(#second)); }

}  // namespace weft::cuda
