#!/usr/bin/env python3
"""Does every file include only what its folder may? ARCHITECTURE.md: frontends → ir → passes → codegen → plan → runtime.

RULES is the one place that says what a folder may include, of ours and of libraries. The longest row that a path begins with counts; a
folder may always include itself. CLEAN names what must not reach a compiler library even through other headers.

    includes.py               every violation, as FILE:LINE: what it includes, and what it may
    includes.py --self-test   plants violations and sees that each is told
"""

import argparse
import dataclasses
import functools
import pathlib
import posixpath
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = (".cpp", ".cc", ".c", ".h", ".hpp", ".inc", ".cu", ".cuh", ".td")
FOLDERS = ("frontends", "ir", "passes", "codegen", "runtime", "tools", "tests")
COMPILER = ("mlir", "llvm", "llvm-c", "lld", "clang", "onnx")


@dataclasses.dataclass(frozen=True)
class May:
    ours: tuple = ()  # folders and files of the tree
    libraries: tuple = ()  # how an include of the library begins


MLIR = ("mlir", "llvm")
RULES = {
    # The two ends of the line below: the compiler uses runtime/base and runtime/hostops; passes ask schedules what they can hold.
    "ir": May(("runtime/base",), MLIR),
    "frontends": May(("runtime/base",)),  # what all importers are told: jinx-rt links it too
    "frontends/native": May(("frontends/ImportOptions.h", "ir/Dist", "ir/Graph", "runtime/base"), MLIR),
    "frontends/llm": May(("frontends/ImportOptions.h", "frontends/native/SymbolTable.h", "ir/Graph", "runtime/base"), MLIR),
    "frontends/gguf": May(("frontends/ImportOptions.h", "frontends/llm", "runtime/base", "runtime/formats"), MLIR),
    "frontends/huggingface": May(("frontends/ImportOptions.h", "frontends/llm", "runtime/base", "runtime/formats", "runtime/text/Json.h"), (*MLIR, "nlohmann")),
    "frontends/onnx": May(("frontends/ImportOptions.h", "ir/Graph", "runtime/base", "runtime/hostops"), (*MLIR, "onnx", "google/protobuf")),
    "passes": May(("ir", "codegen/schedules", "runtime/base", "runtime/hostops"), MLIR),
    # What collectives cost: formulas, which know no plan and no device.
    "passes/Dist": May(("ir", "passes", "runtime/base", "runtime/comm/Communicator.h", "runtime/comm/model"), MLIR),
    "codegen/schedules": May(("ir", "runtime/base"), MLIR),
    "codegen/cpu": May(("ir/Tile", "runtime/base"), (*MLIR, "lld")),
    "codegen/cuda": May(("ir/Tile", "runtime/base", "runtime/plan"), MLIR),
    "codegen/plan": May(("ir", "passes", "codegen", "runtime/base", "runtime/plan"), MLIR),
    # The runtime includes nothing else of ours; its own folders are in order, too.
    "runtime/jinx.h": May(),
    "runtime/base": May(),
    "runtime/hostops": May(("runtime/base",)),  # the oracle of kernels: it shares no code with them
    "runtime/formats": May(("runtime/base",), ("nlohmann",)),
    "runtime/text": May(("runtime/base", "runtime/formats"), ("nlohmann", "pcre2.h", "utf8proc.h")),
    "runtime/chat": May(("runtime/base", "runtime/formats", "runtime/text"), ("nlohmann", "utf8proc.h")),
    "runtime/engine": May(("runtime/base",)),  # a model is an interface to it: it knows no plan and no device
    "runtime/comm": May(("runtime/base",), ("xxhash.h",)),  # ranks and bytes: it knows no plan and no device
    "runtime/comm/mpi": May(("runtime/base", "runtime/comm"), ("xxhash.h", "mpi.h")),  # a module of its own, which nothing links
    # Calls on a device, enqueued on its streams; NCCL is opened, and none of its headers.
    "runtime/comm/nccl": May(("runtime/base", "runtime/comm", "runtime/device"), ("xxhash.h",)),
    # Its kernels are a plan's, as devices load them.
    "runtime/comm/peers": May(("runtime/base", "runtime/comm", "runtime/device", "runtime/plan")),
    # Formulas and a simulator: of the communicators it knows the names of ops.
    "runtime/comm/model": May(("runtime/base", "runtime/comm/Communicator.h")),
    "runtime/comm/model/NetworkFile": May(("runtime/base", "runtime/comm/model"), ("nlohmann",)),
    # Masks over tokens: the sampler's interface, and the bytes of tokens.
    "runtime/grammar": May(("runtime/base", "runtime/engine/Sampler.h", "runtime/text"), ("utf8proc.h",)),
    "runtime/memory": May(("runtime/base",)),
    "runtime/plan": May(("runtime/base", "runtime/memory"), ("google/protobuf", "xxhash.h")),
    # A CPU device launches on the executor's threads and writes its trace.
    "runtime/device": May(("runtime/base", "runtime/memory", "runtime/plan", "runtime/executor/KernelAbi.h", "runtime/executor/ThreadPool.h",
                           "runtime/executor/Trace.h"), ("xxhash.h",)),
    "runtime/executor": May(("runtime/base", "runtime/comm", "runtime/hostops", "runtime/memory", "runtime/plan", "runtime/device")),
    # A language model is a plan that the engine steps.
    "runtime/llm": May(("runtime/base", "runtime/comm", "runtime/engine", "runtime/executor", "runtime/plan", "runtime/memory", "runtime/device")),
    # The server knows the engine and tokenizers, and no plan and no device. Asio and Beast are its network.
    "runtime/serve": May(("runtime/base", "runtime/engine", "runtime/text", "runtime/chat", "runtime/grammar"), ("nlohmann", "boost/asio", "boost/beast")),
    "runtime/capi": May(("runtime",)),
    "tools/common": May(("runtime", "frontends/ImportOptions.h"), ("CLI", "nlohmann", "google/protobuf", "xxhash.h")),
    # A client of servers: asio and Beast are its network, too.
    "tools/common/loadgen": May(("runtime", "tools/common/Statistics.h", "tools/common/TextTable.h"), ("nlohmann", "boost/asio", "boost/beast")),
    "tools/common/OnnxValues": May(("runtime",), ("onnx",)),  # ONNX's test data, for jinx and tests/reference
    "tools/jinx-rt": May(("tools/common", "runtime"), ("CLI",)),
    "tools/driver/ZipFile": May(("runtime", "tools/driver"), ("zlib.h",)),  # numpy's compressed archives
    "tools": May(("frontends", "ir", "passes", "codegen", "runtime", "tools"), (*MLIR, "onnx", "CLI", "nlohmann")),
    "tests": May(FOLDERS, (*MLIR, "onnx", "google/protobuf", "gtest", "gmock", "rapidcheck", "rapidcheck.h", "nlohmann")),
    # What judges the runtime builds without the compiler.
    "tests/unit/runtime": May(("runtime", "tests/fuzz/Mutator.h", "tests/fuzz/FuzzTarget.h"), ("gtest", "google/protobuf", "rapidcheck", "rapidcheck.h")),
    "tests/unit/text": May(("runtime",), ("gtest",)),
    "tests/unit/chat": May(("runtime",), ("gtest", "nlohmann")),
    "tests/unit/comm": May(("runtime/base", "runtime/comm"), ("gtest",)),
    "tests/unit/engine": May(("runtime/engine", "runtime/base"), ("gtest",)),
    "tests/unit/nccl": May(("runtime/base", "runtime/comm", "runtime/device", "runtime/executor", "tests/unit/comm", "tests/unit/runtime/TestPlan.h"), ("gtest",)),
    "tests/unit/comm_model": May(("runtime/comm", "runtime/base", "tests/property/Property.h"), ("gtest", "nlohmann")),
    "tests/unit/grammar": May(("runtime",), ("gtest",)),
    "tests/unit/serve": May(("runtime", "tests/unit/engine"), ("gtest", "nlohmann")),
    "tests/unit/llm": May(("runtime", "tests/unit/runtime"), ("gtest",)),
    "tests/bench/comm": May(("runtime/comm", "runtime/base"), ("CLI", "nlohmann", "mpi.h")),
    "tests/bench/llm": May(("runtime",), ("CLI", "nlohmann")),
    "tests/unit/capi": May(("runtime", "tests/unit/runtime"), ("gtest",)),
}
# Where no compiler library may be reached, not even through a header that includes a header.
CLEAN = ("runtime", "tools/jinx-rt", "tests/unit/runtime", "tests/unit/text", "tests/unit/chat", "tests/unit/engine", "tests/unit/comm", "tests/unit/comm_model", "tests/unit/grammar", "tests/unit/llm", "tests/unit/serve", "tests/unit/capi")
# Headers of the C library and the kernel; those of C++ have no dot.
SYSTEM_FOLDERS = ("sys", "linux", "sanitizer", "bits")
SYSTEM = set("""assert.h cpuid.h dlfcn.h elf.h errno.h fcntl.h immintrin.h inttypes.h limits.h link.h locale.h malloc.h math.h poll.h pthread.h
sched.h signal.h spawn.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h time.h ucontext.h unistd.h wchar.h wctype.h execinfo.h errno.h""".split())


