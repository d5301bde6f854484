// What the processor can do, and which level of kernels that allows.
#pragma once
#include <string>
#include <vector>

namespace weft::cpu {

/**
 * The level of kernels that is used: 0 portable, 1 AVX2 with FMA, 2 AVX-512 (F, BW, CD, DQ, VL). It is the level that
 * WEFT_CPU_LEVEL=portable|avx2|avx512 names. Where nothing is named, it is the best level that the processor can do and
 * the addon has. ERR_ARGUMENT for a level that cannot be used, ERR_NO_DEVICE where none can.
 */
int level();
const char* level_name();
/** The names of the levels that the addon has kernels of. */
std::vector<std::string> built_levels();
/** Whether products whose operands are rounded to bfloat16 are faster than those of float32: AVX-512 BF16. */
bool multiplies_bfloat16();
/**
 * Whether the processor has tile registers (AMX) for these products, and WEFT_CPU_AMX is not `off`. ERR_ARGUMENT where
 * it is `on` and there are none, or the system does not let this process use them.
 */
bool has_tiles();
/** Whether these products are made in tile registers: there are some, and the system lets this process use them. */
bool multiplies_tiles();
/** Whether the processor sums products of bytes: AVX-512 VNNI. */
bool multiplies_bytes();
std::string name();
std::vector<std::string> features();

}  // namespace weft::cpu
