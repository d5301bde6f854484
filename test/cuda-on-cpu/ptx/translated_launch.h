// Put before a kernel file by -include: its launches start the translated kernels. The file's own kernels only tell
// which ones are meant.
#pragma once
#include <cuda_runtime.h>

#include <functional>

#include "entries.h"

namespace emulator {
/** cuda/launch.h is read with `launch` renamed to this. */
template <class... Arguments> auto cpp_launch(Arguments&&... arguments) { return launch(std::forward<Arguments>(arguments)...); }
}  // namespace emulator

#define launch cpp_launch
#include "../../../cuda/launch.h"
#undef launch

namespace weft::cuda {

template <class... P> void launch(const Frame& frame, const Shape& shape, void (*kernel)(P...), std::type_identity_t<P>... arguments) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  const ptx::Body body = ptx::find(reinterpret_cast<const void*>(kernel));
  check(emulator::launch(stream_of(frame), shape.grid, shape.block, shape.shared, shape.cluster, shape.resident,
                         [=] {
                           const void* parameters[] = {static_cast<const void*>(&arguments)..., nullptr};
                           body(parameters);
                         }),
        "launch");
}

}  // namespace weft::cuda
