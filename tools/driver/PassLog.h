// What each pass did: time, statistics, operators before and after, and (`--dump-dir`) the module after it.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "mlir/Pass/PassInstrumentation.h"
#include "tools/driver/Compiler.h"

namespace jinx::driver {

/// Listens to a pass manager. One pass may run several times (twice in the pipeline, or once a function): runs are
/// listed apart for each place in the pipeline. Thread-safe.
class PassLog : public mlir::PassInstrumentation {
 public:
  /// \param dumpDir  an existing folder, or empty for no dumps
  PassLog(std::vector<PassRecord>& records, std::string dumpDir) : records_(records), dumpDir_(std::move(dumpDir)) {}

  void runBeforePass(mlir::Pass* pass, mlir::Operation* op) override;
  void runAfterPass(mlir::Pass* pass, mlir::Operation* op) override;
  void runAfterPassFailed(mlir::Pass* pass, mlir::Operation* op) override;

 private:
  void finish(mlir::Pass* pass, mlir::Operation* op, const char* suffix);
  PassRecord& recordFor(mlir::Pass* pass);
  void count(mlir::Pass* pass, PassRecord& record);
  void dump(const std::string& pass, mlir::Operation* op, const char* suffix);

  using Clock = std::chrono::steady_clock;
  std::vector<PassRecord>& records_;
  const std::string dumpDir_;
  std::mutex mutex_;
  std::map<std::pair<mlir::Pass*, mlir::Operation*>, Clock::time_point> started_;
  std::map<const mlir::Pass*, size_t> recordOf_;               ///< copies of a pass for several threads share one
  std::map<const mlir::Pass*, std::vector<uint64_t>> counted_; ///< statistics at the last run's end
  int dumps_ = 0;
};

} // namespace jinx::driver
