#include "mpi/mpi.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace weft::mpi {
namespace {

/** The two binary interfaces. Integers of MPICH are those of its header since version 3; they are part of its ABI. */
Constants mpich() {
  return {.world = 0x44000000,
          .errors_return = 0x54000001,
          .byte = 0x4c00010d,
          .uint8 = 0x4c00013b,
          .uint16 = 0x4c00023c,
          .int32 = 0x4c000439,
          .int64 = 0x4c00083a,
          .float32 = 0x4c00040a,
          .float64 = 0x4c00080b,
          .sum = 0x58000003,
          .max = 0x58000001,
          .min = 0x58000002,
          .in_place = reinterpret_cast<void*>(-1),
          .status_ignore = reinterpret_cast<void*>(1)};
}

/**
 * Open MPI's own choice for sums begun with MPI_Iallreduce in place sends along a tree, one direction at a time, which
 * takes twice as long. Doubling and halving distances use both directions (4.1 and later know them; Thakur,
 * Rabenseifner and Gropp 2005). What the user has set stays.
 */
void choose_sum(const std::string& version) {
  int major = 0, minor = 0;
  if (sscanf(version.c_str(), "Open MPI v%d.%d", &major, &minor) != 2 || major * 100 + minor < 401) return;
  const char* const ranks = getenv("OMPI_COMM_WORLD_SIZE");
  setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", ranks != nullptr && atoi(ranks) == 2 ? "recursive_doubling" : "rabenseifner", 0);
}

Constants open_mpi(void* library) {
  const auto find = [&](const char* name) {
    void* const address = dlsym(library, name);
    require(address != nullptr, "ERR_DISTRIBUTED", "the MPI library lacks ", name);
    return Handle(reinterpret_cast<uintptr_t>(address));
  };
  return {.world = find("ompi_mpi_comm_world"),
          .errors_return = find("ompi_mpi_errors_return"),
          .byte = find("ompi_mpi_byte"),
          .uint8 = find("ompi_mpi_uint8_t"),
          .uint16 = find("ompi_mpi_uint16_t"),
          .int32 = find("ompi_mpi_int32_t"),
          .int64 = find("ompi_mpi_int64_t"),
          .float32 = find("ompi_mpi_float"),
          .float64 = find("ompi_mpi_double"),
          .sum = find("ompi_mpi_op_sum"),
          .max = find("ompi_mpi_op_max"),
          .min = find("ompi_mpi_op_min"),
          .in_place = reinterpret_cast<void*>(1),
          .status_ignore = nullptr};
}

/** The names of the libraries of the launcher's MPI. Another MPI than the launcher's makes each process rank 0 of 1. */
std::vector<std::string> usual_names() {
  if (getenv("OMPI_COMM_WORLD_SIZE") != nullptr) return {"libmpi.so.40", "libmpi.so.80"};
  if (getenv("PMI_SIZE") != nullptr) return {"libmpi.so.12", "libmpich.so.12"};
  return {"libmpi.so.40", "libmpi.so.12", "libmpich.so.12", "libmpi.so"};
}

}  // namespace

Library open(const std::string& path) {
  const std::vector<std::string> names = path.empty() ? usual_names() : std::vector{path};
  // UCX, below MPICH, would print a trace of its own at each signal that JavaScript handles, and would rewrite the code
  // of malloc, mmap and brk while other threads run it
  for (const auto& [name, value] :
       {std::pair("UCX_ERROR_SIGNALS", ""), std::pair("UCX_MEM_EVENTS", "n"), std::pair("UCX_MEM_MALLOC_HOOKS", "n"),
        std::pair("UCX_MEM_MALLOC_RELOC", "n"), std::pair("UCX_MEM_MMAP_HOOK_MODE", "none")})
    setenv(name, value, 0);
  void* handle = nullptr;
  std::string problem;
  Library library;
  for (const std::string& name : names) {
    handle = dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL);  // its plugins look for its symbols
    if (handle != nullptr) {
      library.path = name;
      break;
    }
    problem += (problem.empty() ? "" : "; ") + std::string(dlerror());
  }
  require(handle != nullptr, "ERR_DISTRIBUTED", "the MPI library was not found (", problem,
          "). Install the one of the launcher: apt-get install openmpi-bin, or mpich; or set WEFT_MPI_LIBRARY to its path");
  library.open_mpi = dlsym(handle, "ompi_mpi_comm_world") != nullptr;
  library.the = library.open_mpi ? open_mpi(handle) : mpich();
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    require(function != nullptr, "ERR_DISTRIBUTED", library.path, " lacks ", name, ": it is no MPI library of version 3");
  };
  Functions& call = library.call;
#define FIND(name) find(call.name, "MPI_" #name)
  FIND(Init_thread), FIND(Initialized), FIND(Finalize), FIND(Comm_dup), FIND(Comm_set_errhandler), FIND(Comm_rank), FIND(Comm_size);
  FIND(Get_library_version), FIND(Error_string), FIND(Op_create), FIND(Bcast), FIND(Allgather), FIND(Iallreduce), FIND(Ibcast);
  FIND(Iallgather), FIND(Ireduce_scatter_block), FIND(Ialltoall), FIND(Isend), FIND(Irecv), FIND(Test);
#undef FIND
  std::vector<char> text(8192);
  int length = 0;
  call.Get_library_version(text.data(), &length);
  library.version = std::string(text.data(), strnlen(text.data(), text.size()));
  std::replace(library.version.begin(), library.version.end(), '\t', ' ');
  library.version = library.version.substr(0, library.version.find_first_of(",\n"));
  if (library.open_mpi) choose_sum(library.version);
  return library;
}

}  // namespace weft::mpi