def beginning(path, starts):
    """The longest of `starts` that is the path or a folder above it, or a file's name without its ending."""
    fitting = [start for start in starts if path == start or path.startswith((f"{start}/", f"{start}."))]
    return max(fitting, key=len, default=None)


@functools.cache
def includes(text):
    """[(line, what)] for each include directive; comments and raw strings, in which text of other languages lies, are no code."""
    found = []
    code = re.sub(r'R"(\w*)\(.*?\)\1"|/\*.*?\*/|//[^\n]*', lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    code = re.sub(r"(?:[^\n]*\\\n)+[^\n]*", lambda m: m.group().replace("\\\n", " ") + "\n" * m.group().count("\n"), code)  # joined lines
    for number, line in enumerate(code.split("\n"), 1):
        directive = re.match(r"\s*(?:#\s*(?:include|include_next|import)|include)\b\s*(.*)", line)
        if directive and (what := directive.group(1).strip()):
            named = re.match(r'<([^>]+)>|"([^"]+)"', what)
            if named:
                found.append((number, named.group(1) or named.group(2)))
            elif line.lstrip().startswith("#"):
                found.append((number, f"`{what}`"))
    return found


class Tree:
    """The sources by path; the self-test changes them."""

    def __init__(self, files):
        self.files = files
        self.found = {path: [(line, self.resolve(path, what)) for line, what in includes(text)] for path, text in files.items()}

    def resolve(self, path, what):
        """A path of the tree in its shortest form, or as it is written."""
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), what))
        if beside in self.files or what.startswith("."):
            return beside
        return posixpath.normpath(what)

    def path_to_compiler(self, path, seen):
        """The chain of includes from a file to a library of the compiler; None when there is none."""
        for _, what in self.found.get(path, ()):
            if beginning(what, COMPILER):
                return [what]
            if what in self.files and what not in seen:
                seen.add(what)
                if chain := self.path_to_compiler(what, seen):
                    return [what, *chain]
        return None


