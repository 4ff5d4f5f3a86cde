#include "runtime/engine/Speculation.h"

#include <algorithm>
#include <cassert>

namespace jinx::engine {

int32_t PromptLookup::propose(std::span<const int32_t> tokens, int32_t count, std::vector<int32_t>& drafts) const {
  if (tokens.size() > static_cast<size_t>(window)) tokens = tokens.last(static_cast<size_t>(window));
  const int64_t size = static_cast<int64_t>(tokens.size());
  int64_t bestEnd = -1, best = minMatch - 1;
  // `end` is where an earlier match of the last tokens ends, and what followed begins.
  for (int64_t end = size - 1; end > 0 && best < maxMatch; --end) {
    int64_t length = 0;
    while (length < maxMatch && length < end && tokens[end - 1 - length] == tokens[size - 1 - length])
      ++length;
    if (length > best) {
      best = length;
      bestEnd = end;
    }
  }
  if (bestEnd < 0) return 0;
  const size_t first = drafts.size();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = bestEnd + i;
    drafts.push_back(from < size ? tokens[from] : drafts[first + static_cast<size_t>(from - size)]);
  }
  return count;
}

void DraftControl::record(int32_t drafts, int32_t accepted) {
  if (pause_ > 0) --pause_;
  drafts_ += drafts;
  accepted_ += accepted;
  if (drafts_ < kSample) return;
  if (accepted_ * kWorthOneIn < drafts_) pause_ = kPause;
  drafts_ = accepted_ = 0;
}

DraftVerdict acceptDraft(std::span<const double> p, std::span<const double> q, int32_t draft, double u, double v) {
  assert(p.size() == q.size() && q[draft] > 0);
  if (u * q[draft] < p[draft]) return {draft, true};
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i)
    total += std::max(p[i] - q[i], 0.0);
  const bool isResidual = total > 0;
  if (!isResidual)
    for (double probability : p)
      total += probability;
  int32_t last = draft;
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double weight = isResidual ? std::max(p[i] - q[i], 0.0) : p[i];
    if (weight <= 0) continue;
    last = static_cast<int32_t>(i);
    sum += weight;
    if (v * total < sum) break;
  }
  return {last, false};
}

} // namespace jinx::engine
