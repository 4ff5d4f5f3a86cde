#!/bin/sh
# Do at least MINIMUM of the ONNX node tests pass, and does none crash?  node_tests.sh JINX FOLDER MINIMUM
log=$(mktemp)
"$1" verify-onnx "$2"/*/ -j 2 >"$log" 2>&1
cat "$log"
passed=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, .*/\1/p')
rm -f "$log"
[ -n "$passed" ] && [ "$passed" -ge "$3" ]
