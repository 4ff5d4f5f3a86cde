#include "runtime/comm/model/PipelineWorld.h"

#include <map>
#include <tuple>
#include <utility>

namespace jinx::comm::model {
namespace {

enum Stream { kCompute, kSendActivation, kReceiveActivation, kSendGradient, kReceiveGradient, kOverParts, kOverReplicas };
/// A stage's groups: with the stage before and after it, a way each.
enum Slot { kFromBefore, kToBefore, kToNext, kFromNext, kParts, kReplicas, kNumSlots };

/// One stage's program.
class StageWriter {
 public:
  StageWriter(const Schedule& schedule, const PipelineCosts& costs, const PipelineMesh& mesh, int stage)
      : schedule_(schedule), costs_(costs), mesh_(mesh), stage_(stage) {}

  Program write() {
    program_.name = "stage " + std::to_string(stage_);
    receive();
    for (const Piece& piece : row(stage_))
      compute(piece);
    lookUp();
    if (costs_.gradientReduce > 0 && mesh_.data > 1 && isTrained())
      program_.tasks.push_back({.name = "reduce gradients",
                                .use = Op::kAllReduce,
                                .slot = kReplicas,
                                .stream = kOverReplicas,
                                .seconds = costs_.gradientReduce,
                                .after = {lastPiece_}});
    return std::move(program_);
  }

 private:
  const std::vector<Piece>& row(int stage) const { return schedule_.rows[static_cast<size_t>(stage)]; }
  int part(const Piece& piece, int stage) const { return piece.chunk * schedule_.stages + stage; }
  bool isForward(const Piece& piece) const { return piece.work == Work::kForward; }
  bool isGradient(const Piece& piece) const { return piece.work == Work::kBackward || piece.work == Work::kInputGradient; }
  /// Whether the result of a piece of a stage goes to another rank.
  bool leaves(const Piece& piece, int stage) const {
    if (schedule_.stages == 1) return false;
    if (isForward(piece)) return part(piece, stage) + 1 < schedule_.stages * schedule_.chunks;
    return isGradient(piece) && part(piece, stage) > 0;
  }

  /// What neighbours send, in their order.
  void receive() {
    const int before = (stage_ + schedule_.stages - 1) % schedule_.stages, next = (stage_ + 1) % schedule_.stages;
    for (const Piece& piece : row(before))
      if (isForward(piece) && leaves(piece, before)) receiveOne(piece, part(piece, before) + 1, kFromBefore, kReceiveActivation);
    for (const Piece& piece : row(next))
      if (isGradient(piece) && leaves(piece, next)) receiveOne(piece, part(piece, next) - 1, kFromNext, kReceiveGradient);
  }

  void receiveOne(const Piece& piece, int part, Slot slot, Stream stream) {
    Piece mine = piece;
    mine.chunk = part / schedule_.stages;
    came_[{isForward(piece) ? kActivation : kGradient, piece.microbatch, mine.chunk}] = static_cast<int>(program_.tasks.size());
    program_.tasks.push_back(
        {.name = "receive for " + pieceText(schedule_, mine), .use = Op::kRecv, .slot = slot, .stream = stream, .seconds = costs_.transfer});
  }

  double secondsOf(Work work) const {
    switch (work) {
    case Work::kForward:
      return costs_.forwards.empty() ? costs_.forward : costs_.forwards[static_cast<size_t>(stage_)];
    case Work::kBackward:
      return costs_.inputGradient + costs_.weightGradient;
    case Work::kInputGradient:
      return costs_.inputGradient;
    case Work::kWeightGradient:
      return costs_.weightGradient;
    }
    return 0;
  }

  /// What a pass reads of this rank and of neighbours. It is looked up when all is written: in a bad table it may come later.
  void addInputs(int task, const Piece& piece) {
    const bool forward = isForward(piece);
    const auto reads = [&](Result result, int chunk) { reads_.push_back({task, {result, piece.microbatch, chunk}}); };
    if (piece.work == Work::kWeightGradient) return reads(kUnreduced, piece.chunk);
    if (!forward) reads(kActivation, piece.chunk);
    const auto came = came_.find({forward ? kActivation : kGradient, piece.microbatch, piece.chunk});
    if (came != came_.end()) program_.tasks[static_cast<size_t>(task)].after.push_back(came->second);
    // On one stage the part before is here.
    if (schedule_.stages == 1) reads(forward ? kActivation : kGradient, piece.chunk + (forward ? -1 : 1));
    if (reduced_ >= 0) program_.tasks[static_cast<size_t>(task)].after.push_back(reduced_);
  }

  void lookUp() {
    for (const auto& [task, key] : reads_)
      if (const auto found = done_.find(key); found != done_.end()) program_.tasks[static_cast<size_t>(task)].after.push_back(found->second);
  }

