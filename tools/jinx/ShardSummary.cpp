#include "tools/jinx/ShardSummary.h"

#include "tools/common/Roofline.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {
namespace {

/// Collectives of one kind over one group.
struct Kind {
  int64_t times = 0;
  double bytes = 0, wireBytes = 0;
  std::vector<std::string> nodes;
};

std::string listed(const std::vector<std::string>& nodes) {
  constexpr size_t kMost = 3;
  std::string text;
  for (size_t i = 0; i < nodes.size() && i < kMost; ++i)
    text += (i ? ", " : "") + nodes[i];
  return nodes.size() > kMost ? text + ", … and " + std::to_string(nodes.size() - kMost) + " more" : text;
}

std::map<std::string, Kind> kindsOf(const driver::RankFigures& figures) {
  std::map<std::string, Kind> kinds;
  for (const driver::CollectiveFigure& collective : figures.collectives) {
    Kind& kind = kinds[std::string(comm::nameOf(collective.op)) + " over " + collective.axes];
    ++kind.times;
    kind.bytes += collective.bytes;
    kind.wireBytes += collective.wireBytes;
    kind.nodes.push_back(collective.node);
  }
  return kinds;
}

/// How long stages that take equally long stand still (runtime/comm/model/PipelineSchedules.h).
std::string pipelineText(size_t stages, int64_t microbatches) {
  if (stages < 2) return "";
  const double idle = double(stages - 1) / double(microbatches + int64_t(stages) - 1);
  return "  " + std::to_string(stages) + " stages, " + std::to_string(microbatches) + (microbatches == 1 ? " microbatch" : " microbatches") + ": a stage stands still for " +
         formatNumber(idle * 100, 3) + " % of a call, if all take equally long\n";
}

} // namespace

std::string rankTables(const std::vector<driver::RankFigures>& stages, int64_t microbatches) {
  const bool hasStages = stages.size() > 1;
  TextTable memory({hasStages ? "a rank of" : "each rank has", "weights", "inputs", "outputs", "activations", "flops a call"});
  std::set<std::string> assumed;
  std::vector<std::pair<std::string, Kind>> kinds;
  for (size_t s = 0; s < stages.size(); ++s) {
    const driver::RankFigures& figures = stages[s];
    const std::string stage = hasStages ? "stage " + std::to_string(s) : "";
    memory.add({stage, formatBytes(figures.weightBytes), formatBytes(figures.inputBytes), formatBytes(figures.outputBytes), formatBytes(figures.activationBytes),
                formatFlops(int64_t(figures.flops))});
    assumed.insert(figures.assumed.begin(), figures.assumed.end());
    for (auto& [name, kind] : kindsOf(figures))
      kinds.emplace_back(hasStages ? stage + ": " + name : name, std::move(kind));
  }
  std::string text = memory.str() + pipelineText(stages.size(), microbatches);
  if (!assumed.empty()) {
    std::string names;
    for (const std::string& name : assumed)
      names += (names.empty() ? "" : ", ") + name;
    text += "  (sizes without a value are 1: " + names + "; --dim NAME=VALUE gives them one)\n";
  }
  if (kinds.empty()) return text + "  ranks send each other nothing\n";
  TextTable wire({"a call sends", "times", "bytes", "on the wire", "nodes"});
  for (const auto& [name, kind] : kinds)
    wire.add({name, std::to_string(kind.times), formatBytes(kind.bytes), formatBytes(kind.wireBytes), listed(kind.nodes)});
  return text + wire.str();
}

std::string notesText(const std::vector<passes::RuleNote>& notes) {
  std::string text;
  for (const passes::RuleNote& note : notes)
    if (!note.isSplit) text += "  " + note.node + ": " + note.text + "\n";
  return text;
}

} // namespace jinx::tools
