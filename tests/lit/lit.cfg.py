# lit: what the tests under this folder may use.
import ctypes
import os
import shutil
import sys

import lit.formats

config.name = "jinx"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.jinx_binary_dir, "tests", "lit")
path = [os.path.join(config.jinx_binary_dir, "bin"), config.llvm_tools_dir, config.environment.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
config.substitutions.append(("%python", sys.executable))
# The Python of ./dev setup, which has numpy and onnx; lit's own is the system's.
config.substitutions.append(("%model_python", config.jinx_test_python))
if os.path.exists(config.jinx_test_python):
    config.available_features.add("model-python")
for library in (os.environ.get("JINX_NVRTC"), "libnvrtc.so.13", "libnvrtc.so.12"):
    try:
        ctypes.CDLL(library or "no path")
        config.environment["JINX_NVRTC"] = library
        config.available_features.add("nvrtc")
        break
    except OSError:
        pass
if shutil.which("mpirun") and os.path.exists(os.path.join(config.jinx_binary_dir, "lib", "libjinx_mpi.so")):
    config.available_features.add("mpi")
try:
    ctypes.CDLL("libcuda.so.1")
except OSError:
    config.available_features.add("no-cuda-driver")
