#include "runtime/comm/model/PipelineSchedules.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace jinx::comm::model {
namespace {

constexpr char letterOf(Work work) { return "FBIW"[static_cast<size_t>(work)]; }

Expected<Schedule> begun(const std::string& name, int stages, int microbatches, int chunks = 1) {
  for (const auto& [count, what] : {std::pair{stages, "stages"}, {microbatches, "microbatches"}, {chunks, "chunks"}})
    if (count < 1) return invalidArgument(name + ": got " + std::to_string(count) + " " + what + ", expected at least 1");
  return Schedule{name, stages, microbatches, chunks, std::vector<std::vector<Piece>>(static_cast<size_t>(stages))};
}

/// The k-th pass of a stage with chunks: p microbatches of the first chunk, the same of the next one, …, then the next p microbatches.
Piece turn(const Schedule& s, int k, bool isForward) {
  const int round = k / (s.stages * s.chunks), within = k % (s.stages * s.chunks);
  const int chunk = within / s.stages;
  return {isForward ? Work::kForward : Work::kBackward, round * s.stages + within % s.stages, isForward ? chunk : s.chunks - 1 - chunk};
}

}  // namespace

std::string pieceText(const Schedule& schedule, const Piece& piece) {
  return letterOf(piece.work) + std::to_string(piece.microbatch) + (schedule.chunks > 1 ? "." + std::to_string(piece.chunk) : "");
}

std::string tableText(const Schedule& schedule) {
  std::string text;
  for (size_t stage = 0; stage < schedule.rows.size(); ++stage) {
    text += "stage " + std::to_string(stage) + ":";
    for (const Piece& piece : schedule.rows[stage])
      text += " " + pieceText(schedule, piece);
    text += "\n";
  }
  return text;
}

Expected<Schedule> gpipe(int stages, int microbatches) {
  JINX_TRY_ASSIGN(Schedule s, begun("GPipe", stages, microbatches));
  for (auto& row : s.rows) {
    for (int k = 0; k < microbatches; ++k)
      row.push_back({Work::kForward, k, 0});
    for (int k = microbatches - 1; k >= 0; --k)
      row.push_back({Work::kBackward, k, 0});
  }
  return s;
}

Expected<Schedule> interleaved(int stages, int microbatches, int chunks) {
  JINX_TRY_ASSIGN(Schedule s, begun(chunks == 1 ? "1F1B" : "interleaved 1F1B", stages, microbatches, chunks));
  if (chunks > 1 && microbatches % stages != 0)
    return invalidArgument("interleaved: got " + std::to_string(microbatches) + " microbatches on " + std::to_string(stages) +
                           " stages, expected a multiple; change the number of microbatches, or take 1F1B");
  const int passes = microbatches * chunks;
  for (int stage = 0; stage < stages; ++stage) {
    auto& row = s.rows[static_cast<size_t>(stage)];
    // With one chunk each later stage begins one pass later; with several it has a whole round of each chunk in front, and two ways to go.
    const int early = std::min(passes, chunks == 1 ? stages - 1 - stage : 2 * (stages - 1 - stage) + (chunks - 1) * stages);
    for (int k = 0; k < early; ++k)
      row.push_back(turn(s, k, true));
    for (int k = 0; k < passes; ++k) {
      if (early + k < passes) row.push_back(turn(s, early + k, true));
      row.push_back(turn(s, k, false));
    }
  }
  return s;
}

Expected<Schedule> oneForwardOneBackward(int stages, int microbatches) { return interleaved(stages, microbatches, 1); }

Expected<Schedule> zeroBubbleH1(int stages, int microbatches) {
  JINX_TRY_ASSIGN(Schedule s, begun("ZB-H1", stages, microbatches));
  for (int stage = 0; stage < stages; ++stage) {
    auto& row = s.rows[static_cast<size_t>(stage)];
    const int early = std::min(microbatches, stages - 1 - stage);
    for (int k = 0; k < early; ++k)
      row.push_back({Work::kForward, k, 0});
    int weights = 0;
    for (int k = 0; k < microbatches; ++k) {
      if (early + k < microbatches) row.push_back({Work::kForward, early + k, 0});
      row.push_back({Work::kInputGradient, k, 0});
      // A later stage holds less, so that it may put off as many weights' gradients as it is late; they fill the end.
      if (k >= stage) row.push_back({Work::kWeightGradient, weights++, 0});
    }
    while (weights < microbatches)
      row.push_back({Work::kWeightGradient, weights++, 0});
  }
  return s;
}

Expected<Schedule> forwardOnly(int stages, int microbatches) {
  JINX_TRY_ASSIGN(Schedule s, begun("forward", stages, microbatches));
  for (auto& row : s.rows)
    for (int k = 0; k < microbatches; ++k)
      row.push_back({Work::kForward, k, 0});
  return s;
}

Status checkSchedule(const Schedule& schedule) {
  const std::string who = "schedule " + schedule.name + ": ";
  if (static_cast<int>(schedule.rows.size()) != schedule.stages)
    return invalidArgument(who + "got " + std::to_string(schedule.rows.size()) + " rows, expected one for each of " + std::to_string(schedule.stages) +
                           " stages");
  std::string kinds;  // of the first stage's first part; all others must have the same
  for (size_t stage = 0; stage < schedule.rows.size(); ++stage) {
    std::map<std::pair<int, int>, std::string> found;
    for (const Piece& piece : schedule.rows[stage]) {
      if (piece.microbatch < 0 || piece.microbatch >= schedule.microbatches || piece.chunk < 0 || piece.chunk >= schedule.chunks)
        return invalidArgument(who + "stage " + std::to_string(stage) + " has " + pieceText(schedule, piece) + ", expected microbatches below " +
                               std::to_string(schedule.microbatches) + " and chunks below " + std::to_string(schedule.chunks));
      found[{piece.microbatch, piece.chunk}] += letterOf(piece.work);
    }
    for (int microbatch = 0; microbatch < schedule.microbatches; ++microbatch)
      for (int chunk = 0; chunk < schedule.chunks; ++chunk) {
        std::string& passes = found[{microbatch, chunk}];
        std::sort(passes.begin(), passes.end());
        if (kinds.empty()) kinds = passes;
        if (passes == kinds && (passes == "F" || passes == "BF" || passes == "FIW")) continue;
        return invalidArgument(who + "stage " + std::to_string(stage) + " has passes \"" + passes + "\" of microbatch " + std::to_string(microbatch) +
                               ", chunk " + std::to_string(chunk) + ", expected F, or F and B, or F, I and W, each once and the same on all stages");
      }
  }
  return Status::ok();
}

int mostHeld(const Schedule& schedule, int stage) {
  const std::vector<Piece>& row = schedule.rows[static_cast<size_t>(stage)];
  const auto has = [&](Work work) { return std::any_of(row.begin(), row.end(), [&](const Piece& piece) { return piece.work == work; }); };
  const Work last = has(Work::kWeightGradient) ? Work::kWeightGradient : has(Work::kBackward) ? Work::kBackward : Work::kForward;
  int held = 0, most = 0;
  for (const Piece& piece : row) {
    if (piece.work == Work::kForward) most = std::max(most, ++held);
    if (piece.work == last) --held;
  }
  return most;
}

}  // namespace jinx::comm::model
