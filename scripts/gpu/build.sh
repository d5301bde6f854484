#!/usr/bin/env bash
# The build step of scripts/gpu.sh: the addon and the CUDA library by CMake, without npm; nothing where binaries that
# load were brought along.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -x node_modules/.bin/tsc ]; then node_modules/.bin/tsc; fi
[ -f dist/lib/index.js ] || { echo "there is no dist/: bring it along with scripts/gpu/pack.sh" >&2; exit 1; }

library=${WEFT_CUDA_LIBRARY:-build/Release/libweft_cuda.so}
# why the CUDA library cannot be used; nothing where it can
problem() {
  WEFT_CUDA_LIBRARY=$library WEFT_REQUIRE_CUDA='' node -e "
    import('./dist/lib/core/device.js').then(({ cuda }) => console.log(cuda().problem ?? '')).catch((error) => console.log(error.message))"
}
if [ -f build/Release/weft.node ] && [ -f "$library" ] && [ ! -f build/CMakeCache.txt ]; then
  reason=$(problem)
  if [ -z "$reason" ]; then
    echo "binaries that were brought along: they load, and can use the device"
    exit
  fi
  echo "binaries that were brought along cannot be used: $reason"
fi

cuda=ON
target=all
if [ -n "${WEFT_CUDA_LIBRARY:-}" ]; then
  [ -f build/Release/weft.node ] && { echo "$WEFT_CUDA_LIBRARY, and the addon as it is"; exit; }
  cuda=OFF target=weft
fi
generator=()
if [ ! -f build/CMakeCache.txt ] && command -v ninja > /dev/null; then generator=(-G Ninja); fi
cmake -S . -B build "${generator[@]}" -DWEFT_CUDA=$cuda  # CMakeLists.txt says how
cmake --build build --target $target -j "$(nproc)"
reason=$(problem)
if [ -n "$reason" ]; then echo "built, but the device cannot be used: $reason"; exit 1; fi
echo "built for ${WEFT_CUDA_ARCHITECTURES:-the GPU of this machine}"
