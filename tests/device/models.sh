#!/usr/bin/env bash
# What models.py needs on a GPU machine: jinx-rt with its libraries, plans for CUDA, and the cases of the oracle.
#
#   tests/device/models.sh DIR [ID…]     needs `./dev build` and `./dev models`; without IDs, models whose plans are small
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${JINX_CACHE:-$HOME/.cache/jinx}
bin=${JINX_BIN:-$root/build/dev/bin}
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
ids=("$@")
if ((${#ids[@]} == 0)); then
  ids=(magika ocr4-det ocr4-rec ocr-cls centerface orient mtcnn-pnet mtcnn-rnet mtcnn-onet silero-seq silero-if dtln-1 dtln-2 basic-pitch
    deepcut attacut-c attacut-sc tashkeel-int8)
fi
mkdir -p "$out/lib" "$out/plans" "$out/oracle"
cp "$bin/jinx-rt" "$out/jinx-rt"
strip "$out/jinx-rt"
# Libraries that a GPU machine may lack; the C library is its own.
ldd "$bin/jinx-rt" | awk '$3 ~ /libprotobuf|libz\./ { print $3 }' | xargs -r cp -L -t "$out/lib"
cp "$root/tests/models/cases.json" "$out/"
for id in "${ids[@]}"; do
  mapfile -t dims < <(python3 -c '
import json, sys
for d in json.load(open(sys.argv[1]))["dims"].get(sys.argv[2], []): print("--dim", d, sep="\n")' "$out/cases.json" "$id")
  "$bin/jinx" compile "$cache/models/$id.onnx" "${dims[@]}" --target cuda:sm_90a -o "$out/plans/$id.jxp"
  cp -r "$cache/oracle/$id" "$out/oracle/"
done
du -sk "$out" | cut -f1
