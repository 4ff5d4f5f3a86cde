#include "runtime/executor/VirtualRanks.h"

#include <thread>

#include "runtime/comm/VirtualWorld.h"

namespace jinx {
namespace {

/// The one that others only repeat.
Status firstCause(std::span<const Status> statuses) {
  const Status* found = nullptr;
  size_t at = 0;
  for (size_t rank = 0; rank < statuses.size(); ++rank) {
    if (statuses[rank].isOk()) continue;
    const bool repeats = statuses[rank].message().find(" has failed: ") != std::string::npos;
    if (!repeats || !found) found = &statuses[rank], at = rank;
    if (!repeats) break;
  }
  return found ? Status(*found).withContext("rank " + std::to_string(at)) : Status::ok();
}

} // namespace

Expected<std::unique_ptr<VirtualRanks>> VirtualRanks::create(std::vector<std::shared_ptr<const PlanFile>> plans, const DeviceMaker& makeDevice, VirtualRanksOptions options) {
  if (plans.empty()) return invalidArgument("got no plans, expected one for each rank");
  std::unique_ptr<VirtualRanks> made(new VirtualRanks());
  made->plans_ = std::move(plans);
  made->ports_ = std::make_unique<WholePorts>(made->plans_[0]->plan());
  for (const auto& plan : made->plans_)
    JINX_TRY(made->ports_->expectSame(plan->plan()));
  JINX_TRY_ASSIGN(auto world, comm::VirtualWorld::create(static_cast<int>(made->plans_.size()), {.timeout = options.timeout}));
  for (size_t rank = 0; rank < made->plans_.size(); ++rank) {
    const std::string who = "rank " + std::to_string(rank);
    SessionOptions own = options.session;
    JINX_TRY_ASSIGN(own.communicator, world->communicator(static_cast<int>(rank)), who);
    JINX_TRY_ASSIGN(std::unique_ptr<Device> device, makeDevice(), who);
    JINX_TRY_ASSIGN(auto session, Session::create(made->plans_[rank], std::move(device), std::move(own)), who);
    made->sessions_.push_back(std::move(session));
  }
  return made;
}

Status VirtualRanks::runParts(std::span<const std::vector<Value>> inputs, std::span<std::vector<Value>> outputs, Trace* trace) {
  std::vector<Status> statuses(sessions_.size());
  std::vector<std::thread> threads;
  for (size_t rank = 1; rank < sessions_.size(); ++rank)
    threads.emplace_back([&, rank] { statuses[rank] = sessions_[rank]->run(inputs[rank], outputs[rank]); });
  statuses[0] = sessions_[0]->run(inputs[0], outputs[0], trace);
  for (std::thread& thread : threads)
    thread.join();
  return firstCause(statuses);
}

Expected<std::vector<Value>> VirtualRanks::run(std::span<const Value> wholes, Trace* trace) {
  std::vector<std::vector<Value>> inputs(sessions_.size()), outputs(sessions_.size());
  for (size_t rank = 0; rank < sessions_.size(); ++rank) {
    JINX_TRY_ASSIGN(inputs[rank], ports_->cut(wholes, static_cast<int64_t>(rank)));
    outputs[rank].resize(sessions_[rank]->outputs().size());
  }
  JINX_TRY(runParts(inputs, outputs, trace));
  return ports_->join(outputs, wholes);
}

} // namespace jinx
