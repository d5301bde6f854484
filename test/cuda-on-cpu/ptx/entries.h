// The translated kernels of a program, by the readable name of the C++ kernel that they stand for.
#pragma once
#include <string>

namespace ptx {

/** Runs one thread; `parameters` are the addresses of the kernel's arguments. */
using Body = void (*)(const void* const* parameters);

/** Makes a translated kernel known. */
struct Entry {
  Entry(const char* name, Body body);
};

/** The translation of the kernel at an address of this program; throws when there is none. */
Body find(const void* kernel);

}  // namespace ptx
