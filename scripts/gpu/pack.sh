#!/usr/bin/env bash
# Packs into .carry/ what scripts/gpu.sh needs on a GPU machine that has neither Node nor a network: the node binary,
# the modules that run time and tests use, the compiled TypeScript, and the binaries that are built here already. Copy
# the repository with .carry/ there.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage="Usage: bash scripts/gpu/pack.sh [--without-binaries]"
binaries=yes
for argument; do
  case $argument in
    --without-binaries) binaries=no ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
done

mkdir -p .carry
node=$(node -p process.execPath)
version=$(node --version)-$(node -p 'process.platform + "-" + process.arch')
# packing node takes a minute: once per version
if [ ! -f .carry/node.xz ] || [ "$(cat .carry/node.version 2>/dev/null)" != "$version" ]; then
  rm -f .carry/node.version
  xz -T0 -6 --stdout "$node" > .carry/node.xz
  echo "$version" > .carry/node.version
fi

npx --no-install tsc
tar -cJf .carry/dist.tar.xz dist

# run time, tests, and the headers the addon is compiled with
modules=(node-gyp-build node-addon-api node-api-headers csv-parse uvu dequal diff kleur sade mri)
paths=()
for module in "${modules[@]}"; do paths+=("node_modules/$module"); done
tar -cJf .carry/node_modules.tar.xz --exclude=node_modules/csv-parse/dist "${paths[@]}"

rm -f .carry/binaries.tar.xz
found=()
for file in build/Release/weft.node build/Release/libweft_cuda.so; do [ -f "$file" ] && found+=("$file"); done
if [ "$binaries" = yes ] && [ ${#found[@]} -gt 0 ]; then tar -cJf .carry/binaries.tar.xz "${found[@]}"; fi

commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit with changes"
echo "$commit" > .carry/COMMIT
echo "commit $commit, node $version, binaries: ${found[*]:-none}$([ "$binaries" = yes ] || echo ' (left out)')"
du -ch .carry/* | sort -h
