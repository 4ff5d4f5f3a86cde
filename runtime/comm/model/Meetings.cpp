#include "runtime/comm/model/Meetings.h"

#include <algorithm>

#include "runtime/comm/model/CollectiveCost.h"

namespace jinx::comm::model {
namespace {

const Program& programOf(const World& world, const Folding& folding, int rankClass) {
  const int rank = folding.first[static_cast<size_t>(rankClass)];
  return world.programs[static_cast<size_t>(world.ranks[static_cast<size_t>(rank)].program)];
}

const Task& taskOf(const World& world, const Folding& folding, const Place& place) {
  return programOf(world, folding, place.rankClass).tasks[static_cast<size_t>(place.task)];
}

/// "rank 3 comes with all_reduce 'grad 4'"
std::string comes(const World& world, const Folding& folding, const Place& place) {
  const Task& task = taskOf(world, folding, place);
  return rankText(folding, place.rankClass) + " comes with " + std::string(nameOf(*task.use)) + " '" + task.name + "'";
}

/// All the same, or a send and its recv.
Status checkMeeting(const World& world, const Folding& folding, const Meeting& meeting, size_t turn) {
  const std::string& group = world.groups[static_cast<size_t>(folding.firstGroup[static_cast<size_t>(meeting.group)])];
  const std::string where = "group '" + group + "', call " + std::to_string(turn) + ": ";
  const int members = folding.members[static_cast<size_t>(meeting.group)];
  const Place& first = meeting.members.front();
  const Op op = *taskOf(world, folding, first).use;
  if (op == Op::kSend || op == Op::kRecv) {
    if (members != 2) return invalidArgument(where + comes(world, folding, first) + ", but the group has " + std::to_string(members) + " members, expected 2");
    if (meeting.members.size() == 2) {
      const Op other = *taskOf(world, folding, meeting.members[1]).use;
      if (other == (op == Op::kSend ? Op::kRecv : Op::kSend)) return Status::ok();
    }
    return invalidArgument(where + comes(world, folding, first) + ", " +
                           (meeting.members.size() == 2 ? comes(world, folding, meeting.members[1]) : "and so does the other") +
                           ", expected a send and a recv; change the order of one of the programs");
  }
  for (const Place& place : meeting.members)
    if (*taskOf(world, folding, place).use != op)
      return invalidArgument(where + comes(world, folding, first) + ", " + comes(world, folding, place) +
                             ", expected the same; change the order of one of the programs");
  return Status::ok();
}

}  // namespace

std::string rankText(const Folding& folding, int rankClass) {
  const auto number = static_cast<size_t>(rankClass);
  std::string text = "rank " + std::to_string(folding.first[number]);
  if (folding.count[number] > 1) text += " (and " + std::to_string(folding.count[number] - 1) + " like it)";
  return text;
}

Expected<std::vector<Meeting>> meetingsOf(const World& world, const Folding& folding) {
  std::vector<std::vector<std::vector<int>>> uses;  // by class and slot: tasks
  for (size_t c = 0; c < folding.first.size(); ++c) {
    uses.emplace_back(folding.groupsOf[c].size());
    const std::vector<Task>& tasks = programOf(world, folding, static_cast<int>(c)).tasks;
    for (size_t t = 0; t < tasks.size(); ++t)
      if (tasks[t].use) uses.back()[static_cast<size_t>(tasks[t].slot)].push_back(static_cast<int>(t));
  }
  std::vector<Meeting> meetings;
  for (size_t g = 0; g < folding.ports.size(); ++g) {
    const std::vector<Port>& ports = folding.ports[g];
    if (ports.empty()) continue;
    const auto usesOf = [&](const Port& port) -> const std::vector<int>& { return uses[static_cast<size_t>(port.rankClass)][static_cast<size_t>(port.slot)]; };
    const size_t turns = usesOf(ports[0]).size();
    for (const Port& port : ports)
      if (usesOf(port).size() != turns)
        return invalidArgument("group '" + world.groups[static_cast<size_t>(folding.firstGroup[g])] + "': " + rankText(folding, ports[0].rankClass) +
                               " comes " + std::to_string(turns) + " times, " + rankText(folding, port.rankClass) + " " + std::to_string(usesOf(port).size()) +
                               " times, expected the same; add what is missing to one of the programs");
    for (size_t turn = 0; turn < turns; ++turn) {
      Meeting meeting{{}, static_cast<int>(g), 0};
      for (const Port& port : ports) {
        meeting.members.push_back({port.rankClass, usesOf(port)[turn]});
        meeting.seconds = std::max(meeting.seconds, taskOf(world, folding, meeting.members.back()).seconds);
      }
      JINX_TRY(checkMeeting(world, folding, meeting, turn));
      meetings.push_back(std::move(meeting));
    }
  }
  return meetings;
}

}  // namespace jinx::comm::model
