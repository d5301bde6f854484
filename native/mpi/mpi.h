// The part of MPI that the engine uses, opened at run time. Open MPI and the family of MPICH (Intel MPI, Cray MPI,
// MVAPICH) have the same functions but two binary interfaces: handles are pointers in the one and 32-bit integers in
// the other. A register holds both, and so does a zeroed 64-bit word in memory on a little-endian machine, so one table
// of functions serves both. Nothing of an MPI is needed to build this file.
#pragma once
#include <cstdint>
#include <string>

#include "dtype.h"

namespace weft::mpi {

/** A communicator, datatype, operation or request: a pointer or a 32-bit integer. */
using Handle = uint64_t;

struct Functions {
  int (*Init_thread)(int*, char***, int, int*);
  int (*Initialized)(int*);
  int (*Finalize)();
  int (*Comm_dup)(Handle, Handle*);
  int (*Comm_set_errhandler)(Handle, Handle);
  int (*Comm_rank)(Handle, int*);
  int (*Comm_size)(Handle, int*);
  int (*Get_library_version)(char*, int*);
  int (*Error_string)(int, char*, int*);
  int (*Op_create)(void (*)(void*, void*, int*, Handle*), int, Handle*);
  int (*Bcast)(void*, int, Handle, int, Handle);
  int (*Allgather)(const void*, int, Handle, void*, int, Handle, Handle);
  int (*Iallreduce)(const void*, void*, int, Handle, Handle, Handle, Handle*);
  int (*Ibcast)(void*, int, Handle, int, Handle, Handle*);
  int (*Iallgather)(const void*, int, Handle, void*, int, Handle, Handle, Handle*);
  int (*Ireduce_scatter_block)(const void*, void*, int, Handle, Handle, Handle, Handle*);
  int (*Ialltoall)(const void*, int, Handle, void*, int, Handle, Handle, Handle*);
  int (*Isend)(const void*, int, Handle, int, int, Handle, Handle*);
  int (*Irecv)(void*, int, Handle, int, int, Handle, Handle*);
  int (*Test)(Handle*, int*, void*);
};

/** The constants of a binary interface. */
struct Constants {
  Handle world, errors_return;
  Handle byte, uint8, uint16, int32, int64, float32, float64;
  Handle sum, max, min;
  void* in_place;
  void* status_ignore;
};

struct Library {
  Functions call;
  Constants the;
  std::string path, version;
  bool open_mpi = false;
};

/** MPI's `MPI_THREAD_SERIALIZED`, which is 2 in both interfaces. */
constexpr int thread_serialized = 2;

/**
 * Opens the MPI library at `path`, or the first one found of those that the launcher's MPI uses. ERR_DISTRIBUTED, with
 * what to install, where there is none.
 */
Library open(const std::string& path);

}  // namespace weft::mpi
