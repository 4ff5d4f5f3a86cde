#include "frontends/native/NativeImporter.h"

#include "frontends/native/CheckModule.h"
#include "frontends/native/SymbolTable.h"
#include "frontends/native/TrialRun.h"
#include "ir/Dist/Dist.h"
#include "ir/Graph/Graph.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "runtime/base/File.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

std::string describe(const Diagnostic &diagnostic) {
  std::string text;
  if (auto at = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
    text = at.getFilename().str() + ":" + std::to_string(at.getLine()) + ":" + std::to_string(at.getColumn()) + ": ";
  return text + diagnostic.str();
}

constexpr uint64_t kAlignment = 64; ///< what bytecode asks of the buffer: that of large constants (elementsOf)

/// The buffer, or a copy where it does not lie at a multiple of `kAlignment`.
llvm::MemoryBufferRef aligned(llvm::MemoryBufferRef buffer, std::unique_ptr<llvm::WritableMemoryBuffer> &copy) {
  if (llvm::isAddrAligned(llvm::Align(kAlignment), buffer.getBufferStart())) return buffer;
  copy = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(buffer.getBufferSize(), buffer.getBufferIdentifier(), llvm::Align(kAlignment));
  llvm::copy(buffer.getBuffer(), copy->getBufferStart());
  return *copy;
}

/// Reads and verifies. \returns null, and why in `*message`, for what is no model
OwningOpRef<ModuleOp> parse(MLIRContext &context, llvm::MemoryBufferRef bytes, std::string *message) {
  std::unique_ptr<llvm::WritableMemoryBuffer> copy;
  llvm::MemoryBufferRef buffer = aligned(bytes, copy);
  context.loadDialect<func::FuncDialect, graph::GraphDialect, dist::DistDialect>();
  std::string name = buffer.getBufferIdentifier().str(), problems;
  auto add = [&](const std::string &problem) { problems += (problems.empty() ? "" : "\n  ") + problem; };
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error) add(describe(diagnostic));
    return success();
  });
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(buffer, /*RequiresNullTerminator=*/false), llvm::SMLoc());
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, ParserConfig(&context, /*verifyAfterParse=*/true));
  if (!module) {
    *message = name + " is no valid module: " + problems;
    return nullptr;
  }
  llvm::for_each(findModuleProblems(*module), add);
  if (problems.empty()) return module;
  *message = name + " is no model: " + problems;
  return nullptr;
}

/// Writes the module as bytecode or, returning false, why there is none. In a context of its own: threads of the given one are not
/// there in a child process.
bool rewrite(const DialectRegistry &dialects, llvm::MemoryBufferRef buffer, int fd) {
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string message;
  OwningOpRef<ModuleOp> module = parse(context, buffer, &message);
  llvm::raw_fd_ostream output(fd, /*shouldClose=*/false);
  if (module) return succeeded(writeBytecodeToFile(*module, output));
  output << message;
  return false;
}

Expected<OwningOpRef<ModuleOp>> importBuffer(MLIRContext &context, llvm::MemoryBufferRef buffer, bool trusted) {
  Trial trial;
  if (!trusted) {
    JINX_TRY_ASSIGN(trial, tryInChild(buffer.getBufferIdentifier().str(), buffer.getBufferSize(),
                                      [&](int fd) { return rewrite(context.getDialectRegistry(), buffer, fd); }));
    if (!trial.passed) return invalidArgument(trial.output->getBuffer().str());
    buffer = *trial.output;
  }
  std::string message;
  OwningOpRef<ModuleOp> module = parse(context, buffer, &message);
  if (!module) return invalidArgument(message);
  return module;
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importNative(MLIRContext &context, const std::string &path, const ImportOptions &options) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) return systemError(buffer.getError().value(), "cannot open " + path);
  JINX_TRY_ASSIGN(OwningOpRef<ModuleOp> module, importBuffer(context, **buffer, /*trusted=*/false));
  JINX_TRY(overrideSizes(*module, module->lookupSymbol<func::FuncOp>("main"), options.dims), "importing " + path);
  return module;
}

Expected<OwningOpRef<ModuleOp>> importNativeBytes(MLIRContext &context, std::span<const std::byte> bytes, const std::string &name,
                                                 bool trusted) {
  llvm::StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(text, name); // the parser wants a zero at its end
  return importBuffer(context, *buffer, trusted);
}

} // namespace jinx::frontends
