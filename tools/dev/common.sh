# Where do things live, and how do the scripts talk to the person at the terminal?
#
# Sourced by ./dev and by the other files of this folder; defines names only.

JINX_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export JINX_CACHE=${JINX_CACHE:-$HOME/.cache/jinx}

JINX_VENV=$JINX_CACHE/python
JINX_PYTHON=$JINX_VENV/bin/python
ONNX_VERSION=1.23.2
export ONNX_ROOT=$JINX_CACHE/deps/onnx-$ONNX_VERSION
export JINX_PYTHON

say() { printf '%s\n' "-- $*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# stage NAME COMMAND…: run it, then say how long it took. Keeps the exit status. Bash ignores `set -e`
# inside a function whose status is asked for, so pass a program (./dev build …) or a careful function.
stage() {
  local name=$1 start=$SECONDS status=0
  shift
  say "$name"
  "$@" || status=$?
  say "$name: $((SECONDS - start)) s, exit $status"
  return "$status"
}

# done_before STAMP TEXT: did a stamp file with exactly this text survive from an earlier run?
done_before() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# stamp STAMP TEXT: remember that the work described by TEXT is done.
stamp() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$2" >"$1.new"
  mv "$1.new" "$1"
}

# hash_of FILE…: one hash of what these files say now.
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# alone NAME COMMAND…: run it while no other process runs the same NAME in this cache.
alone() {
  local lock=$JINX_CACHE/locks/$1
  shift
  mkdir -p "$JINX_CACHE/locks"
  (flock 9 && "$@" 9>&-) 9>"$lock"
}

# built NAME: the path of a program of the dev build, wherever CMake put it.
built() {
  local path
  for path in "$JINX_ROOT"/build/dev/{bin,tools,tools/"$1"}/"$1"; do
    if [[ -f $path && -x $path ]]; then
      printf '%s\n' "$path"
      return
    fi
  done
  return 1
}
