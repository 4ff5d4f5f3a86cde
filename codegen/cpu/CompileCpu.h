// Compiles tile kernels to a shared object for one instruction-set level.
#pragma once

#include <string>
#include <vector>

#include "ir/Tile/Tile.h"
#include "runtime/base/Status.h"

namespace jinx::cpu {

/// The levels that plans carry code for, best last: "x86-64", "x86-64-v3", "x86-64-v4", "x86-64-v4-vnni".
struct IsaLevel {
  std::string name;
  int64_t vectorBytes;    ///< width of a register
  int64_t registers;      ///< how many of them
  bool byteDots = false;  ///< instructions that add four products of bytes (AVX512-VNNI)
};
/// kNotFound, naming the levels there are, for an unknown name.
Expected<IsaLevel> isaLevel(const std::string &name);
/// The best level of the machine that runs the compiler.
std::string hostIsa();
/// The least level at or below `isa` that gives these kernels the same code: features that none of them uses are left out, so that
/// more machines run it.
std::string leastIsa(const std::string &isa, llvm::ArrayRef<tile::KernelOp> kernels);

struct CompileOptions {
  std::string isa;
  unsigned threads = 1;
  bool verifyIr = false;
  std::string *llvmText = nullptr;  ///< receives the optimised LLVM IR when not null (--emit llvm)
};

/// An ELF shared object that exports every kernel under its symbol. Same kernels, same options: same bytes.
Expected<std::vector<uint8_t>> compileKernels(llvm::ArrayRef<tile::KernelOp> kernels, const CompileOptions &options);


}  // namespace jinx::cpu
