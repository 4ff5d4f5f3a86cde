#include "frontends/native/NativeImporter.h"

#include "frontends/native/CheckModule.h"
#include "frontends/native/SymbolTable.h"
#include "frontends/native/TrialRun.h"
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

/// Reads and verifies; `messages` are the parser's.
OwningOpRef<ModuleOp> parse(MLIRContext &context, llvm::MemoryBufferRef buffer, std::string *messages) {
  context.loadDialect<func::FuncDialect, graph::GraphDialect>();
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error) *messages += (messages->empty() ? "" : "\n  ") + describe(diagnostic);
    return success();
  });
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(buffer), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, ParserConfig(&context, /*verifyAfterParse=*/true));
}

/// In a context of its own: threads of the given one are not there in a child process.
void tryToParse(const DialectRegistry &dialects, llvm::MemoryBufferRef buffer) {
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string messages;
  if (auto module = parse(context, buffer, &messages)) findModuleProblems(*module);
}

Expected<OwningOpRef<ModuleOp>> importBuffer(MLIRContext &context, llvm::MemoryBufferRef buffer, bool trusted) {
  std::string name = buffer.getBufferIdentifier().str(), messages;
  if (!trusted) JINX_TRY(surviveTrial(name, buffer.getBufferSize(), [&] { tryToParse(context.getDialectRegistry(), buffer); }));
  OwningOpRef<ModuleOp> module = parse(context, buffer, &messages);
  if (!module) return invalidArgument(name + " is no valid module: " + messages);
  std::vector<std::string> problems = findModuleProblems(*module);
  for (const std::string &problem : problems) messages += (messages.empty() ? "" : "\n  ") + problem;
  if (!problems.empty()) return invalidArgument(name + " is no model: " + messages);
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
