#!/usr/bin/env bash
# Everything that needs a GPU, on a machine without network: builds (or unpacks what scripts/gpu/pack.sh brought along),
# runs the tests on the real device, the same under compute-sanitizer, and the benches beside PyTorch. A step that fails
# or runs out of time does not stop the later ones. Logs go to $OUT (default build/gpu-logs), figures also to
# bench/results/<gpu>/. The last thing printed is a table.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

usage='Usage: bash scripts/gpu.sh [options]
  --steps LIST     of build, doctor, rows, sanitize, bench (default: all)
  --rows-only      the same as --steps build,doctor,rows
  --rows LIST      parts of the paths of the test files to run (default: ops/,core/,layers/,model/,io/,data/)
  --sanitize LIST  the same for compute-sanitizer (default: some of each kind of kernel)
  --bench TEXT     only bench rows whose group or name contains this
  --quick          fewer and shorter rounds in the benches
  --tiny           benches at the sizes of an emulated device
  --without-peer   benches without PyTorch
  --seconds N      stop everything after N seconds; what is left out is said
Environment: OUT, PYTHON (with PyTorch; default python3), WEFT_CUDA_ARCHITECTURES, WEFT_CUDA_LIBRARY (tests that library instead of building one)'

steps=build,doctor,rows,sanitize,bench
rows=ops/,core/,layers/,model/,io/,data/
sanitized=ops/matmul,ops/conv,ops/pool,ops/reduce,ops/softmax,ops/cross_entropy,ops/batch_norm,ops/layer_norm,ops/gather,ops/sort,ops/random,ops/optimizers,ops/recurrent_ways,ops/attention,ops/rms_norm,ops/rotary,ops/update_slice
seconds=86400
bench=()
while [ $# -gt 0 ]; do
  case $1 in
    --steps) steps=$2; shift ;;
    --rows-only) steps=build,doctor,rows ;;
    --rows) rows=$2; shift ;;
    --sanitize) sanitized=$2; shift ;;
    --bench) bench+=(--only "$2"); shift ;;
    --quick | --tiny | --without-peer) bench+=("$1") ;;
    --seconds) seconds=$2; shift ;;
    --help) echo "$usage"; exit ;;
    *) echo "unknown: $1"; echo "$usage"; exit 2 ;;
  esac
  shift
done

out=${OUT:-build/gpu-logs}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
rm -f "$out"/{build,doctor,rows,sanitize,bench}.log "$out"/{bandwidth,bench}.json "$out/summary.txt"
[ -d /usr/local/cuda/bin ] && PATH=$PATH:/usr/local/cuda/bin
export PATH NO_COLOR=1 PYTHONUNBUFFERED=1
start=$SECONDS
names=() verdicts=() times=()

wanted() { [[ ,$steps, == *,$1,* ]]; }
# step NAME LIMIT COMMAND...: runs it with its output in NAME.log, at most LIMIT seconds and what is left of all.
step() {
  local name=$1 limit=$2 left=$((seconds - SECONDS + start)) begin=$SECONDS status verdict
  shift 2
  [ "$limit" -lt "$left" ] || limit=$left
  printf '\n== %s\n' "$name"
  if [ "$limit" -le 0 ]; then
    verdict='left out: the time is up'
  else
    timeout -k 10 "$limit" "$@" > "$out/$name.log" 2>&1 < /dev/null
    status=$?
    case $status in
      0) verdict=ok ;;
      124 | 137) verdict="FAILED: not done after $limit s" ;;
      *) verdict="FAILED: exit code $status" ;;
    esac
    [ "$status" = 0 ] && tail -n 3 "$out/$name.log" || tail -n 30 "$out/$name.log"
  fi
  names+=("$name") verdicts+=("$verdict") times+=($((SECONDS - begin)))
  echo "$name: $verdict ($((SECONDS - begin)) s)"
  [ "$verdict" = ok ]
}
skip() {
  names+=("$1") verdicts+=("skipped: $2") times+=(0)
  printf '\n== %s\nskipped: %s\n' "$1" "$2"
}

