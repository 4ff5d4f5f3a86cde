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

/// Threads for all ranks but the first, which is the caller's.
Status onEveryRank(size_t ranks, const std::function<Status(size_t rank)>& body) {
  std::vector<Status> statuses(ranks);
  std::vector<std::thread> threads;
  for (size_t rank = 1; rank < ranks; ++rank)
    threads.emplace_back([&, rank] { statuses[rank] = body(rank); });
  statuses[0] = body(0);
  for (std::thread& thread : threads)
    thread.join();
  return firstCause(statuses);
}

Expected<std::unique_ptr<Session>> makeSession(std::shared_ptr<const PlanFile> plan, VirtualRanksOptions::World world,
                                               const VirtualRanks::DeviceMaker& makeDevice,
                                               const VirtualRanksOptions& options) {
  SessionOptions own = options.session;
  JINX_TRY_ASSIGN(std::shared_ptr<Device> device, makeDevice(world->rank()));
  own.communicator = std::move(world);
  if (options.overDevice) {
    JINX_TRY_ASSIGN(own.communicator, options.overDevice(own.communicator, device));
  }
  return Session::create(std::move(plan), std::move(device), std::move(own));
}

} // namespace

Expected<std::unique_ptr<VirtualRanks>> VirtualRanks::create(std::vector<std::shared_ptr<const PlanFile>> plans,
                                                             const DeviceMaker& makeDevice,
                                                             VirtualRanksOptions options) {
  if (plans.empty()) return invalidArgument("got no plans, expected one for each rank");
  std::unique_ptr<VirtualRanks> made(new VirtualRanks());
  made->plans_ = std::move(plans);
  made->ports_ = std::make_unique<WholePorts>(made->plans_[0]->plan());
  for (const auto& plan : made->plans_)
    JINX_TRY(made->ports_->expectSame(plan->plan()));
  JINX_TRY_ASSIGN(auto world,
                  comm::VirtualWorld::create(static_cast<int>(made->plans_.size()), {.timeout = options.timeout}));
  made->sessions_.resize(made->plans_.size());
  JINX_TRY(onEveryRank(made->plans_.size(), [&](size_t rank) {
    auto comm = world->communicator(static_cast<int>(rank));
    if (!comm) return comm.status();
    VirtualRanksOptions::World own(std::move(*comm));
    auto session = makeSession(made->plans_[rank], own, makeDevice, options);
    if (session)
      made->sessions_[rank] = std::move(*session);
    else
      own->abort(session.status()); // others may wait for this one
    return session.status();
  }));
  return made;
}

Status VirtualRanks::runParts(std::span<const std::vector<Value>> inputs, std::span<std::vector<Value>> outputs,
                              Trace* trace) {
  return onEveryRank(sessions_.size(), [&](size_t rank) {
    return sessions_[rank]->run(inputs[rank], outputs[rank], rank == 0 ? trace : nullptr);
  });
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
