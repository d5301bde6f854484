// What the files of GPU collectives share: how a binder is listed, and how NCCL is called.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nccl_world.h"
#include "vocabulary.cuh"

/** Defines the binder of a collective. It is given to the addon with the engine: other processes have no use for it. */
#define COLLECTIVE(op)                             \
  WEFT_BINDER static Step bind_##op(Call& call);   \
  static const Listed listed_##op{#op, bind_##op}; \
  static Step bind_##op([[maybe_unused]] Call& call)

namespace weft::cuda {

/** Every collective and its binder. */
std::vector<std::pair<std::string, Bind>>& collectives();
struct Listed {
  Listed(const char* op, Bind bind) { collectives().emplace_back(op, bind); }
};

/** Raises a fault, in the order of the stream, where the run is lost. */
void look_for_loss(const Frame& frame);

/** What all ranks have to ask for alike: the operation, what it is given, and a detail. */
std::string described(Call& call, const std::string& detail);

/** NCCL's call for the extremes of int32 numbers. */
using Reduction = std::function<void(const void* given, void* taken, int type, cudaStream_t stream)>;
/** Whether `reduce` of these values takes another way than NCCL's own, which says nothing of NaN. */
bool needs_keys(const std::string& reduce, DType dtype);
/**
 * The largest or smallest floats over the ranks, by their keys: NaN on any rank is NaN on all, and -0 is less than 0.
 */
Step reduced_by_keys(Call& call, const std::string& what, const std::string& reduce, Reduction reduction);

inline void check(int result, const char* function) { check_nccl(nccl_world().nccl(), result, function); }

/** Calls that begin together: one alone would wait for the others. */
template <class Calls> void together(Calls calls) {
  const Nccl& nccl = nccl_world().nccl();
  check(nccl.GroupStart(), "GroupStart");
  try {
    calls(nccl);
  } catch (...) {
    nccl.GroupEnd();
    throw;
  }
  check(nccl.GroupEnd(), "GroupEnd");
}

}  // namespace weft::cuda
