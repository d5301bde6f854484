// The compiler's functions say what the processor can do. The system says the processor's name.
#include "features.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "setting.h"

#ifndef WEFT_BUILT_LEVELS
#define WEFT_BUILT_LEVELS 1
#endif

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

bool built(int level) { return (WEFT_BUILT_LEVELS >> level & 1) != 0; }

#if defined(__x86_64__)
/** Whether the processor has tile registers and multiplies bfloat16 in them, and Linux can save them. */
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, features = 0;
  constexpr unsigned bfloat16_bit = 1u << 22, tile_bit = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &features) || (features & bfloat16_bit) == 0 || (features & tile_bit) == 0) return false;
  constexpr long get_supported = 0x1021;  // ARCH_GET_XCOMP_SUPP
  constexpr uint64_t tile_data = uint64_t(1) << 18;
  uint64_t supported = 0;
  return syscall(SYS_arch_prctl, get_supported, &supported) == 0 && (supported & tile_data) != 0;
}

/** Linux gives the tile registers to a process that asks for them. The error's number, 0 where it did. */
int ask_for_tiles() {
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const int error = syscall(SYS_arch_prctl, request_permission, tile_data) == 0 ? 0 : errno;
  return error;
}
#endif

std::string list_of_built() {
  std::string list;
  for (const std::string& name : built_levels()) list += (list.empty() ? "" : ", ") + name;
  return list;
}

int wanted_level() {
  const int best = best_level();
  if (const char* text = setting("WEFT_CPU_LEVEL", {"portable", "avx2", "avx512"})) {
    const int wanted = int(std::find(std::begin(level_names), std::end(level_names), std::string_view(text)) - std::begin(level_names));
    require(wanted <= best, "ERR_ARGUMENT", "WEFT_CPU_LEVEL=", text, ": the best that this processor can do is ", level_names[best]);
    require(built(wanted), "ERR_ARGUMENT", "WEFT_CPU_LEVEL=", text, ": this addon has kernels for ", list_of_built(),
            " only. Build it with: npx weftjs build --levels ", text);
    return wanted;
  }
  for (int level = best; level >= 0; level--)
    if (built(level)) return level;
  throw Error("ERR_NO_DEVICE", "this addon has kernels for " + list_of_built() + " only, and the best that this processor can do is " +
                                   level_names[best] + ". Build it here: npx weftjs build");
}

}  // namespace

int level() {
  static const int value = wanted_level();
  return value;
}

const char* level_name() { return level_names[level()]; }

std::vector<std::string> built_levels() {
  std::vector<std::string> list;
  for (int level = 0; level < int(std::size(level_names)); level++)
    if (built(level)) list.emplace_back(level_names[level]);
  return list;
}

bool multiplies_bfloat16() {
#if defined(__x86_64__)
  static const bool value = level() == 2 && __builtin_cpu_supports("avx512bf16") != 0;
  return value;
#else
  return false;
#endif
}

bool has_tiles() {
#if defined(__x86_64__)
  static const bool value = [] {
    const char* const text = setting("WEFT_CPU_AMX", {"on", "off"});
    if (text != nullptr && std::string_view(text) == "off") return false;
    const bool able = multiplies_bfloat16() && has_amx();
    if (text == nullptr) return able;
    require(able, "ERR_ARGUMENT",
            "WEFT_CPU_AMX=on: this needs AVX-512 kernels, a processor with AMX for bfloat16, and Linux 5.16 or later");
    require(ask_for_tiles() == 0, "ERR_ARGUMENT",
            "WEFT_CPU_AMX=on: Linux does not let this process use AMX (arch_prctl: ", std::strerror(ask_for_tiles()),
            "). A sandbox may forbid it: allow that call there, or leave WEFT_CPU_AMX out");
    return true;
  }();
  return value;
#else
  const char* const text = setting("WEFT_CPU_AMX", {"on", "off"});
  require(text == nullptr || std::string_view(text) == "off", "ERR_ARGUMENT", "WEFT_CPU_AMX=on: this processor has no AMX");
  return false;
#endif
}

bool multiplies_tiles() {
#if defined(__x86_64__)
  static const bool value = has_tiles() && ask_for_tiles() == 0;
  return value;
#else
  return false;
#endif
}

bool multiplies_bytes() {
#if defined(__x86_64__)
  static const bool value = level() == 2 && __builtin_cpu_supports("avx512vnni") != 0;
  return value;
#else
  return false;
#endif
}

std::string name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
#if defined(__aarch64__)
  return "64-bit ARM CPU";  // Linux names no models of these
#else
  return "CPU";
#endif
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
  if (has_amx()) list.emplace_back("amx-bf16");
#elif defined(__aarch64__)
  list.emplace_back("neon");
#endif
  return list;
}

}  // namespace weft::cpu
