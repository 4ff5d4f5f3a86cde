#include "tools/driver/Remarks.h"

#include <filesystem>
#include <mutex>

#include <nlohmann/json.hpp>

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
    Remark entry{kindOf(remark.getRemarkType()), remark.getCombinedCategoryName().str(), remark.getRemarkName().str(),
                 locationName(remark.getLocation()), ""};
    if (entry.pass.empty()) entry.pass = "pass";
    for (const auto& argument : remark.getArgs())
      if (argument.key == "Remark")
        entry.message += (entry.message.empty() ? "" : " ") + argument.val;
      else
        entry.figures.emplace_back(argument.key, argument.val);
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
  // The kinds are listened to one by one; `all` only widens the patterns of kinds that have one.
  everything.passed = everything.missed = everything.failed = everything.analysis = ".*";
  (void)remark::enableOptimizationRemarks(context, std::make_unique<Collector>(remarks),
                                          std::make_unique<remark::RemarkEmittingPolicyAll>(), everything);
}

void addHostRemarks(mlir::ModuleOp module, std::vector<Remark>& remarks) {
  module.walk([&](mlir::Operation* op) {
    auto reason = op->getAttrOfType<mlir::StringAttr>("jinx.reason");
    auto call = llvm::dyn_cast<graph::HostCallOp>(op);
    if (!reason && !call) return;
    remarks.push_back({"missed", "import", "OnTheHost", locationName(op->getLoc()),
                       reason ? reason.str() : "there is no kernel for " + call.getOp().str()});
  });
}

namespace {

/// 'it''s' - a YAML scalar of one line.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? "''" : c == '\n' ? " " : std::string(1, c);
  return result + "'";
}

std::string textOf(const Remark& remark) {
  std::string line =
      remark.kind + "  " + remark.pass + "  " + remark.location + ": " + remark.name + ": " + remark.message;
  for (const auto& [key, value] : remark.figures)
    line += ", " + key + " = " + value;
  return line + "\n";
}

/// One record as llvm-remarkutil and opt-viewer read it.
std::string yamlOf(const Remark& remark) {
  const char* tag = remark.kind == "passed"   ? "Passed"
                    : remark.kind == "missed" ? "Missed"
                    : remark.kind == "failed" ? "Failure"
                                              : "Analysis";
  std::string text = std::string("--- !") + tag + "\nPass: " + quoted(remark.pass) + "\nName: " + quoted(remark.name) +
                     "\nFunction: 'main'\nArgs:\n  - Node: " + quoted(remark.location) +
                     "\n  - String: " + quoted(": " + remark.message) + "\n";
  for (const auto& [key, value] : remark.figures)
    text += "  - String: " + quoted(", " + key + " = ") + "\n  - " + key + ": " + quoted(value) + "\n";
  return text + "...\n";
}

std::string jsonOf(const Remark& remark) {
  nlohmann::ordered_json json = {{"kind", remark.kind},
                                 {"pass", remark.pass},
                                 {"name", remark.name},
                                 {"node", remark.location},
                                 {"message", remark.message}};
  for (const auto& [key, value] : remark.figures)
    json["figures"][key] = value;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

} // namespace

RemarkFormat remarkFormatOf(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".yaml" || ending == ".yml") return RemarkFormat::kYaml;
  return ending == ".json" || ending == ".jsonl" ? RemarkFormat::kJson : RemarkFormat::kText;
}

std::string formatRemarks(const std::vector<Remark>& remarks, RemarkFormat format) {
  std::string text;
  for (const Remark& remark : remarks)
    text += format == RemarkFormat::kYaml   ? yamlOf(remark)
            : format == RemarkFormat::kJson ? jsonOf(remark)
                                            : textOf(remark);
  return text;
}

} // namespace jinx::driver
