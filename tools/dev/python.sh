# Which Python runs the tools, and with which packages?
#
# A virtual environment in the cache, with the pinned packages of requirements.txt: the oracle
# (onnxruntime), the peers (OpenVINO), lit, and a CMake new enough for the ONNX library.

# base_python: a Python of at least 3.10 that can make virtual environments; Debian's first.
base_python() {
  local candidate
  for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python of at least 3.10 with the venv module: install python3 and python3-venv"
}

make_python() {
  local requirements=$JINX_ROOT/tools/dev/requirements.txt want
  want=$(hash_of "$requirements")
  if done_before "$JINX_VENV/jinx.stamp" "$want" && [[ -x $JINX_PYTHON ]]; then
    say "Python environment: already there"
    return
  fi
  say "Python environment: making $JINX_VENV"
  if ! "$JINX_PYTHON" -m pip --version >/dev/null 2>&1; then
    "$(base_python)" -m venv --clear "$JINX_VENV"
  fi
  "$JINX_PYTHON" -m pip install --quiet --no-input --disable-pip-version-check -r "$requirements"
  stamp "$JINX_VENV/jinx.stamp" "$want"
}

setup_python() { alone python make_python; }
