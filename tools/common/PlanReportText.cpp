// A plan's report as text and as JSON.
#include <cstdio>

#include "tools/common/PlanReport.h"
#include "tools/common/Roofline.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {
namespace {

std::string bytesText(int64_t bytes) { return formatBytes(static_cast<double>(bytes)); }

std::string join(const std::vector<std::string>& items, const char* separator = ", ") {
  std::string text;
  for (const std::string& item : items)
    text += (text.empty() ? "" : separator) + item;
  return text;
}

std::string valueText(const ValueReport& value) {
  std::string text = value.name + "  " + value.dtype + "[" + join(value.dims) + "]";
  if (value.shape != "?" && !value.dims.empty()) text += "  " + value.shape;
  return value.whole.empty() ? text : text + "  of " + value.whole;
}

std::string stepsText(const PlanReport& report) {
  const bool isMeasured = !report.measuredOn.empty();
  std::vector<std::string> head = {"#", "kind", "kernel", "programs", "bytes", "flops"};
  if (isMeasured) head.insert(head.end(), {"time", "memory", "arithmetic", "of roof", "bound by"});
  head.push_back("nodes");
  TextTable table(head);
  for (const StepReport& step : report.steps) {
    std::vector<std::string> cells = {std::to_string(step.index), std::string(static_cast<size_t>(2 * step.depth), ' ') + step.kind, step.kernel,
                                      step.programs ? std::to_string(*step.programs) : "", step.bytes ? bytesText(*step.bytes) : "",
                                      formatFlops(step.flops)};
    const MeasuredReport m = step.measured.value_or(MeasuredReport());
    if (isMeasured)
      cells.insert(cells.end(), {step.measured ? formatMilliseconds(m.ms) : "", formatBytesRate(m.bytesPerSecond), formatFlopsRate(m.flopsPerSecond),
                                 formatShare(m.share), m.bound});
    cells.push_back(join(step.nodes));
    table.add(std::move(cells));
  }
  return table.str();
}

std::string kernelsText(const PlanReport& report) {
  TextTable table({"kernel", "steps", "code", "computes"});
  for (const KernelReport& kernel : report.kernels) {
    std::vector<std::string> sizes;
    for (const auto& [isa, bytes] : kernel.codeBytes)
      sizes.push_back(isa + " " + bytesText(static_cast<int64_t>(bytes)));
    table.add({kernel.symbol, std::to_string(kernel.steps.size()), join(sizes), kernel.provenance});
  }
  return table.str();
}

std::string memoryText(const MemoryReport& memory) {
  std::string text = "  constants    " + bytesText(memory.constantBytes) + "\n";
  if (!memory.problem.empty()) return text + "  activations  unknown: " + memory.problem + "\n";
  text += "  activations  " + bytesText(memory.arenaBytes) + " in one arena (" + std::to_string(memory.arena.size()) +
          " values, " + bytesText(memory.separateBytes) + " if separate; most alive at once " +
          bytesText(memory.largestLiveBytes) + ")\n";
  return text + "  scratch      " + bytesText(memory.scratchBytes) + " per thread\n";
}

int countOf(const PlanReport& report, const std::string& isa, std::string_view format) {
  int count = 0;
  for (const CodeReport& code : report.code)
    if (code.isa == isa && code.format == format) count += code.count;
  return count;
}

nlohmann::ordered_json toJson(const ValueReport& value) {
  nlohmann::ordered_json json = {{"name", value.name}, {"dtype", value.dtype}, {"dims", value.dims}, {"shape", value.shape}, {"bytes", value.bytes}};
  if (!value.whole.empty()) json["whole"] = value.whole;
  return json;
}

nlohmann::ordered_json toJson(const ValueReport& value);
nlohmann::ordered_json toJson(const StepReport& step);
nlohmann::ordered_json toJson(const KernelReport& kernel);
nlohmann::ordered_json toJson(const CodeReport& code);
nlohmann::ordered_json toJson(const ArenaReport& entry);
nlohmann::ordered_json toJson(const MemoryReport& memory);

template <typename T>
nlohmann::ordered_json list(const std::vector<T>& items) {
  auto json = nlohmann::ordered_json::array();
  for (const T& item : items)
    json.push_back(toJson(item));
  return json;
}

nlohmann::ordered_json toJson(const StepReport& step) {
  nlohmann::ordered_json json = {{"index", step.index},   {"depth", step.depth},    {"name", step.name},
                                 {"kind", step.kind},     {"kernel", step.kernel},  {"nodes", step.nodes},
                                 {"inputs", step.inputs}, {"outputs", step.outputs},
                                 {"reads", step.reads}};
  if (step.inside >= 0) json["inside"] = step.inside;
  if (step.flops) json["flops"] = *step.flops;
  if (step.bytes) json["bytes"] = *step.bytes;
  if (step.programs) json["programs"] = *step.programs;
  if (const auto& m = step.measured) {
    json["ms"] = m->ms;
    if (m->bytesPerSecond) json["bytes_per_s"] = *m->bytesPerSecond;
    if (m->flopsPerSecond) json["flops_per_s"] = *m->flopsPerSecond;
    if (m->share) json["roof_share"] = *m->share;
    if (!m->bound.empty()) json["bound"] = m->bound;
  }
  if (step.sumOf) json["sum_of"] = *step.sumOf;
  if (!step.products.empty()) json["products"] = step.products;
  if (!step.problem.empty()) json["problem"] = step.problem;
  if (!step.choice.empty()) json["choice"] = step.choice;
  return json;
}

nlohmann::ordered_json toJson(const KernelReport& kernel) {
  return {{"symbol", kernel.symbol},
          {"provenance", kernel.provenance},
          {"steps", kernel.steps},
          {"code_bytes", kernel.codeBytes}};
}

nlohmann::ordered_json toJson(const CodeReport& code) {
  nlohmann::ordered_json json = {{"isa", code.isa}, {"format", code.format}, {"count", code.count}, {"bytes", code.bytes}};
  if (code.format == "cubin") json["texts"] = code.texts;
  return json;
}

nlohmann::ordered_json toJson(const ArenaReport& entry) {
  return {{"name", entry.name},
          {"offset", entry.offset},
          {"size", entry.size},
          {"first", entry.first},
          {"last", entry.last}};
}

nlohmann::ordered_json toJson(const MemoryReport& memory) {
  nlohmann::ordered_json json = {
      {"constant_bytes", memory.constantBytes},        {"arena_bytes", memory.arenaBytes},
      {"largest_live_bytes", memory.largestLiveBytes}, {"separate_bytes", memory.separateBytes},
      {"scratch_bytes", memory.scratchBytes},          {"timeline", list(memory.arena)}};
  if (!memory.problem.empty()) json["problem"] = memory.problem;
  return json;
}

} // namespace

