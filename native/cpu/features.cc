// Reads cpuid through the compiler, and the processor's name from the system.
#include "features.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace weft::cpu {
namespace {

constexpr const char* level_names[] = {"portable", "avx2", "avx512"};

int best_level() {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? 2 : avx2 ? 1 : 0;
#else
  return 0;
#endif
}

int wanted_level() {
  const int best = best_level();
  if (const char* text = std::getenv("WEFT_CPU_LEVEL"))
    for (int i = 0; i < 3; i++)
      if (std::string(text) == level_names[i]) return std::min(i, best);
  return best;
}

}  // namespace

int level() {
  static const int value = wanted_level();
  return value;
}

const char* level_name() { return level_names[level()]; }

std::string name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "CPU";
}

std::vector<std::string> features() {
  std::vector<std::string> list;
#if defined(__x86_64__)
#define WEFT_FEATURE(feature) \
  if (__builtin_cpu_supports(feature)) list.emplace_back(feature);
  WEFT_FEATURE("sse4.2")
  WEFT_FEATURE("avx")
  WEFT_FEATURE("avx2")
  WEFT_FEATURE("fma")
  WEFT_FEATURE("avx512f")
  WEFT_FEATURE("avx512bw")
  WEFT_FEATURE("avx512vl")
  WEFT_FEATURE("avx512dq")
  WEFT_FEATURE("avx512vnni")
  WEFT_FEATURE("avx512bf16")
#undef WEFT_FEATURE
#endif
  return list;
}

}  // namespace weft::cpu
