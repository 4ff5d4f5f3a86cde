#include "runtime/executor/VirtualRanks.h"

#include "runtime/comm/RankThreads.h"
#include "runtime/comm/VirtualWorld.h"

namespace jinx {
namespace {

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
  std::vector<VirtualRanksOptions::World> worlds;
  for (int rank = 0; rank < world->size(); ++rank) {
    JINX_TRY_ASSIGN(auto comm, world->communicator(rank));
    made->worlds_.emplace_back(worlds.emplace_back(std::move(comm)));
  }
  made->sessions_.resize(made->plans_.size());
  auto make = [&](int at) {
    const auto rank = static_cast<size_t>(at);
    const VirtualRanksOptions::World own = std::move(worlds[rank]);
    auto session = makeSession(made->plans_[rank], own, makeDevice, options);
    if (session)
      made->sessions_[rank] = std::move(*session);
    else
      own->abort(session.status()); // others may wait for this one
    return session.status();
  };
  JINX_TRY(comm::onEveryRank(world->size(), make, [&](int rank, const Status& why) { made->abort(rank, why); }));
  return made;
}

void VirtualRanks::abort(int rank, const Status& why) {
  if (const auto world = worlds_[static_cast<size_t>(rank)].lock()) world->abort(why);
}

Status VirtualRanks::runParts(std::span<const std::vector<Value>> inputs, std::span<std::vector<Value>> outputs,
                              Trace* trace) {
  auto run = [&](int at) {
    const auto rank = static_cast<size_t>(at);
    return sessions_[rank]->run(inputs[rank], outputs[rank], rank == 0 ? trace : nullptr);
  };
  return comm::onEveryRank(size(), run, [&](int rank, const Status& why) { abort(rank, why); });
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
