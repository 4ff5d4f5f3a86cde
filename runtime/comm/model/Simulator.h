// When does each rank compute what, if tasks take as long as they are said to take?
//
// A *rank* runs a *program*: tasks on a few streams (0 computes, the others communicate). A stream does its tasks in their order, one at a
// time. A task begins when the one before it on its stream has ended and all tasks that it comes `after` have; a task that communicates also
// waits until every other member of its group has come with theirs. Then it takes its seconds, the same for all members.
//
// Programs are shared: one for all ranks of a stage, as one plan is. So a program names groups by *slot*, and each rank says which group it
// has in each slot. The k-th task of a rank on a group meets the k-th of each other member. Two ranks of a pipe:
//
//   World world;
//   Program first{.name = "stage 0", .tasks = {{.name = "forward", .seconds = 2e-3, .allocates = 64 << 20},
//                                              {.name = "send", .use = Op::kSend, .slot = 0, .stream = 1, .seconds = 1e-3, .after = {0}}}};
//   Program last{.name = "stage 1", .tasks = {{.name = "recv", .use = Op::kRecv, .slot = 0, .stream = 1, .seconds = 1e-3},
//                                             {.name = "forward", .seconds = 2e-3, .after = {0}}}};
//   world.programs = {first, last};
//   world.groups = {"pipe 0-1"};
//   world.ranks = {{.program = 0, .groups = {0}}, {.program = 1, .groups = {0}}};
//   simulate(world)->makespan    // 5e-3
//
// Since nothing is shared but groups, no event changes another's length: a begin is a maximum over ends, and one walk in the order of the
// dependencies finds all of them. Whatever the walk does not reach waits in a circle, and the error names the circle: it is a deadlock.
//
// *Folding.* 16,384 ranks run a dozen programs, and ranks that stand in the same place do the same at the same times. Ranks get one *class* where they
// run the same program, and each slot's group has the same numbers of members of each class, each through the same slot (the coarsest such
// split is found by splitting until nothing changes). Then by induction over begins all ranks of a class begin each task at the same time: the
// maximum over a group's members is over the same classes. One rank of each class is simulated; a group waits for one of each kind of
// member. `SimulateOptions::folds` switches it off; the results are equal to the bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/comm/Communicator.h"

namespace jinx::comm::model {

struct Task {
  std::string name;
  std::optional<Op> use;   ///< what it does on the group of `slot`; none: it computes
  int slot = -1;
  int stream = 0;
  double seconds = 0;
  std::vector<int> after;  ///< tasks of the same program, by place
  int64_t allocates = 0;   ///< bytes, when it begins
  int64_t frees = 0;       ///< bytes, when it ends
};

struct Program {
  std::string name;
  std::vector<Task> tasks;
};

struct Rank {
  int program = 0;
  std::vector<int> groups;  ///< by slot; a group's members are the ranks that have it in one
};

struct World {
  std::vector<Program> programs;
  std::vector<std::string> groups;  ///< names, for messages
  std::vector<Rank> ranks;
};

/// What one class of ranks does.
struct ClassTimeline {
  int rank = 0;                    ///< the first of them
  int ranks = 1;                   ///< how many
  std::vector<double> begin, end;  ///< by task
  double busy = 0;                 ///< seconds that it computes
  double exposed = 0;              ///< seconds in which it communicates and does not compute; waiting for others does not count
  double idle = 0;                 ///< the rest of the makespan
  int64_t peakBytes = 0;
};

struct Timeline {
  double makespan = 0;
  std::vector<ClassTimeline> classes;
  std::vector<int> classOf;  ///< by rank

  const ClassTimeline& of(int rank) const { return classes[static_cast<size_t>(classOf[static_cast<size_t>(rank)])]; }
  /// Of all ranks' time, what they do not compute: 0 to 1.
  double bubble() const;
  int64_t peakBytes() const;
};

struct SimulateOptions {
  bool folds = true;
};

/// kInvalidArgument for a world that is none (a slot that a rank has not), for members that come to a group with different calls or another
/// number of times, and for a deadlock; each error names ranks, tasks and groups.
Expected<Timeline> simulate(const World& world, const SimulateOptions& options = {});

/// Bytes that are allocated from each moment on, of one class: [(seconds, bytes)].
std::vector<std::pair<double, int64_t>> memoryOverTime(const Program& program, const ClassTimeline& timeline);

} // namespace jinx::comm::model
