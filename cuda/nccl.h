// The part of NCCL that the ranks of a distributed run use, opened at run time: nothing of NCCL is needed to build this
// file. Names and values are those of NVIDIA's nccl.h, version 2.18 and later.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "dtype.h"

namespace weft::cuda {

/** Passed by value: 128 bytes. */
struct NcclId {
  char internal[128];
};
using NcclCommunicator = void*;

struct Nccl {
  int (*GetVersion)(int*);
  int (*GetUniqueId)(NcclId*);
  const char* (*GetErrorString)(int);
  const char* (*GetLastError)(NcclCommunicator);
  int (*CommInitRank)(NcclCommunicator*, int size, NcclId, int rank);
  int (*CommCount)(NcclCommunicator, int*);
  int (*CommGetAsyncError)(NcclCommunicator, int*);
  int (*CommDestroy)(NcclCommunicator);
  int (*CommAbort)(NcclCommunicator);
  int (*AllReduce)(const void*, void*, size_t, int type, int operation, NcclCommunicator, cudaStream_t);
  int (*ReduceScatter)(const void*, void*, size_t of_each, int type, int operation, NcclCommunicator, cudaStream_t);
  int (*AllGather)(const void*, void*, size_t of_each, int type, NcclCommunicator, cudaStream_t);
  int (*Broadcast)(const void*, void*, size_t, int type, int root, NcclCommunicator, cudaStream_t);
  int (*Send)(const void*, size_t, int type, int to, NcclCommunicator, cudaStream_t);
  int (*Recv)(void*, size_t, int type, int from, NcclCommunicator, cudaStream_t);
  int (*GroupStart)();
  int (*GroupEnd)();
  std::string path, version;
};

/** ncclUint8: of values that are only moved. */
constexpr int nccl_bytes = 1;

/** ncclDataType_t. ERR_DTYPE for bool: NCCL has none. */
int nccl_type(DType dtype);
/** ncclRedOp_t of 'sum', 'max' or 'min'. */
int nccl_operation(const std::string& reduce);

/**
 * Opens the library at `path`, or libnccl.so.2 where it is empty. ERR_NO_DEVICE, with what to install, where it is not
 * there, is too old, or lacks a function.
 */
Nccl open_nccl(const std::string& path);

/** ERR_DISTRIBUTED with NCCL's words, unless the result is 0. */
void check_nccl(const Nccl& nccl, int result, const char* function);

}  // namespace weft::cuda