def problems(tree):
    for path, found in sorted(tree.files.items()):
        row = beginning(path, RULES)
        if not row:
            yield f"{path}:1: no row of RULES says what it may include"
            continue
        for line, what in tree.found[path]:
            if fault := judge(row, what):
                may = RULES[row]
                yield f"{path}:{line}: includes {what}; {fault}: {row} may include {', '.join((row, *may.ours, *may.libraries))} and the system's headers"
        if beginning(path, CLEAN) and (chain := tree.path_to_compiler(path, {path})):
            yield f"{path}:1: reaches a library of the compiler: {' → '.join(chain)}; nothing in {beginning(path, CLEAN)} may"


def judge(row, what):
    """Why a file under `row` may not include this; None when it may."""
    may = RULES[row]
    if beginning(what, FOLDERS):
        return None if beginning(what, (row, *may.ours)) else "not one of its folders"
    if what.startswith("`"):
        return "a macro hides what"
    if "/" not in what and ("." not in what or what in SYSTEM) or beginning(what, SYSTEM_FOLDERS):
        return None
    return None if beginning(what, may.libraries) else "not one of its libraries"


def read_tree():
    files = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                files[path.relative_to(ROOT).as_posix()] = path.read_text()
    return files


# ---- self-test ---------------------------------------------------------------------------------------------------------------------

