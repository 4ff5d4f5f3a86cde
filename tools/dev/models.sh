# Which real models and expected outputs do the tests read, and how do they get into the cache?

setup_models() {
  "$JINX_PYTHON" "$JINX_ROOT/tools/models/fetch.py" "${@:---all}"
  if (($# == 0)); then
    "$JINX_PYTHON" "$JINX_ROOT/tools/models/node_tests.py"
    "$JINX_PYTHON" "$JINX_ROOT/tests/models/oracle.py" --all
  fi
}
