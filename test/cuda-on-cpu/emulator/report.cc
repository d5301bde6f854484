// Where a mistake was made: source lines of kernels, and what the sanitizers are told of accesses.
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "sanitizer.h"
#include "scheduler.h"

namespace emulator {

std::string source_of(void* address) {
  Dl_info info{};
  if (!dladdr(address, &info) || !info.dli_fname) return "?";
  char text[64];
  // an executable at a fixed place is asked for the address itself, all else for the distance from where it was loaded
  const bool fixed = static_cast<const ElfW(Ehdr)*>(info.dli_fbase)->e_type == ET_EXEC;
  const uintptr_t place = reinterpret_cast<uintptr_t>(address) - (fixed ? 0 : reinterpret_cast<uintptr_t>(info.dli_fbase)) - 1;
  snprintf(text, sizeof text, "0x%zx", size_t(place));
  const std::string command = "addr2line -C -f -s -e '" + std::string(info.dli_fname) + "' " + text + " 2>/dev/null";
  std::string function, line;
  if (FILE* pipe = popen(command.c_str(), "r")) {
    char buffer[4096];
    if (fgets(buffer, sizeof buffer, pipe)) function = buffer;
    if (fgets(buffer, sizeof buffer, pipe)) line = buffer;
    pclose(pipe);
  }
  for (std::string* part : {&function, &line})
    while (!part->empty() && part->back() == '\n') part->pop_back();
  for (const char* noise : {"(anonymous namespace)::", "void ", "weft::cuda::"})
    for (size_t at; (at = function.find(noise)) != std::string::npos;) function.erase(at, strlen(noise));
  function = function.substr(0, function.find('('));
  if (line.empty() || line.starts_with("?")) return std::string(info.dli_fname) + "+" + text;
  return function + " (" + line.substr(0, line.find(' ')) + ")";
}

std::string where() {
  void* frames[24];
  const int count = backtrace(frames, 24);
  for (int i = 1; i < count; i++)
    if (const std::string source = source_of(frames[i]);
        source.find(".cu:") != std::string::npos || source.find(".cuh:") != std::string::npos)
      return source;
  return "(its frame is gone)";
}

void fault(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fprintf(stderr, "emulated CUDA: ");
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (current)
    fprintf(stderr, " in kernel %s [block %u,%u,%u, thread %u,%u,%u]", where().c_str(), blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
            threadIdx.y, threadIdx.z);
  fprintf(stderr, "\n");
  fail_here();
}

void check_poison(const void* p, size_t bytes, bool writes) {
  if (!__asan_region_is_poisoned) return;
  void* bad = __asan_region_is_poisoned(const_cast<void*>(p), bytes);
  if (bad && writes) __asan_report_store_n(bad, 1);
  if (bad && !writes) __asan_report_load_n(bad, 1);
}
void check_read(const void* p, size_t bytes, void* code) {
  check_poison(p, bytes, false);
  if (observer) observer->access(p, bytes, false, code);
}
void check_write(void* p, size_t bytes, void* code) {
  check_poison(p, bytes, true);
  if (observer) observer->access(p, bytes, true, code);
}

}  // namespace emulator
