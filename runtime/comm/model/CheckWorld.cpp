// Is this a world at all? Places in bounds, times that are times, groups that a rank is in once.
#include <cmath>

#include "runtime/comm/model/CheckWorld.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

Status checkTask(const Program& program, size_t place, size_t slots, const std::string& who) {
  const Task& task = program.tasks[place];
  const std::string what = who + ", task '" + task.name + "': ";
  if (!(task.seconds >= 0) || !std::isfinite(task.seconds))
    return invalidArgument(what + "got " + std::to_string(task.seconds) + " seconds, expected 0 or more");
  if (task.stream < 0) return invalidArgument(what + "got stream " + std::to_string(task.stream) + ", expected 0 (computes) or more");
  if (task.allocates < 0 || task.frees < 0) return invalidArgument(what + "got a negative number of bytes, expected 0 or more");
  if (task.use && (task.slot < 0 || static_cast<size_t>(task.slot) >= slots))
    return invalidArgument(what + "got slot " + std::to_string(task.slot) + ", expected one of the rank's " + std::to_string(slots) +
                           "; give the rank a group in it");
  for (int before : task.after)
    if (before < 0 || static_cast<size_t>(before) >= program.tasks.size() || static_cast<size_t>(before) == place)
      return invalidArgument(what + "comes after task " + std::to_string(before) + ", expected another one of the program's " +
                             std::to_string(program.tasks.size()));
  return Status::ok();
}

}  // namespace

Status checkWorld(const World& world) {
  std::vector<int> checkedWith(world.programs.size(), -1);  // slots that each program was last checked with
  std::vector<int> lastIn(world.groups.size(), -1);         // the last rank that each group has
  if (world.ranks.empty()) return invalidArgument("got a world without ranks, expected at least one");
  for (size_t number = 0; number < world.ranks.size(); ++number) {
    const Rank& rank = world.ranks[number];
    const std::string who = "rank " + std::to_string(number);
    if (rank.program < 0 || static_cast<size_t>(rank.program) >= world.programs.size())
      return invalidArgument(who + ": got program " + std::to_string(rank.program) + ", expected one of " + std::to_string(world.programs.size()));
    for (int group : rank.groups) {
      if (group < 0 || static_cast<size_t>(group) >= world.groups.size())
        return invalidArgument(who + ": got group " + std::to_string(group) + ", expected one of " + std::to_string(world.groups.size()));
      if (lastIn[static_cast<size_t>(group)] == static_cast<int>(number))
        return invalidArgument(who + ": has group '" + world.groups[static_cast<size_t>(group)] + "' in two slots, expected one; use one slot in both places");
      lastIn[static_cast<size_t>(group)] = static_cast<int>(number);
    }
    int& checked = checkedWith[static_cast<size_t>(rank.program)];
    if (checked == static_cast<int>(rank.groups.size())) continue;
    checked = static_cast<int>(rank.groups.size());
    const Program& program = world.programs[static_cast<size_t>(rank.program)];
    for (size_t place = 0; place < program.tasks.size(); ++place)
      JINX_TRY(checkTask(program, place, rank.groups.size(), who + ", program '" + program.name + "'"));
  }
  return Status::ok();
}

}  // namespace jinx::comm::model
