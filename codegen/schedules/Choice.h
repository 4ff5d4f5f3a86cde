// Which sizes does a schedule give its kernel, where several would do?
//
// A schedule that has a choice names its problem, so that equal problems have equal texts, and lists its candidates, each as a text with a cost: an
// estimate of the time, in units of the schedule's own, of which only the order counts. The cheapest is taken, unless someone has measured that
// problem and says which is (`jinx tune`): then that one, if it is a candidate still.
//
//   problem     wgmma f16 x f16 -> f16, m=4096 n=4096 k=4096 matrices=1 epilogue=12
//   candidates  tile=128x256 stages=4 cluster=2x1 consumers=2 band=8m    1.2e9
//               tile=256x128 stages=4 cluster=1x2 consumers=2 band=8m    1.3e9
//
// An extent that is known only when the model runs is "?" in a problem: one kernel serves all.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/SizeExpr.h"

namespace jinx::schedules {

/// What was measured: the choice for each problem.
using MeasuredChoices = std::map<std::string, std::string>;

/// A choice as it was made.
struct Question {
  struct Candidate {
    std::string choice;
    double cost = 0;
  };
  std::string problem;
  std::vector<Candidate> candidates;  ///< cheapest first, each choice once
  size_t taken = 0;
  bool isMeasured = false;            ///< someone said which to take
  std::string unknown;                ///< what was measured and is no candidate; empty in all other cases
};

/// "4096", or "?" of a size that is not known yet.
inline std::string textOf(const SizeExpr &size) {
  auto constant = size.constant();
  return constant ? std::to_string(*constant) : "?";
}

/// The candidates of a problem.
template <typename T>
class Choice {
 public:
  /// One with the text of an earlier one is left out.
  void add(T value, std::string text, double cost) {
    for (const Entry &entry : entries_)
      if (entry.text == text) return;
    entries_.push_back({std::move(value), std::move(text), cost});
  }

  /// Takes one, and says so in `question`. Of equal cost the first that was added. There is one at least.
  /// \param measured  may be null
  T take(std::string problem, const MeasuredChoices *measured, std::optional<Question> &question) {
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry &a, const Entry &b) { return a.cost < b.cost; });
    Question &q = question.emplace();
    q.problem = std::move(problem);
    for (const Entry &entry : entries_) q.candidates.push_back({entry.text, entry.cost});
    if (auto known = measured ? measured->find(q.problem) : MeasuredChoices::const_iterator(); measured && known != measured->end()) {
      auto place = std::find_if(entries_.begin(), entries_.end(), [&](const Entry &entry) { return entry.text == known->second; });
      if (place == entries_.end()) q.unknown = known->second;
      q.isMeasured = place != entries_.end();
      q.taken = q.isMeasured ? size_t(place - entries_.begin()) : 0;
    }
    return entries_[q.taken].value;
  }

 private:
  struct Entry {
    T value;
    std::string text;
    double cost;
  };
  std::vector<Entry> entries_;
};

}  // namespace jinx::schedules
