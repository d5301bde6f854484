#!/usr/bin/env bash
# Formatters and linters. `lint.sh` looks at the C++ that differs from the main branch; `--all`, as CI runs it, at all
# of it; `--write` formats in place. biome.json holds the rules of the house for TypeScript: import direction, cycles,
# length of files.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in clang-format clang-tidy; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install clang-format clang-tidy" >&2; exit 1; }
done

# C++ files longer than 320 lines, each with the reason why
long_files='
'

is_cpp='\.(h|cc|cuh|cu)$'
existing() { while read -r file; do [ -f "$file" ] && echo "$file"; done; true; }
all_cpp() { git ls-files -co --exclude-standard native cuda test/cuda-on-cpu bench | grep -E "$is_cpp" | existing; }
# What differs from the main branch, in commits and in the working tree. Without a main branch to compare with:
# everything.
changed_cpp() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null) || { all_cpp; return; }
  { git diff --name-only "$base" -- native cuda test/cuda-on-cpu bench; git ls-files -o --exclude-standard native cuda test/cuda-on-cpu bench; } |
    sort -u | { grep -E "$is_cpp" || true; } | existing
}
# A changed header is looked at through the sources that include it by name.
sources_of() {
  local file
  while read -r file; do
    case "$file" in
      *.cc) echo "$file" ;;
      *.h) grep -rlE --include='*.cc' "#include \"(.*/)?$(basename "$file")\"" native cuda || true ;;
    esac
  done | sort -u | { grep -E '^(native|cuda|bench)/.*\.cc$' || true; }
}

if [ "${1:-}" = --all ]; then mapfile -t cpp < <(all_cpp); else mapfile -t cpp < <(changed_cpp); fi
mapfile -t sources < <(printf '%s\n' "${cpp[@]}" | sources_of)

if [ "${1:-}" = --write ]; then
  git ls-files -co --exclude-standard lib native cuda test bench scripts examples .ci CMakeLists.txt |
    grep -E '\.(ts|mjs|cjs|cc|h|cu|cuh|sh|py)$|(^|/)(run|CMakeLists\.txt)$' | existing | xargs node scripts/comments.mjs
  status=0
  npx --no-install biome check --write || status=1  # what it cannot mend does not keep C++ from being laid out
  [ ${#cpp[@]} = 0 ] || clang-format -i "${cpp[@]}"
  exit "$status"
fi

status=0
npx --no-install biome check --error-on-warnings --max-diagnostics=50 || status=1
while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 320 ] || grep -q "^$file " <<<"$long_files" ||
    { echo "$file has $lines lines, and 320 are the most: part it by idea, or give the reason in scripts/lint.sh"; status=1; }
done < <(all_cpp | grep -E "^(native|cuda)/" | xargs wc -l)
[ ${#cpp[@]} = 0 ] || clang-format --dry-run --Werror --ferror-limit=20 "${cpp[@]}" || status=1
[ ${#sources[@]} = 0 ] && exit "$status"
# kernels as the highest instruction set compiles them: that is where the intrinsics are
# host code of the CUDA device against the twin of its runtime, which is there on every machine
flags=(-std=c++20 -Inative -Icuda -Itest/cuda-on-cpu/emulator -DWEFT_EMULATED -DNAPI_VERSION=8 -DNAPI_CPP_EXCEPTIONS -DNODE_ADDON_API_DISABLE_DEPRECATED
  -isystem node_modules/node-api-headers/include -isystem node_modules/node-addon-api)
if [ "$(uname -m)" = x86_64 ]; then flags+=(-DWEFT_LEVEL=2 -march=skylake-avx512); fi
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 bash -c 'clang-tidy --quiet "${@:2}" -- $1 2> >(grep -v "warnings generated" >&2)' _ "${flags[*]}" || status=1
exit "$status"
