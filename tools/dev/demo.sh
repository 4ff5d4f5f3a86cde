# What does `./dev run` show? A real model, compiled and run: which kind of file is this?

run_demo() {
  local file=${1:-README.md} plan=$JINX_ROOT/build/dev/magika.plan
  stage "set up" ./dev setup
  stage "build" ./dev build dev
  stage "fetch the model" "$JINX_PYTHON" "$JINX_ROOT/tools/models/fetch.py" magika
  stage "compile" "$(built jinx)" compile "$JINX_CACHE/models/magika.onnx" -o "$plan"
  stage "classify $file" classify "$plan" "$file"
}

# classify PLAN FILE: the C++ demonstration where it is built, else the same steps in Python.
classify() {
  local native
  if native=$(built jinx-demo-magika); then
    "$native" "$1" "$JINX_CACHE/models/magika.config.json" "$2"
  else
    "$JINX_PYTHON" "$JINX_ROOT/tools/demo/magika.py" "$1" "$JINX_CACHE/models/magika.config.json" "$2" --jinx "$(built jinx)"
  fi
}
