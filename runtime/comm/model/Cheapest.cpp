#include "runtime/comm/model/Cheapest.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

constexpr int kLastPower = 40;      // 1 TiB
constexpr int kLooksPerPower = 8;

/// Seconds with the fastest protocol; none where there is no such algorithm.
std::optional<double> secondsOf(const Network& network, Op op, const Group& group, Algorithm algorithm, int64_t bytes) {
  std::optional<double> best;
  for (int p = 0; p < kNumProtocols; ++p)
    if (const auto line = lineOf(network, op, group, algorithm, static_cast<Protocol>(p), static_cast<double>(bytes)))
      best = std::min(best.value_or(INFINITY), line->at(static_cast<double>(bytes)));
  return best;
}

std::string nameAndTime(const Cost& cost, bool withProtocol) {
  std::string text(nameOf(cost.algorithm));
  if (withProtocol) text += " (" + std::string(nameOf(cost.protocol)) + ")";
  return text + " " + secondsText(cost.seconds);
}

/// Where `bytes` lies among the crossovers of the two fastest.
std::string place(const std::vector<int64_t>& sizes, const Choice& choice, double bytes) {
  const std::string size = bytesText(bytes), winner(nameOf(choice.best.algorithm));
  if (sizes.empty()) return winner + " is the faster one of the two at every size";
  const auto next = std::upper_bound(sizes.begin(), sizes.end(), static_cast<int64_t>(bytes));
  if (next == sizes.begin()) return size + " is below the crossover of " + bytesText(static_cast<double>(sizes.front()));
  const std::string last = bytesText(static_cast<double>(*(next - 1)));
  if (next == sizes.end()) return size + " is above the crossover of " + last;
  return size + " is between the crossovers of " + last + " and " + bytesText(static_cast<double>(*next));
}

} // namespace

std::optional<double> crossover(const Line& a, const Line& b) {
  const double slope = 1 / b.bandwidth - 1 / a.bandwidth;
  if (slope == 0) return std::nullopt;
  const double bytes = (a.latency - b.latency) / slope;
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

std::vector<int64_t> crossings(const Network& network, Op op, const Group& group, Algorithm a, Algorithm b) {
  const auto isFirstFaster = [&](int64_t bytes) -> std::optional<bool> {
    const auto first = secondsOf(network, op, group, a, bytes), second = secondsOf(network, op, group, b, bytes);
    if (!first || !second) return std::nullopt;
    return *first < *second;
  };
  std::vector<int64_t> sizes;
  int64_t last = 1;
  std::optional<bool> before = isFirstFaster(last);
  for (int look = 1; before && look <= kLastPower * kLooksPerPower; ++look) {
    const int64_t here = std::llround(std::exp2(static_cast<double>(look) / kLooksPerPower));
    if (isFirstFaster(here) != before) {
      int64_t low = last, high = here;  // the order at `low` is the old one, at `high` the new one
      while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        (isFirstFaster(middle) == before ? low : high) = middle;
      }
      sizes.push_back(high);
      before = !*before;
    }
    last = here;
  }
  return sizes;
}

std::string fasterText(const Network& network, Op op, const Group& group, Algorithm a, Algorithm b) {
  const auto first = secondsOf(network, op, group, a, 1), second = secondsOf(network, op, group, b, 1);
  if (!first || !second) return "no choice";
  std::string_view faster = nameOf(a), other = nameOf(b);
  if (!(*first < *second)) std::swap(faster, other);
  const std::vector<int64_t> sizes = crossings(network, op, group, a, b);
  if (sizes.empty()) return std::string(faster) + " at every size";
  std::string text;
  for (size_t i = 0; i < sizes.size(); ++i) {
    text += std::string(faster) + (i == 0 ? " below " : " to ") + bytesText(static_cast<double>(sizes[i])) + ", ";
    std::swap(faster, other);
  }
  return text + std::string(faster) + " above";
}

Expected<Choice> cheapest(const Network& network, Op op, const Group& group, double bytes) {
  Choice choice;
  JINX_TRY_ASSIGN(choice.candidates, costsOf(network, op, group, bytes));
  choice.best = choice.candidates.front();
  if (group.ranks == 1) {
    choice.why = "one rank: nothing moves";
    return choice;
  }
  const bool hasProtocols = std::count(network.hasProtocol.begin(), network.hasProtocol.end(), true) > 1;
  for (const Cost& cost : choice.candidates)
    choice.why += (choice.why.empty() ? "" : ", ") + nameAndTime(cost, hasProtocols);
  choice.why += ": ";
  if (choice.candidates.size() == 1)
    choice.why += "no other algorithm has " + std::string(nameOf(op)) + " here";
  else
    choice.why += place(crossings(network, op, group, choice.candidates[0].algorithm, choice.candidates[1].algorithm), choice, bytes);
  return choice;
}

} // namespace jinx::comm::model
