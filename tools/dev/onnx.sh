# How does the ONNX C++ library (schemas, shape inference, function bodies) get here?
#
# From the source archive of its Python package, built against Debian's shared protobuf 3.21 with
# clang-22 and installed where `find_package(ONNX CONFIG)` finds it under $ONNX_ROOT.

ONNX_SDIST_SHA256=008cb0467b2bbee41448acc7da8b6f4e704624cb0d327a2d5adafc7ce19bc5b8

download_onnx() {
  "$JINX_PYTHON" -m pip download --quiet --no-input --disable-pip-version-check \
    --no-deps --no-binary onnx --dest "$1" "onnx==$ONNX_VERSION"
  sha256sum --check --quiet <<<"$ONNX_SDIST_SHA256  $1/onnx-$ONNX_VERSION.tar.gz" ||
    die "onnx-$ONNX_VERSION.tar.gz is not the archive that onnx.sh pins"
}

configure_onnx() {
  "$JINX_VENV/bin/cmake" -S "$1" -B "$2" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    -DCMAKE_CXX_COMPILER=clang++-22 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DCMAKE_INSTALL_PREFIX="$ONNX_ROOT.new" -DCMAKE_INSTALL_LIBDIR=lib \
    -DONNX_ML=ON -DBUILD_SHARED_LIBS=OFF -DONNX_USE_PROTOBUF_SHARED_LIBS=ON \
    -DFETCHCONTENT_FULLY_DISCONNECTED=ON -DPython3_EXECUTABLE="$JINX_PYTHON"
}

# The exported targets name protobuf::libprotobuf, but with a shared protobuf upstream's
# ONNXConfig.cmake forgets to look for it. Debian ships no ProtobufConfig.cmake, CMake has a module.
repair_onnx_config() {
  sed -i -e 's/^if(NOT .*)$/if(NOT TARGET protobuf::libprotobuf)/' \
    -e 's/find_package(Protobuf REQUIRED CONFIG)/find_package(Protobuf REQUIRED)/' \
    "$1/lib/cmake/ONNX/ONNXConfig.cmake"
}

build_onnx() {
  local want work
  want="$ONNX_SDIST_SHA256 $(hash_of "${BASH_SOURCE[0]}")"
  if done_before "$ONNX_ROOT/jinx.stamp" "$want"; then
    say "ONNX C++ library: already there"
    return
  fi
  say "ONNX C++ library: building (about two minutes on two cores)"
  work=$JINX_CACHE/build/onnx
  rm -rf "$work" "$ONNX_ROOT.new"
  mkdir -p "$work"
  download_onnx "$work"
  tar -xzf "$work/onnx-$ONNX_VERSION.tar.gz" -C "$work"
  configure_onnx "$work/onnx-$ONNX_VERSION" "$work/build" >"$work/configure.log" 2>&1 ||
    die "configuring the ONNX library failed: see $work/configure.log"
  nice -n 10 ninja -C "$work/build" -j "$(nproc)" install >"$work/build.log" 2>&1 ||
    die "building the ONNX library failed: see $work/build.log"
  repair_onnx_config "$ONNX_ROOT.new"
  # The exported files find their prefix from where they lie, so the folder can be moved.
  rm -rf "$ONNX_ROOT"
  mv "$ONNX_ROOT.new" "$ONNX_ROOT"
  rm -rf "$work"
  stamp "$ONNX_ROOT/jinx.stamp" "$want"
}

setup_onnx() { alone onnx build_onnx; }
