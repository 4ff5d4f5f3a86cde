#include "frontends/native/NativeImporter.h"

#include "ir/Graph/Graph.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
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

Expected<OwningOpRef<ModuleOp>> parse(MLIRContext &context, std::unique_ptr<llvm::MemoryBuffer> buffer, const std::string &name) {
  context.loadDialect<func::FuncDialect, graph::GraphDialect>();
  std::string messages;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error) messages += (messages.empty() ? "" : "\n  ") + describe(diagnostic);
    return success();
  });
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  ParserConfig config(&context, /*verifyAfterParse=*/true);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, config);
  if (!module) return invalidArgument(name + " is no valid module: " + messages);
  if (!module->lookupSymbol<func::FuncOp>("main")) return invalidArgument(name + " has no function @main");
  return module;
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importNative(MLIRContext &context, const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) return systemError(buffer.getError().value(), "cannot open " + path);
  return parse(context, std::move(*buffer), path);
}

Expected<OwningOpRef<ModuleOp>> importNativeBytes(MLIRContext &context, std::span<const std::byte> bytes, const std::string &name) {
  llvm::StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  return parse(context, llvm::MemoryBuffer::getMemBufferCopy(text, name), name);
}

} // namespace jinx::frontends
