#include "tools/driver/Remarks.h"

#include <mutex>

#include "ir/Graph/Graph.h"
#include "mlir/IR/Remarks.h"

namespace jinx::driver {
namespace {

namespace remark = mlir::remark;

std::string kindOf(llvm::remarks::Type type) {
  switch (type) {
  case llvm::remarks::Type::Passed:
    return "passed";
  case llvm::remarks::Type::Missed:
    return "missed";
  case llvm::remarks::Type::Failure:
    return "failed";
  default:
    return "analysis";
  }
}

class Collector : public remark::detail::MLIRRemarkStreamerBase {
 public:
  explicit Collector(std::vector<Remark>& remarks) : remarks_(remarks) {}

  void streamOptimizationRemark(const remark::detail::Remark& remark) override {
    Remark entry{kindOf(remark.getRemarkType()), remark.getCombinedCategoryName().str(),
                 locationName(remark.getLocation()), remark.getRemarkName().str()};
    if (entry.pass.empty()) entry.pass = "pass";
    for (const auto& argument : remark.getArgs())
      entry.message += (argument.key == "Remark" ? ": " : ", " + argument.key + " = ") + argument.val;
    std::lock_guard lock(mutex_);
    remarks_.push_back(std::move(entry));
  }

 private:
  std::mutex mutex_;
  std::vector<Remark>& remarks_;
};

} // namespace

std::string locationName(mlir::Location location) {
  std::string name;
  location->walk([&](mlir::Location inner) {
    if (auto named = llvm::dyn_cast<mlir::NameLoc>(inner)) name = named.getName().str();
    if (auto file = llvm::dyn_cast<mlir::FileLineColLoc>(inner); file && name.empty())
      name = file.getFilename().str() + ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
    return name.empty() ? mlir::WalkResult::advance() : mlir::WalkResult::interrupt();
  });
  return name;
}

void collectRemarks(mlir::MLIRContext& context, std::vector<Remark>& remarks) {
  remark::RemarkCategories everything;
  everything.all = ".*";
  (void)remark::enableOptimizationRemarks(context, std::make_unique<Collector>(remarks),
                                          std::make_unique<remark::RemarkEmittingPolicyAll>(), everything);
}

void addHostRemarks(mlir::ModuleOp module, std::vector<Remark>& remarks) {
  module.walk([&](mlir::Operation* op) {
    auto reason = op->getAttrOfType<mlir::StringAttr>("jinx.reason");
    if (reason) remarks.push_back({"missed", "import", locationName(op->getLoc()), "on the host: " + reason.str()});
  });
}

std::string formatRemarks(const std::vector<Remark>& remarks) {
  std::string text;
  for (const Remark& remark : remarks)
    text += remark.kind + "  " + remark.pass + "  " + remark.location + ": " + remark.message + "\n";
  return text;
}

} // namespace jinx::driver
