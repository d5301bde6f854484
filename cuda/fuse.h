// Chains of pointwise calls as one kernel: each value between them stays in registers instead of going through memory.
#pragma once
#include <vector>

#include "kernel.h"

namespace weft::cuda {

/** Whether a call can be part of a chain: a pointwise operation of floats (bool where it is one of its operands). */
bool fusible(const Call& call);

/**
 * Binds a chain: calls in the order of the program that compute values of one shape from each other and from values of
 * broadcast shapes. kept[i] says that somebody outside reads the output of calls[i]. `joined` becomes the chain seen
 * from outside, as one call: the values it reads and those it keeps, with in_places. Memory must be planned for that
 * call, not for the single ones. Values that are not kept are computed in float32, without the rounding to their dtype;
 * only a cast to a 16-bit float rounds. Returns an empty Step where the chain has too many operations, operands or
 * values alive at a time (see fuse.cu); a shorter one may do.
 */
Step fuse(const std::vector<const Call*>& calls, const std::vector<bool>& kept, Call& joined);

}  // namespace weft::cuda
