// What the processor can do, and which level of kernels that allows.
#pragma once
#include <string>
#include <vector>

namespace weft::cpu {

/** 0 portable, 1 AVX2 with FMA, 2 AVX-512 (F, BW, CD, DQ, VL). WEFT_CPU_LEVEL=portable|avx2|avx512 lowers it. */
int level();
const char* level_name();
std::string name();
std::vector<std::string> features();

}  // namespace weft::cpu
