// Products of operands rounded to bfloat16 in the tile registers of AMX, for processors that have them.
#pragma once
#include "bfloat16_products.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Binds them. Sums are in float32: of 32 products each, which are added up in turn. Their order depends on k alone: a
 * row's bits depend neither on the other rows nor on the threads. Only where multiplies_tiles() holds.
 */
Step bind_tiles(Call& call, RoundedProducts products);

}  // namespace weft::cpu::WEFT_ISA
