#include "tools/common/loadgen/Figures.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "tools/common/Statistics.h"

namespace jinx::loadgen {
namespace {

std::optional<double> secondsOf(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && value > 0 && std::isfinite(value);
  return good ? std::optional(value) : std::nullopt;
}

/// Adds what the client saw of a completed request.
struct Samples {
  std::vector<double> ttft_s, tpot_s, itl_s, e2e_s;

  void add(const Record& record) {
    if (record.ttft_s >= 0) ttft_s.push_back(record.ttft_s);
    if (const double tpot = record.tpot_s(); tpot >= 0) tpot_s.push_back(tpot);
    itl_s.insert(itl_s.end(), record.gaps_s.begin(), record.gaps_s.end());
    e2e_s.push_back(record.e2e_s);
  }
};

} // namespace

Distribution distributionOf(std::vector<double> samples_s) {
  if (samples_s.empty()) return {};
  std::ranges::sort(samples_s); // percentile() sorts again, which is quick for what is sorted
  const double sum = std::accumulate(samples_s.begin(), samples_s.end(), 0.0);
  return {samples_s.size(), sum / static_cast<double>(samples_s.size()), tools::percentile(samples_s, 50), tools::percentile(samples_s, 90), tools::percentile(samples_s, 99)};
}

bool GoodputLimits::keeps(const Record& record) const {
  const auto within = [](double value, const std::optional<double>& limit) { return !limit || value <= *limit; };
  const bool hasFirst = record.ttft_s >= 0 || !ttft_s;
  return record.isCompleted() && hasFirst && within(record.ttft_s, ttft_s) && within(record.tpot_s(), itl_s) && within(record.e2e_s, e2e_s);
}

Expected<GoodputLimits> parseGoodput(std::string_view text) {
  GoodputLimits limits;
  while (true) {
    const std::string_view part = text.substr(0, text.find(','));
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    std::optional<double>* limit = name == "ttft" ? &limits.ttft_s : name == "itl" ? &limits.itl_s : name == "e2e" ? &limits.e2e_s : nullptr;
    const std::optional<double> value = secondsOf(part.substr(std::min(equals + 1, part.size())));
    if (!limit || *limit || !value) return invalidArgument("'" + std::string(part) + "' is no limit, expected ttft=SECONDS, itl=SECONDS, e2e=SECONDS, each at most once");
    *limit = value;
    if (part.size() == text.size()) return limits;
    text.remove_prefix(part.size() + 1);
  }
}

Figures figuresOf(const std::vector<Record>& records, const GoodputLimits& limits) {
  Figures figures;
  figures.limits = limits;
  figures.requests = records.size();
  Samples samples;
  for (const Record& record : records) {
    figures.latest_s = std::max(figures.latest_s, record.late_s);
    figures.duration_s = std::max(figures.duration_s, record.at_s + record.e2e_s);
    if (record.failure == "429") ++figures.rejected;
    else if (!record.isCompleted()) ++figures.failures[record.failure];
    if (!record.isCompleted()) continue;
    ++figures.completed;
    figures.withoutUsage += !record.hasUsage;
    figures.good += limits.keeps(record);
    figures.promptTokens += record.promptTokens;
    figures.outputTokens += record.outputTokens;
    figures.cachedTokens += record.cachedTokens;
    samples.add(record);
  }
  figures.ttft_s = distributionOf(std::move(samples.ttft_s));
  figures.tpot_s = distributionOf(std::move(samples.tpot_s));
  figures.itl_s = distributionOf(std::move(samples.itl_s));
  figures.e2e_s = distributionOf(std::move(samples.e2e_s));
  return figures;
}

} // namespace jinx::loadgen
