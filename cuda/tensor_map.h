// Tensor maps: what the copy engine of sm_90 (TMA) is told of a tensor in global memory.
#pragma once
#include <cuda.h>

#include <initializer_list>

#include "launch.h"

namespace weft::cuda {

/**
 * A dense tensor of 16-bit or float32 elements, innermost extent first, copied in boxes whose rows are 128 bytes,
 * swizzled by 128 bytes. `address` and all rows are multiples of 16 bytes. The driver's function is looked up at run
 * time: nothing links against libcuda.
 */
inline CUtensorMap tensor_map(DType dtype, const void* address, std::initializer_list<int64_t> extents,
                              std::initializer_list<int64_t> box) {
  static const auto encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found;
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
          "cuTensorMapEncodeTiled");
    require(found == cudaDriverEntryPointSuccess && function, "ERR_CUDA", "the driver does not know cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  const CUtensorMapDataType type = dtype == DType::bfloat16  ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                   : dtype == DType::float16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                             : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  cuuint64_t size[5], stride[5];
  cuuint32_t part[5], step[5];
  cuuint32_t rank = 0;
  uint64_t bytes = size_of(dtype);
  for (const int64_t extent : extents) {
    size[rank] = cuuint64_t(extent);
    bytes *= uint64_t(extent);
    stride[rank] = bytes;
    part[rank] = cuuint32_t(box.begin()[rank]);
    step[rank] = 1;
    rank++;
  }
  CUtensorMap map;
  const CUresult result = encode(&map, type, rank, const_cast<void*>(address), size, stride, part, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                 CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(result == CUDA_SUCCESS, "ERR_CUDA", "cuTensorMapEncodeTiled failed (", int(result), ")");
  return map;
}

}  // namespace weft::cuda
