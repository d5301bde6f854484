#!/usr/bin/env bash
# Formatters and linters. `lint.sh` checks (what CI runs); `lint.sh --write` formats in place.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t cpp < <(git ls-files -co --exclude-standard native cuda test/cuda-on-cpu bench | grep -E '\.(h|cc|cuh|cu)$' | while read -r file; do [ -f "$file" ] && echo "$file"; done)
mapfile -t sources < <(printf '%s\n' "${cpp[@]}" | grep -E '^(native|cuda|bench)/.*\.cc$')

for tool in clang-format clang-tidy; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install clang-format clang-tidy" >&2; exit 1; }
done

if [ "${1:-}" = --write ]; then
  npx --no-install biome check --write
  clang-format -i "${cpp[@]}"
  exit
fi

status=0
npx --no-install biome check --error-on-warnings --max-diagnostics=50 || status=1
clang-format --dry-run --Werror --ferror-limit=20 "${cpp[@]}" || status=1
# kernels as the highest instruction set compiles them: that is where the intrinsics are
# host code of the CUDA device against the twin of its runtime, which is there on every machine
flags=(-std=c++20 -Inative -Icuda -Itest/cuda-on-cpu/emulator -DWEFT_EMULATED -DNAPI_VERSION=8 -DNAPI_CPP_EXCEPTIONS -DNODE_ADDON_API_DISABLE_DEPRECATED
  -isystem node_modules/node-api-headers/include -isystem node_modules/node-addon-api)
if [ "$(uname -m)" = x86_64 ]; then flags+=(-DWEFT_LEVEL=2 -march=skylake-avx512); fi
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 bash -c 'clang-tidy --quiet "${@:2}" -- $1 2> >(grep -v "warnings generated" >&2)' _ "${flags[*]}" || status=1
exit "$status"
