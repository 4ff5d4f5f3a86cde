#include "tools/driver/PassLog.h"

#include <utility>

#include "ir/Graph/Graph.h"
#include "ir/Tile/Tile.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"
#include "passes/Statistic.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace jinx::driver {
namespace {

/// The adaptors that the pass manager puts around nested passes have no argument.
bool isAdaptor(mlir::Pass* pass) { return pass->getArgument().empty(); }

/// Operators of the graph in `op`, those inside groups too; kernels are not counted.
int64_t operatorsIn(mlir::Operation* op) {
  int64_t count = 0;
  op->walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation* inner) {
    if (llvm::isa<tile::KernelOp>(inner)) return mlir::WalkResult::skip();
    count += llvm::isa_and_present<graph::GraphDialect>(inner->getDialect()) && !llvm::isa<graph::YieldOp>(inner);
    return mlir::WalkResult::advance();
  });
  return count;
}

} // namespace

void PassLog::runBeforePass(mlir::Pass* pass, mlir::Operation* op) {
  if (isAdaptor(pass)) return;
  const int64_t operators = operatorsIn(op);
  std::lock_guard lock(mutex_);
  recordFor(pass).operatorsBefore += operators;
  started_[{pass, op}] = Clock::now();
}

void PassLog::runAfterPass(mlir::Pass* pass, mlir::Operation* op) { finish(pass, op, ""); }
void PassLog::runAfterPassFailed(mlir::Pass* pass, mlir::Operation* op) { finish(pass, op, ".failed"); }

PassRecord& PassLog::recordFor(mlir::Pass* pass) {
  auto [entry, added] = recordOf_.try_emplace(pass->getThreadingSiblingOrThis(), records_.size());
  if (added) records_.push_back({pass->getArgument().str()});
  return records_[entry->second];
}

void PassLog::finish(mlir::Pass* pass, mlir::Operation* op, const char* suffix) {
  if (isAdaptor(pass)) return;
  const auto now = Clock::now();
  const int64_t operators = operatorsIn(op);
  std::lock_guard lock(mutex_);
  PassRecord& record = recordFor(pass);
  record.ms += std::chrono::duration<double, std::milli>(now - started_[{pass, op}]).count();
  record.operatorsAfter += operators;
  count(pass, record);
  if (!dumpDir_.empty()) dump(record.pass, op, suffix);
}

/// Adds what the pass counted since it was last asked. Only our passes' statistics keep their values (passes/Statistic.h).
void PassLog::count(mlir::Pass* pass, PassRecord& record) {
  if (!pass->getArgument().starts_with("jinx-")) return;
  const auto statistics = pass->getStatistics();
  std::vector<uint64_t>& before = counted_[pass];
  before.resize(statistics.size());
  record.statistics.resize(statistics.size());
  for (size_t i = 0; i < statistics.size(); ++i) {
    const passes::Statistic& statistic = passes::Statistic::of(*statistics[i]);
    PassRecord::Statistic& sum = record.statistics[i];
    sum.name = statistic.name();
    sum.description = statistic.description();
    sum.value += statistic.count() - std::exchange(before[i], statistic.count());
  }
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
