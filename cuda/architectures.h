// Which of the library's code a GPU runs.
#pragma once

namespace weft::cuda {

/** The architectures that the library was built for, as CMake lists them, with spaces between them. */
const char* architectures();

/**
 * What a kernel may use (clusters, kinds of tensor-core products) follows from this and not from what the GPU can do;
 * what pays follows from the GPU. Kernels of *_sm90.cu are always compiled for sm_90a, so they are chosen by the GPU
 * alone.
 *
 * The architecture that the code for a GPU of this compute capability was compiled for: 90 for sm_90. It is the GPU's
 * own, an older one of its generation, or, where there is none of these, that of PTX that the driver compiles. 0: the
 * library has no code for the GPU.
 */
int code_for(int capability);

}  // namespace weft::cuda
