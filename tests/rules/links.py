#!/usr/bin/env python3
"""Does what only runs plans link nothing of the compiler? A plan runs where MLIR, LLVM, lld and ONNX are not installed.

For each file: the libraries that it needs, and those that they need, are LIBRARIES and no other; no symbol in it, asked for or brought
along by a static library, is of the compiler's; no text in it names a library of the compiler for dlopen. Of a shared library, what it
offers is the C interface.

    links.py build/dev/bin/jinx-rt build/dev/lib/libjinx.so
    links.py --self-test --compiler clang++-22 --compiling build/dev/bin/jinx
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# What a plan needs to run, and why.
LIBRARIES = {
    "libc.so": "the system's",
    "libm.so": "the system's",
    "libdl.so": "the system's",
    "libpthread.so": "the system's",
    "libgcc_s.so": "the C++ compiler's",
    "libstdc++.so": "the C++ compiler's",
    "libprotobuf.so": "the plan's header is a message",
    "libz.so": "libprotobuf needs it",
    "libpcre2-8.so": "patterns of tokenizers",
    "libutf8proc.so": "Unicode's tables for tokenizers",
    "ld-linux-x86-64.so": "the system's loader",
    "ld-linux-aarch64.so": "the system's loader",
    "linux-vdso.so": "the kernel's",
}
NAMESPACES = re.compile(r"\b(mlir|llvm|lld|clang|onnx)::")
C_NAMES = re.compile(r"\b(LLVM[A-Z]\w+|mlir[A-Z]\w+)\b")
LIBRARY_NAME = re.compile(r"\blib(MLIR|LLVM|lld|onnx|clang)\w*\.(so|a)")
OFFERED = re.compile(r"jinx_[a-z_0-9]+(@@\w+)?$")


def output(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", check=True).stdout


def needed(path):
    """Sonames of the whole closure, without their versions; ld.so says how it would load the file."""
    direct = re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-dW", path))
    loaded = [line.split()[0] for line in output("ldd", path).splitlines() if line.strip()]
    return direct, sorted({*direct, *(pathlib.PurePath(name).name for name in loaded)})


def problems(path):
    direct, closure = needed(path)
    if not direct:
        yield f"{path} needs no library at all: is it what it should be?"
    for name in closure:
        if name.split(".so")[0] + ".so" not in LIBRARIES:
            yield f"{path} loads {name}, expected only {', '.join(LIBRARIES)}"
    symbols = output("nm", "-C", path) + output("nm", "-DC", path)
    if symbols.count("\n") < 20:
        yield f"{path} has no symbols to look at"
    kinds = {}
    for line in symbols.splitlines():
        if found := NAMESPACES.search(line) or C_NAMES.search(line):
            kinds.setdefault(("asks for" if " U " in line else "contains", found.group(1).rstrip(":")), line.split(maxsplit=2)[-1])
    for (verb, what), example in sorted(kinds.items()):
        yield f"{path} {verb} symbols of {what}: {example[:120]}"
    for found in sorted(set(match.group() for match in LIBRARY_NAME.finditer(output("strings", "-n", "8", path)))):
        yield f"{path} names {found}"
    if ".so" in path.name:
        for name in (line.split()[-1] for line in output("nm", "-D", "--defined-only", path).splitlines() if " A " not in line):
            if not OFFERED.match(name):
                yield f"{path} offers {name}, expected only functions of jinx.h"


def self_test(options):
    """Files that break one rule each; and a program with a compiler in it."""
    text = "extern void jinx_other(); const char* volatile jinx_text; " + "".join(f"void jinx_f{i}() {{ jinx_other(); }} " for i in range(20))
    planted = [
        ("nothing", "", [], None),
        ("an undefined symbol", 'namespace llvm { void f(); } extern "C" void jinx_g() { llvm::f(); }', [], "asks for symbols of llvm"),
        ("an undefined C symbol", 'extern "C" { void LLVMContextCreate(); void jinx_g() { LLVMContextCreate(); } }', [], "asks for symbols of LLVMContextCreate"),
        ("a defined symbol", "namespace mlir { __attribute__((visibility(\"hidden\"))) void f() { jinx_other(); } }", [], "contains symbols of mlir"),
        ("a name for dlopen", 'extern "C" void jinx_g() { jinx_text = "/usr/lib/libLLVM.so.22.1"; }', [], "names libLLVM.so"),
        ("a library", "", ["-Wl,--no-as-needed", "-lutil", "-lresolv"], "loads libresolv.so"),
        ("a symbol of C++", "namespace jinx { void f() { jinx_other(); } }", [], "offers _ZN4jinx1fEv"),
    ]  # fmt: skip
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for what, more, flags, said in planted:
            source, library = pathlib.Path(folder) / "planted.cpp", pathlib.Path(folder) / "libplanted.so"
            source.write_text(f'extern "C" {{ {text} }} {more}')
            subprocess.run([options.compiler, "-shared", "-fPIC", source, "-o", library, *flags], check=True)
            found = list(problems(library))
            if (said is None and found) or (said is not None and not any(said in problem for problem in found)):
                bad.append(f"{what}: expected {said!r}, got {found}")
    for said in ("loads libMLIR.so", "loads libLLVM.so", "asks for symbols of mlir", "asks for symbols of llvm", "contains symbols of onnx"):
        if not any(said in problem for problem in problems(options.compiling)):
            bad.append(f"{options.compiling}: nobody says {said!r}")
    count = len(planted) + 5
    print(*bad, f"{count - len(bad)} passed, {len(bad)} failed", sep="\n")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--compiling", type=pathlib.Path, default="build/dev/bin/jinx", help="a program with the compiler in it")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options)
    if not options.files:
        parser.error("expected programs or libraries")
    found = []
    for path in options.files:
        found += (here := list(problems(path.resolve())))
        print(*here, f"{path.name}: needs {', '.join(needed(path)[1])}", sep="\n")
    print(f"{len(options.files)} files, {len(found)} things that should not be there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
