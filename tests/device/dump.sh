#!/usr/bin/env bash
# Kernels for gpu_check.py: those of the unit tests, and launches of named models with their operands, as the emulator ran them.
#
#   tests/device/dump.sh DIR [ID/CASE…]     needs `./dev build` and `./dev models`; a few minutes, some 20 MB
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${JINX_CACHE:-$HOME/.cache/jinx}
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cases=("$@")
if ((${#cases[@]} == 0)); then cases=(magika/time minilm-l3/s7 ocr4-rec/w96 attacut-sc/time); fi
jinx=$root/build/dev/bin/jinx

JINX_DUMP_CUDA=$out "$root"/build/dev/tests/unit/cuda/jinx_unit_cuda --gtest_filter='*Text*:*ThroughTheGate' >/dev/null
for case in "${cases[@]}"; do
  model=${case%%/*} folder=$cache/oracle/$case
  inputs=()
  while IFS=$'\t' read -r name file; do inputs+=(--input "$name=$folder/inputs/$file"); done < <(
    "$cache/python/bin/python" -c '
import json, sys
for name, x in json.load(open(sys.argv[1] + "/case.json"))["inputs"].items(): print(name, x["file"], sep="\t")' "$folder"
  )
  "$jinx" compile "$cache/models/$model.onnx" --target cuda:sm_90a -o "$out/$model.jxp"
  "$jinx" run "$out/$model.jxp" --device emulated "${inputs[@]}" --record-launches "$out/$model" >/dev/null
  rm "$out/$model.jxp"
  echo "$case: $(find "$out/$model" -name '*.cu' | wc -l) kernels, $(du -sk "$out/$model" | cut -f1) kB"
done