  void compute(const Piece& piece) {
    const std::string name = pieceText(schedule_, piece);
    const bool isLast = piece.work == Work::kWeightGradient || piece.work == Work::kBackward;
    const int64_t bytes = costs_.activationBytes / schedule_.chunks;
    Task task{.name = name, .stream = kCompute, .seconds = secondsOf(piece.work) / schedule_.chunks};
    if (isForward(piece)) task.allocates = bytes;
    if (isLast || (isForward(piece) && !isTrained())) task.frees = bytes;
    lastPiece_ = add(std::move(task));
    addInputs(lastPiece_, piece);
    if (piece.work == Work::kInputGradient) done_[{kUnreduced, piece.microbatch, piece.chunk}] = lastPiece_;
    int result = lastPiece_;
    if (costs_.tensorReduce > 0 && mesh_.tensor > 1 && piece.work != Work::kWeightGradient)
      reduced_ = result =
          add({.name = "reduce " + name, .use = Op::kAllReduce, .slot = kParts, .stream = kOverParts, .seconds = costs_.tensorReduce, .after = {result}});
    if (piece.work != Work::kWeightGradient) done_[{isForward(piece) ? kActivation : kGradient, piece.microbatch, piece.chunk}] = result;
    if (leaves(piece, stage_))
      add({.name = "send " + name,
           .use = Op::kSend,
           .slot = isForward(piece) ? kToNext : kToBefore,
           .stream = isForward(piece) ? kSendActivation : kSendGradient,
           .seconds = costs_.transfer,
           .after = {result}});
  }

  bool isTrained() const { return row(stage_).size() > static_cast<size_t>(schedule_.microbatches) * static_cast<size_t>(schedule_.chunks); }

  int add(Task task) {
    program_.tasks.push_back(std::move(task));
    return static_cast<int>(program_.tasks.size()) - 1;
  }

  const Schedule& schedule_;
  const PipelineCosts& costs_;
  const PipelineMesh& mesh_;
  int stage_;
  Program program_;
  /// What a pass leaves; weights' gradients are made beside the reduction of the input's.
  enum Result { kActivation, kGradient, kUnreduced };
  using Key = std::tuple<Result, int, int>;  // with microbatch and chunk
  std::map<Key, int> came_, done_;           // tasks: receives; passes
  std::vector<std::pair<int, Key>> reads_;   // by task: what it reads of this rank
  int lastPiece_ = 0;
  int reduced_ = -1;  // the last reduction over parts, for which the next pass waits
};

}  // namespace

Expected<World> worldOf(const Schedule& schedule, const PipelineCosts& costs, const PipelineMesh& mesh) {
  JINX_TRY(checkSchedule(schedule), "pipeline");
  if (mesh.tensor < 1 || mesh.data < 1)
    return invalidArgument("pipeline: got a mesh of " + std::to_string(mesh.data) + " replicas of " + std::to_string(mesh.tensor) +
                           " parts, expected at least 1 of each");
  if (!costs.forwards.empty() && costs.forwards.size() != schedule.rows.size())
    return invalidArgument("pipeline: got the seconds of " + std::to_string(costs.forwards.size()) + " stages, expected those of " + std::to_string(schedule.stages));
  World world;
  const int p = schedule.stages, copies = mesh.data * mesh.tensor;
  for (int stage = 0; stage < p; ++stage)
    world.programs.push_back(StageWriter(schedule, costs, mesh, stage).write());
  const auto group = [&](const std::string& name) {
    world.groups.push_back(name);
    return static_cast<int>(world.groups.size()) - 1;
  };
  world.ranks.resize(static_cast<size_t>(p * copies));
  const auto rank = [&](int stage, int copy) -> Rank& { return world.ranks[static_cast<size_t>(stage * copies + copy)]; };
  for (int stage = 0; stage < p; ++stage)
    for (int copy = 0; copy < copies; ++copy)
      rank(stage, copy) = {stage, std::vector<int>(kNumSlots, -1)};
  for (int stage = 0; stage < p; ++stage) {
    const int next = (stage + 1) % p;
    const std::string ends = std::to_string(stage) + "-" + std::to_string(next);
    for (int copy = 0; copy < copies; ++copy) {
      if (p == 1) {  // nobody to send to; a slot needs a group all the same
        for (Slot slot : {kFromBefore, kToBefore, kToNext, kFromNext})
          rank(stage, copy).groups[slot] = group("nobody");
        continue;
      }
      rank(stage, copy).groups[kToNext] = rank(next, copy).groups[kFromBefore] = group("activations " + ends);
      rank(stage, copy).groups[kFromNext] = rank(next, copy).groups[kToBefore] = group("gradients " + ends);
    }
    for (int d = 0; d < mesh.data; ++d) {
      const int over = group("parts of stage " + std::to_string(stage));
      for (int t = 0; t < mesh.tensor; ++t)
        rank(stage, d * mesh.tensor + t).groups[kParts] = over;
    }
    for (int t = 0; t < mesh.tensor; ++t) {
      const int over = group("replicas of stage " + std::to_string(stage));
      for (int d = 0; d < mesh.data; ++d)
        rank(stage, d * mesh.tensor + t).groups[kReplicas] = over;
    }
  }
  return world;
}

}  // namespace jinx::comm::model
