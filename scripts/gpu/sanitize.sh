#!/usr/bin/env bash
# The sanitize step of scripts/gpu.sh: test files whose path contains one of the arguments, under each tool of
# compute-sanitizer, four at a time.
set -uo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export scratch limit=300 # seconds for one file under one tool

# Leaves nothing where the file is clean, else its end and the reason, under the file's name.
check() {
  local tool=$1 file=$2 log=$scratch/$1.${2//\//_} status
  timeout -k 10 "$limit" compute-sanitizer --tool "$tool" --error-exitcode 99 --print-limit 5 node --expose-gc "dist/test/$file.js" > "$log" 2>&1
  status=$?
  case $status in
    0) rm "$log"; return ;;
    99) echo "found something" >> "$log" ;;
    124 | 137) echo "not done after $limit s" >> "$log" ;;
    *) echo "exit code $status" >> "$log" ;;
  esac
}
export -f check

mapfile -t files < <(cd test && for part; do find . -path "*$part*" -name '*.test.ts'; done | sed 's/^\.\///; s/\.ts$//' | sort -u)
[ ${#files[@]} -gt 0 ] || { echo "no test file matches $*"; exit 1; }
failed=0
for tool in memcheck racecheck synccheck; do
  printf '%s\n' "${files[@]}" | xargs -P 4 -I FILE bash -c 'check "$@"' _ "$tool" FILE
  broken=$(find "$scratch" -name "$tool.*" | sort)
  for log in $broken; do
    printf -- '-- %s\n' "${log##*/}"
    tail -n 40 "$log"
  done
  count=$(wc -w <<< "$broken")
  echo "sanitizer: $tool: $((${#files[@]} - count)) of ${#files[@]} files clean$(for log in $broken; do printf '; %s: %s' "${log##*/}" "$(tail -n 1 "$log")"; done)"
  [ "$count" -eq 0 ] || failed=1
done
exit $failed