# (file, what is written into it, what must be said; None: nothing)
PLANTED = [
    ("runtime/base/Planted.h", "#include <vector>\n#include <sys/mman.h>\n#include <unistd.h>\n", None),
    ("runtime/base/Planted.h", '#include "mlir/IR/Value.h"', "not one of its libraries"),
    ("runtime/base/Planted.h", "int a;\n  #  include <llvm/ADT/Twine.h>", "runtime/base/Planted.h:2: includes llvm/ADT/Twine.h"),
    ("runtime/base/Planted.h", "#include <onnx/onnx_pb.h>", "not one of its libraries"),
    ("runtime/base/Planted.h", '#include "runtime/executor/Executor.h"', "not one of its folders"),
    ("runtime/base/Planted.h", '#include "../../ir/Graph/Sizes.h"', "includes ir/Graph/Sizes.h"),
    ("runtime/base/Planted.h", '#include "runtime/../ir/Graph/Sizes.h"', "includes ir/Graph/Sizes.h"),
    ("runtime/base/Planted.h", "int a;\n#include \\\n <zlib.h>", "runtime/base/Planted.h:2: includes zlib.h"),
    ("runtime/base/Planted.h", "#define A \\\n 1\nint b;\n#include <zlib.h>", "runtime/base/Planted.h:4: includes zlib.h"),
    ("runtime/base/Planted.h", "#include HEADER", "includes `HEADER`"),
    ("runtime/base/Planted.h", "#include <zlib.h>", "not one of its libraries"),
    ("runtime/base/Planted.h", "#include <boost/any.hpp>", "not one of its libraries"),
    ("runtime/base/Planted.h", '// #include "mlir/IR/Value.h"\n/*\n#include <llvm/x.h>\n*/\nauto s = R"x(\n#include "mlir/y.h"\n)x";', None),
    ("runtime/base/Planted.h", '/* a */ #include "mlir/IR/Value.h"', "includes mlir/IR/Value.h"),
    ("runtime/hostops/Planted.cpp", '#include "codegen/schedules/ScalarOps.h"', "not one of its folders"),
    ("runtime/executor/Planted.cpp", '#include "frontends/ImportOptions.h"', "not one of its folders"),
    ("runtime/device/Planted.cpp", '#include "runtime/executor/Executor.h"', "not one of its folders"),
    ("runtime/device/Planted.cpp", '#include "runtime/executor/ThreadPool.h"', None),
    ("runtime/engine/Planted.cpp", '#include "runtime/executor/Executor.h"', "not one of its folders"),
    ("runtime/comm/model/Planted.cpp", '#include "runtime/executor/Trace.h"', "not one of its folders"),
    ("runtime/comm/model/Planted.cpp", "#include <nlohmann/json.hpp>", "not one of its libraries"),
    ("runtime/comm/Planted.cpp", '#include "runtime/comm/model/Network.h"', None),
    ("runtime/comm/Planted.cpp", '#include "runtime/executor/Executor.h"', "not one of its folders"),
    ("runtime/comm/Planted.cpp", "#include <mpi.h>", "not one of its libraries"),
    ("runtime/comm/mpi/Planted.cpp", '#include <mpi.h>\n#include "runtime/comm/Watch.h"', None),
    ("tests/unit/comm/Planted.cpp", '#include "runtime/plan/PlanFile.h"', "not one of its folders"),
    ("runtime/new/Planted.cpp", '#include "runtime/base/Status.h"', "no row of RULES"),
    ("runtime/jinx.h", '#include "runtime/base/Status.h"', "not one of its folders"),
    ("ir/Graph/Planted.td", 'include "passes/Passes.td"', "not one of its folders"),
    ("ir/Graph/Planted.h", '#include "runtime/hostops/HostOp.h"', "not one of its folders"),
    ("ir/Graph/Planted.h", '#include "runtime/base/SizeExpr.h"', None),
    ("passes/Graph/Planted.cpp", '#include "codegen/cpu/CompileCpu.h"', "not one of its folders"),
    ("passes/Graph/Planted.cpp", '#include "codegen/schedules/Schedules.h"', None),
    ("passes/Graph/Planted.cpp", '#include "frontends/onnx/Node.h"', "not one of its folders"),
    ("passes/Graph/Planted.cpp", "#include <onnx/checker.h>", "not one of its libraries"),
    ("frontends/onnx/Planted.cpp", '#include "passes/Passes.h"', "not one of its folders"),
    ("frontends/onnx/Planted.cpp", '#include "frontends/native/NativeImporter.h"', "not one of its folders"),
    ("frontends/native/Planted.cpp", "#include <onnx/onnx_pb.h>", "not one of its libraries"),
    ("frontends/Planted.h", '#include "mlir/IR/Value.h"', "not one of its libraries"),
    ("codegen/cpu/Planted.cpp", '#include "runtime/executor/Executor.h"', "not one of its folders"),
    ("codegen/cuda/Planted.cpp", '#include "codegen/cpu/CompileCpu.h"', "not one of its folders"),
    ("codegen/schedules/Planted.cpp", '#include "passes/Passes.h"', "not one of its folders"),
    ("codegen/new/Planted.cpp", "", "no row of RULES"),
    ("tools/common/Planted.cpp", '#include "tools/driver/Compiler.h"', "not one of its folders"),
    ("tools/common/Planted.cpp", '#include "ir/Graph/Graph.h"', "not one of its folders"),
    ("tools/jinx-rt/Planted.cpp", '#include "tools/common/OnnxValues.h"', "reaches a library of the compiler: tools/common/OnnxValues.h → onnx/"),
    ("tests/unit/runtime/Planted.cpp", '#include "passes/Passes.h"', "not one of its folders"),
]  # fmt: skip


