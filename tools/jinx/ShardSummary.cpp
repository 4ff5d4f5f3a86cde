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

} // namespace

std::string rankTables(const driver::RankFigures& figures) {
  TextTable memory({"each rank has", "weights", "inputs", "outputs", "activations", "flops a call"});
  memory.add({"", formatBytes(figures.weightBytes), formatBytes(figures.inputBytes), formatBytes(figures.outputBytes), formatBytes(figures.activationBytes),
              formatFlops(int64_t(figures.flops))});
  std::string text = memory.str();
  if (!figures.assumed.empty()) {
    std::string names;
    for (const std::string& name : figures.assumed)
      names += (names.empty() ? "" : ", ") + name;
    text += "  (sizes without a value are 1: " + names + "; --dim NAME=VALUE gives them one)\n";
  }
  if (figures.collectives.empty()) return text + "  ranks send each other nothing\n";
  std::map<std::string, Kind> kinds;
  for (const driver::CollectiveFigure& collective : figures.collectives) {
    Kind& kind = kinds[std::string(comm::nameOf(collective.op)) + " over " + collective.axes];
    ++kind.times;
    kind.bytes += collective.bytes;
    kind.wireBytes += collective.wireBytes;
    kind.nodes.push_back(collective.node);
  }
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