source scripts/gpu/unpack.sh
command -v node > /dev/null || { echo "there is no node here: run scripts/gpu/pack.sh where there is one, and bring .carry/ along" >&2; exit 1; }
export WEFT_COMMIT
WEFT_COMMIT=$(git rev-parse --short=12 HEAD 2> /dev/null || cat .carry/COMMIT 2> /dev/null || echo unknown)
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -n 1)
gpu=${gpu:-no GPU}
echo "commit $WEFT_COMMIT, node $(node --version), $gpu, $(nproc) cores"

if wanted build; then step build 900 bash scripts/gpu/build.sh; fi

export WEFT_DEVICE=cuda WEFT_REQUIRE_CUDA=1
if wanted doctor; then step doctor 120 node dist/lib/cli/weftjs.js doctor; fi
emulated=$(node -e "import('./dist/lib/index.js').then(({ devices }) => console.log(devices().some((info) => info.emulated)))" 2> /dev/null)

if wanted rows; then step rows 3600 node test/run.mjs ${rows//,/ }; fi

if wanted sanitize; then
  if [ "$emulated" = true ]; then skip sanitize 'the device is emulated (npm test has sanitizers of its own)'
  elif ! command -v compute-sanitizer > /dev/null; then skip sanitize 'there is no compute-sanitizer'
  else step sanitize 3600 bash scripts/gpu/sanitize.sh ${sanitized//,/ }; fi
fi

if wanted bench; then
  # reads and copies of plain loops: what the goals of memory-bound kernels are shares of
  if [ "$emulated" != true ] && command -v nvcc > /dev/null &&
    nvcc -O3 -std=c++17 -arch=native -o build/bandwidth bench/gpu/bandwidth.cu > /dev/null 2>&1 && build/bandwidth > "$out/bandwidth.json" 2> /dev/null; then
    bench+=(--bandwidth "$out/bandwidth.json")
  fi
  [[ " ${bench[*]} " == *' --without-peer '* ]] || "${PYTHON:-python3}" -c 'import torch, numpy' 2> /dev/null ||
    { echo "${PYTHON:-python3} has no PyTorch: benches without it"; bench+=(--without-peer); }
  left=$((seconds - SECONDS + start))
  step bench 7200 node bench/gpu/run.mjs --json "$out/bench.json" --seconds $((left > 60 ? left - 30 : left)) "${bench[@]}"
  if [ -f "$out/bench.json" ] && [ "$emulated" != true ]; then
    folder=bench/results/$(tr '[:upper:]' '[:lower:]' <<< "${gpu#NVIDIA }" | tr -cs 'a-z0-9\n' '-' | sed 's/-$//')
    mkdir -p "$folder" && cp "$out/bench.json" "$folder/$(date -u +%Y-%m-%dT%H%M).json" && echo "kept in $folder"
  fi
fi

{
  printf '\n== summary: %s, commit %s\n' "$gpu" "$WEFT_COMMIT"
  for i in "${!names[@]}"; do printf '  %-10s %-40s %6s s\n' "${names[i]}" "${verdicts[i]}" "${times[i]}"; done
  grep -hE '^[0-9]+ passed, ' "$out/rows.log" 2> /dev/null | tail -n 1 | sed 's/^/  rows: /'
  grep -hE '^FAIL ' "$out/rows.log" 2> /dev/null | sed 's/^/  /'
  wanted sanitize && grep -h '^sanitizer: ' "$out/sanitize.log" 2> /dev/null | sed 's/^/  /'
  wanted bench && sed -n '/^Goals$/,$p' "$out/bench.log" 2> /dev/null
} | tee "$out/summary.txt"
[[ " ${verdicts[*]} " != *FAILED* ]]