def self_test():
    bad, files = [], read_tree()
    clean = list(problems(Tree(files)))
    for path, text, said in PLANTED:
        told = [problem for problem in problems(Tree({**files, path: text})) if problem not in clean]
        if said is None and told:
            bad.append(f"{path} with {text!r} is refused: {told[0]}")
        if said is not None and not any(problem.startswith(f"{path}:") and said in problem for problem in told):
            bad.append(f"{path} with {text!r}: nobody says {said!r}, but {told}")
    # The real headers, with one violation each in the middle of the tree.
    for path, what in (("runtime/base/Status.h", "mlir/IR/Value.h"), ("runtime/executor/Executor.h", "ir/Graph/Graph.h")):
        broken = {**files, path: files[path] + f'#include "{what}"\n'}
        told = [problem for problem in problems(Tree(broken)) if problem not in clean]
        if not any(problem.startswith(f"{path}:") and what in problem for problem in told):
            bad.append(f"{path} may include {what}")
        if not any(problem.startswith("runtime/capi/") and "reaches a library of the compiler" in problem for problem in told):
            bad.append(f"runtime/capi may reach {what} through {path}")
    count = len(PLANTED) + 4
    print(*bad, f"{count - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true")
    if parser.parse_args().self_test:
        return self_test()
    tree = Tree(read_tree())
    found = list(problems(tree))
    count = sum(len(lines) for lines in tree.found.values())
    print(*found, f"{count} includes in {len(tree.files)} files, {len(found)} not allowed", sep="\n")
    return 1 if found or count < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
