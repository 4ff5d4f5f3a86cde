// Chrome's trace events: an array of complete events ("X"), microseconds. A thread for each request, with what its connection does, and one for each of its choices:
// the spans of one thread nest.
#include <fstream>
#include <memory>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "runtime/serve/Tracer.h"

namespace jinx::serve {
namespace {

class ChromeTrace {
 public:
  explicit ChromeTrace(const std::string& path) : file_(path, std::ios::binary) { file_ << "[\n"; }
  bool isOpen() const { return file_.good(); }

  void write(const std::vector<Span>& spans, bool isLast) {
    for (const Span& span : spans)
      write(span);
    if (isLast) file_ << "\n]\n";
    file_.flush();
  }

 private:
  void write(const Span& span) {
    const std::string name = span.choice < 0 ? span.request : span.request + " choice " + std::to_string(span.choice);
    const auto [row, isNew] = rows_.try_emplace(name, lastRow_ + 1);
    if (isNew) ++lastRow_;
    if (isNew) put({{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", row->second}, {"args", {{"name", name}}}});
    nlohmann::json values = nlohmann::json::object();
    for (const auto& [key, value] : span.values)
      std::visit([&values, &key](const auto& known) { values[key] = known; }, value);
    if (!span.error.empty()) values["error"] = span.error;
    put({{"name", span.name}, {"ph", "X"}, {"pid", 1}, {"tid", row->second}, {"ts", span.begin_s * 1e6},
         {"dur", (span.end_s - span.begin_s) * 1e6}, {"args", std::move(values)}});
    // Rows are for requests at hand: a server that runs for weeks must not keep them all.
    if (rows_.size() > kMostRows) rows_.clear();
  }
  void put(const nlohmann::json& event) {
    file_ << (isFirst_ ? "" : ",\n") << event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    isFirst_ = false;
  }

  static constexpr size_t kMostRows = 100000;
  std::ofstream file_;
  std::unordered_map<std::string, size_t> rows_;
  size_t lastRow_ = 0;
  bool isFirst_ = true;
};

} // namespace

Expected<SpanWriter> chromeTraceWriter(const std::string& path) {
  auto trace = std::make_shared<ChromeTrace>(path);
  if (!trace->isOpen()) return resourceError("cannot write the trace to " + path);
  return SpanWriter([trace](const std::vector<Span>& spans, bool isLast) { trace->write(spans, isLast); });
}

} // namespace jinx::serve
