// Code is chosen as the driver does it: machine code of the GPU's generation and not newer than the GPU, else the
// newest PTX that is not newer.
#include "architectures.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

#ifndef WEFT_CUDA_ARCHITECTURES
#define WEFT_CUDA_ARCHITECTURES ""
#endif

namespace weft::cuda {

const char* architectures() {
#ifdef WEFT_EMULATED
  const char* given = std::getenv("WEFT_EMULATED_ARCHITECTURES");
  return given != nullptr ? given : "";
#else
  return WEFT_CUDA_ARCHITECTURES;
#endif
}

int code_for(int capability) {
#ifdef WEFT_EMULATED
  if (architectures()[0] == '\0') return capability;
#endif
  int machine = 0, ptx = 0;
  std::istringstream list(architectures());
  for (std::string entry; std::getline(list, entry, ' ');) {
    const int number = std::atoi(entry.c_str());
    if (number == 0 || number > capability) continue;
    const size_t digits = std::to_string(number).size();
    if (entry[digits] == 'a' && number != capability) continue;  // 90a: for exactly this GPU
    if (entry.find("-virtual") == std::string::npos && number / 10 == capability / 10) machine = std::max(machine, number);
    if (entry.find("-real") == std::string::npos) ptx = std::max(ptx, number);
  }
  return machine > 0 ? machine : ptx;
}

}  // namespace weft::cuda
