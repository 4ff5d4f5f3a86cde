// What is in a plan, for people and for programs: one structure, shown as text, JSON or an HTML page.
//
// Sizes of activations depend on the sizes of the inputs; a report is made for one set of them (`sizes`).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "frontends/ImportOptions.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::tools {

struct ValueReport {
  std::string name, dtype;
  std::vector<std::string> dims; ///< formulas
  std::string whole;             ///< "[8, 64 by tp]": what this is a part of; "": it is all
  std::string shape;             ///< "1x3x640x640" for the report's sizes; "?" when only a run tells
  int64_t bytes = 0;
};

/// What a step took and reached when it was timed (`bench --steps`); rates that are not known are empty.
struct MeasuredReport {
  double ms = 0;
  std::optional<double> bytesPerSecond, flopsPerSecond, share;
  std::string bound;
};

struct StepReport {
  int index = 0;                  ///< in flattened order, as traces count
  int depth = 0;                  ///< blocks around it
  int inside = -1;                ///< the control step whose block it is in; -1 outside of all
  std::string name, kind, kernel; ///< as in TraceStep
  std::vector<std::string> nodes, inputs, outputs;
  std::vector<int> reads; ///< steps whose results it takes, each once
  std::optional<int64_t> flops, bytes, programs;
  std::optional<int> sumOf; ///< the all_reduce that its kernel makes where ranks reach each other's memory
  std::string products; ///< what its kernel multiplies on matrix units; "": it has none
  std::string problem, choice; ///< what the sizes of its kernel were chosen for, and the choice; "": there was none
  std::optional<MeasuredReport> measured;
};

struct KernelReport {
  std::string symbol, provenance;
  std::vector<int> steps;
  std::map<std::string, uint64_t> codeBytes; ///< machine code, by instruction-set level
};

/// Code objects of one level and one format.
struct CodeReport {
  std::string isa, format;
  int count = 0;
  uint64_t bytes = 0;
  int texts = 0; ///< cubins: how many of the level's texts have one, and need no NVRTC
};

struct ArenaReport {
  std::string name;
  int64_t offset = 0, size = 0;
  int first = 0, last = 0; ///< steps, as StepReport::index
};

struct MemoryReport {
  int64_t constantBytes = 0, arenaBytes = 0, largestLiveBytes = 0, separateBytes = 0, scratchBytes = 0;
  std::vector<ArenaReport> arena;
  std::string problem; ///< why there are no activations here; empty when there are
};

/// How it was compiled; only `jinx compile --report` knows.
struct CompileReport {
  std::vector<std::pair<std::string, double>> stages; ///< milliseconds
  nlohmann::ordered_json passes, remarks;
  nlohmann::ordered_json graph; ///< before fusion: "operators", each with its steps; null when there was no fusion
};

struct PlanReport {
  std::string name, producer, target, path;
  std::string ranks; ///< "dp = 2, tp = 4; for tp = 1": the mesh, and whose plan it is; "": it has none
  uint32_t version = 0;
  std::vector<std::string> options;
  std::map<std::string, std::string> metadata;
  std::map<std::string, int64_t> sizes;
  std::vector<ValueReport> inputs, outputs, constants;
  std::vector<StepReport> steps;
  std::vector<KernelReport> kernels;
  std::vector<CodeReport> code;
  MemoryReport memory;
  std::optional<CompileReport> compile;
  std::string measuredOn; ///< the device of the steps' times; "": there are none
};

/// Adds the times that `bench --steps --json` has written; bytes and flops become those of the run.
/// \returns kInvalidArgument for a file that has none, or those of another plan
Status addMeasured(PlanReport& report, const std::string& path);

/// \param dims  sizes to report for, as in `inputShapes`
/// \returns kInvalidArgument for sizes that the plan does not have
Expected<PlanReport> makePlanReport(std::shared_ptr<const PlanFile> file, std::span<const frontends::DimOverride> dims);

/// "1x3x640x640" of formulas over `sizes`, "scalar" of none; "?" when a size is unknown.
std::string shapeText(const std::vector<std::string>& dims, const std::map<std::string, int64_t>& sizes);

std::string toText(const PlanReport& report);
nlohmann::ordered_json toJson(const PlanReport& report);
/// One self-contained page.
std::string toHtml(const PlanReport& report);

} // namespace jinx::tools
