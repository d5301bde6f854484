# CMake toolchain: builds for linux-arm64 on another machine with Debian's g++-aarch64-linux-gnu.
#   cmake -S . -B build/linux-arm64 -DCMAKE_TOOLCHAIN_FILE=scripts/linux-arm64.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
