// Finds the translation of a kernel: by the name that the program's own symbol table has for the kernel's address.
// WEFT_PTX_LIST names a file that takes the names of kernels that have none, and these kernels then do nothing: so it
// is found which are needed.
#include "entries.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <vector>

namespace ptx {
namespace {

std::map<std::string, Body>& entries() {
  static std::map<std::string, Body> all;
  return all;
}

std::string readable(const char* symbol) {
  int status = 0;
  char* name = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  const std::string text = status == 0 ? name : symbol;
  std::free(name);
  return text;
}

/** Kernels have internal linkage, so the dynamic symbol table does not name them; the file's full one does. */
std::map<uint64_t, std::string> functions_of_this_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(bytes.data() + header->e_shoff);
  std::map<uint64_t, std::string> functions;
  for (int i = 0; i < header->e_shnum; i++) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(bytes.data() + sections[i].sh_offset);
    const char* names = bytes.data() + sections[sections[i].sh_link].sh_offset;
    for (size_t k = 0; k < sections[i].sh_size / sizeof(Elf64_Sym); k++)
      if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC && symbols[k].st_value != 0)
        functions[symbols[k].st_value] = names + symbols[k].st_name;
  }
  return functions;
}

uint64_t load_address() {
  uint64_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* result) {
        *static_cast<uint64_t*>(result) = object->dlpi_addr;
        return 1;  // the first object is the program
      },
      &address);
  return address;
}

}  // namespace

Entry::Entry(const char* name, Body body) { entries()[name] = body; }

Body find(const void* kernel) {
  static const std::map<uint64_t, std::string> functions = functions_of_this_program();
  static const uint64_t base = load_address();
  static std::map<const void*, Body> found;
  Body& body = found[kernel];
  if (body) return body;
  const auto function = functions.find(reinterpret_cast<uint64_t>(kernel) - base);
  const std::string name = function == functions.end() ? "?" : readable(function->second.c_str());
  const auto entry = entries().find(name);
  if (const char* list = std::getenv("WEFT_PTX_LIST"); list != nullptr && entry == entries().end()) {
    std::ofstream(list, std::ios::app) << name << "\n";
    return body = [](const void* const*) {};
  }
  if (entry == entries().end()) throw std::runtime_error("no PTX of kernel " + name);
  return body = entry->second;
}

}  // namespace ptx
