#include "runtime/comm/model/TimelineText.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <vector>

#include "runtime/comm/model/CollectiveCost.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
    out += escaped;
  }
  return out + '"';
}

/// The lines of a trace.
class Events {
 public:
  void add(const std::string& line) { json_ += (json_.empty() ? "" : ",\n") + line; }
  std::string text() const { return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + json_ + "\n]}\n"; }

  void nameOf(const char* what, int rank, int stream, const std::string& name) {
    add("{\"ph\":\"M\",\"pid\":" + std::to_string(rank) + ",\"tid\":" + std::to_string(stream) + ",\"name\":\"" + what +
        "\",\"args\":{\"name\":" + quote(name) + "}}");
  }

 private:
  std::string json_;
};

std::string microseconds(double seconds) { return fixedText(seconds * 1e6, 3); }

const Program& programOf(const World& world, const ClassTimeline& one) {
  return world.programs[static_cast<size_t>(world.ranks[static_cast<size_t>(one.rank)].program)];
}

std::string likeIt(const ClassTimeline& one) { return one.ranks > 1 ? " and " + std::to_string(one.ranks - 1) + " like it" : ""; }

void addClass(const World& world, const ClassTimeline& one, Events& events) {
  const Program& program = programOf(world, one);
  const Rank& rank = world.ranks[static_cast<size_t>(one.rank)];
  events.nameOf("process_name", one.rank, 0, "rank " + std::to_string(one.rank) + likeIt(one) + ": " + program.name);
  std::set<int> streams;
  for (const Task& task : program.tasks)
    streams.insert(task.stream);
  for (int stream : streams)
    events.nameOf("thread_name", one.rank, stream, stream == 0 ? "compute" : "communication " + std::to_string(stream));
  for (size_t t = 0; t < program.tasks.size(); ++t) {
    const Task& task = program.tasks[t];
    const std::string group = task.use ? world.groups[static_cast<size_t>(rank.groups[static_cast<size_t>(task.slot)])] : "";
    events.add("{\"ph\":\"X\",\"pid\":" + std::to_string(one.rank) + ",\"tid\":" + std::to_string(task.stream) + ",\"ts\":" + microseconds(one.begin[t]) +
               ",\"dur\":" + microseconds(one.end[t] - one.begin[t]) + ",\"name\":" + quote(task.name) + ",\"cat\":" +
               quote(task.use ? std::string(nameOf(*task.use)) : "compute") + ",\"args\":{\"task\":" + std::to_string(t) + ",\"group\":" + quote(group) + "}}");
  }
  for (const auto& [when, bytes] : memoryOverTime(program, one))
    events.add("{\"ph\":\"C\",\"pid\":" + std::to_string(one.rank) + ",\"ts\":" + microseconds(when) +
               ",\"name\":\"memory\",\"args\":{\"bytes\":" + std::to_string(bytes) + "}}");
}

std::string percent(double part, double whole) { return fixedText(whole > 0 ? 100 * part / whole : 0, 1) + " %"; }

}  // namespace

std::string toChromeTrace(const World& world, const Timeline& timeline, int mostClasses) {
  Events events;
  for (size_t c = 0; c < timeline.classes.size() && static_cast<int>(c) < mostClasses; ++c)
    addClass(world, timeline.classes[c], events);
  return events.text();
}

std::string toTable(const World& world, const Timeline& timeline) {
  using Row = std::array<std::string, 7>;
  std::vector<Row> rows = {{"rank", "like it", "program", "computes", "exposed", "idle", "peak"}};
  for (const ClassTimeline& one : timeline.classes)
    rows.push_back({std::to_string(one.rank), std::to_string(one.ranks - 1), programOf(world, one).name, percent(one.busy, timeline.makespan),
                    percent(one.exposed, timeline.makespan), percent(one.idle, timeline.makespan), bytesText(static_cast<double>(one.peakBytes))});
  std::array<size_t, 7> widths{};
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(i + 1 < row.size() ? widths[i] - row[i].size() + 2 : 0, ' ');
    text += line + "\n";
  }
  return text + "all of it takes " + secondsText(timeline.makespan) + "; ranks compute " + percent(1 - timeline.bubble(), 1) + " of it\n";
}

}  // namespace jinx::comm::model
