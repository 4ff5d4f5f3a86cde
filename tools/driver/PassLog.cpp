#include "tools/driver/PassLog.h"

#include "mlir/IR/Operation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace jinx::driver {
namespace {

/// The adaptors that the pass manager puts around nested passes have no argument.
bool isAdaptor(mlir::Pass* pass) { return pass->getArgument().empty(); }

} // namespace

void PassLog::runBeforePass(mlir::Pass* pass, mlir::Operation* op) {
  if (isAdaptor(pass)) return;
  std::lock_guard lock(mutex_);
  started_[{pass, op}] = Clock::now();
}

void PassLog::runAfterPass(mlir::Pass* pass, mlir::Operation* op) { finish(pass, op, ""); }
void PassLog::runAfterPassFailed(mlir::Pass* pass, mlir::Operation* op) { finish(pass, op, ".failed"); }

void PassLog::finish(mlir::Pass* pass, mlir::Operation* op, const char* suffix) {
  if (isAdaptor(pass)) return;
  const auto now = Clock::now();
  std::lock_guard lock(mutex_);
  auto [entry, added] = recordOf_.try_emplace(pass, records_.size());
  if (added) records_.push_back({pass->getArgument().str(), 0, {}});
  PassRecord& record = records_[entry->second];
  record.ms += std::chrono::duration<double, std::milli>(now - started_[{pass, op}]).count();
  record.statistics.clear();
  // This LLVM is built without statistics: their names are not kept, so there is nothing to record.
  if (!dumpDir_.empty()) dump(record.pass, op, suffix);
}

void PassLog::dump(const std::string& pass, mlir::Operation* op, const char* suffix) {
  std::string name;
  llvm::raw_string_ostream path(name);
  path << dumpDir_ << "/" << llvm::format("%02d", dumps_++) << "_" << pass;
  if (auto symbol = mlir::SymbolTable::getSymbolName(op)) path << "_" << symbol.getValue();
  path << suffix << ".mlir";
  std::error_code error;
  llvm::raw_fd_ostream file(name, error);
  if (error) return;
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(64).elideLargeResourceString(64).enableDebugInfo(true, true);
  op->print(file, flags);
  file << "\n";
}

} // namespace jinx::driver