std::string toText(const PlanReport& report) {
  std::string text = (report.name.empty() ? "plan" : report.name) + "  for " + report.target + ", by " +
                     report.producer + ", format " + std::to_string(report.version) + "\n";
  if (!report.ranks.empty()) text += "of a mesh of ranks: " + report.ranks + "\n";
  if (!report.sizes.empty()) {
    text += "sizes below are for";
    for (const auto& [name, value] : report.sizes)
      text += " " + name + "=" + std::to_string(value);
    text += " (--dim changes them)\n";
  }
  if (!report.measuredOn.empty()) text += "times are those of " + report.measuredOn + "\n";
  text += "\ninputs\n";
  for (const ValueReport& value : report.inputs)
    text += "  " + valueText(value) + "\n";
  text += "\noutputs\n";
  for (const ValueReport& value : report.outputs)
    text += "  " + valueText(value) + "\n";
  text += "\nsteps (" + std::to_string(report.steps.size()) + ")\n" + stepsText(report);
  text += "\nkernels (" + std::to_string(report.kernels.size()) + ")\n" + kernelsText(report);
  text += "\nmemory\n" + memoryText(report.memory);
  text += "\ncode\n";
  for (const CodeReport& code : report.code) {
    const std::string count = code.format == "elf" ? "" : std::to_string(code.count) + " "; // of ELF one holds all kernels
    text += "  " + code.isa + "  " + count + code.format + "  " + bytesText(static_cast<int64_t>(code.bytes));
    text += code.format == "cubin" ? ", for " + std::to_string(code.texts) + " of " + std::to_string(countOf(report, code.isa, "cuda")) + " texts\n" : "\n";
  }
  return text;
}

nlohmann::ordered_json toJson(const PlanReport& report) {
  nlohmann::ordered_json json = {{"name", report.name},
                                 {"producer", report.producer},
                                 {"target", report.target},
                                 {"version", report.version},
                                 {"path", report.path},
                                 {"options", report.options},
                                 {"metadata", report.metadata},
                                 {"sizes", report.sizes},
                                 {"inputs", list(report.inputs)},
                                 {"outputs", list(report.outputs)},
                                 {"steps", list(report.steps)},
                                 {"kernels", list(report.kernels)},
                                 {"code", list(report.code)},
                                 {"constants", list(report.constants)},
                                 {"memory", toJson(report.memory)}};
  if (!report.ranks.empty()) json["ranks"] = report.ranks;
  if (!report.measuredOn.empty()) json["measured_on"] = report.measuredOn;
  if (report.compile) {
    auto& compile = json["compile"];
    compile["stages"] = nlohmann::ordered_json::array();
    for (const auto& [stage, ms] : report.compile->stages)
      compile["stages"].push_back({{"stage", stage}, {"ms", ms}});
    compile["passes"] = report.compile->passes;
    compile["remarks"] = report.compile->remarks;
    if (!report.compile->graph.is_null()) compile["graph"] = report.compile->graph;
  }
  return json;
}

} // namespace jinx::tools
