#include "tools/common/LanguageModelRanks.h"

#include <algorithm>

#include "runtime/comm/RankThreads.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/llm/DeviceSteps.h"
#include "runtime/llm/EmbeddingModel.h"
#include "tools/common/RankFolder.h"

namespace jinx::tools {
namespace {

std::string rankText(int rank) { return "rank " + std::to_string(rank); }

Expected<std::unique_ptr<llm::PlanModel>> openPart(const RankFolder& folder, const RankOptions& options, World world,
                                                   const DeviceChoice& choice, llm::PlanModelOptions how) {
  const int rank = world->rank();
  JINX_TRY_ASSIGN(auto plan, folder.openPlan(rank), rankText(rank));
  JINX_TRY_ASSIGN(std::shared_ptr<Device> device, openDeviceOfRank(options, choice, rank), rankText(rank));
  JINX_TRY_ASSIGN(how.communicator, worldOnDevice(options, std::move(world), device), rankText(rank));
  JINX_TRY_ASSIGN(auto part, llm::PlanModel::create(std::move(plan), std::move(device), how), rankText(rank));
  return part;
}

Expected<RankFolder> folderFor(const std::string& path, int ranks, const char* of) {
  JINX_TRY_ASSIGN(RankFolder folder, readRankFolder(path));
  if (folder.size() != ranks)
    return invalidArgument(path + " has plans for " + std::to_string(folder.size()) + " ranks, there are " +
                           std::to_string(ranks) + " " + of);
  return folder;
}

/// What all ranks must have in common and only the first one knows.
Status agreeOnPages(comm::Communicator& world, llm::PlanModelOptions& how) {
  int32_t values[] = {how.pages, how.contextLength};
  JINX_TRY(world.run({.op = comm::Op::kBroadcast, .dtype = DType::kI32, .count = 2, .name = "pages"}, values, values));
  how.pages = values[0];
  how.contextLength = values[1];
  return Status::ok();
}

/// A rank that fails before it follows ends the world, or the first one would wait for it.
void followInThread(const RankFolder& folder, const RankOptions& options, World world, const DeviceChoice& choice,
                    const llm::PlanModelOptions& how) {
  auto part = openPart(folder, options, world, choice, how);
  if (part)
    (void)llm::follow(**part, *world); // its error is the world's, which the leader gets
  else
    world->abort(part.status());
}

} // namespace

Expected<LanguageModelRanks> LanguageModelRanks::open(const std::string& path, const RankOptions& options, World world,
                                                      DeviceChoice device, llm::PlanModelOptions how,
                                                      std::unique_ptr<llm::PlanModel>& model) {
  LanguageModelRanks opened;
  if (options.ranks == 0 && !world)
    return invalidArgument(
        path + " has plans of ranks: pass --ranks N to run all in this process, or --communicator mpi under mpirun");
  JINX_TRY_ASSIGN(RankFolder folder,
                  folderFor(path, world ? world->size() : options.ranks, world ? "processes" : "of --ranks"));
  if (world) {
    JINX_TRY(agreeOnPages(*world, how));
  } else {
    device.threads = std::max(1, device.threadCount() / folder.size());
    JINX_TRY_ASSIGN(auto threads, comm::VirtualWorld::create(folder.size(), {.timeout = timeoutOf(options)}));
    JINX_TRY_ASSIGN(world, threads->communicator(0));
    for (int rank = 1; rank < folder.size(); ++rank) {
      JINX_TRY_ASSIGN(World own, threads->communicator(rank));
      auto follower = comm::startRank(
          rank, folder.size(), [=, own = std::move(own)] { followInThread(folder, options, own, device, how); });
      if (!follower) {
        world->abort(follower.status()); // or those there are would wait for steps
        return follower.status();
      }
      opened.followers_.push_back(std::move(*follower));
    }
  }
  auto part = openPart(folder, options, world, device, how);
  if (!part) {
    world->abort(part.status()); // or the others would wait for steps
    return part.status();
  }
  model = std::move(*part);
  opened.lead_ = std::make_unique<llm::LeadModel>(*model, world);
  return opened;
}

LanguageModelRanks::~LanguageModelRanks() {
  lead_.reset();
  for (std::thread& follower : followers_)
    follower.join();
}

Status followRank(const std::string& path, const RankOptions& options, World world, const DeviceChoice& device,
                  llm::PlanModelOptions how) {
  JINX_TRY_ASSIGN(RankFolder folder, folderFor(path, world->size(), "processes"));
  JINX_TRY(agreeOnPages(*world, how));
  auto part = openPart(folder, options, world, device, how);
  if (!part) {
    world->abort(part.status());
    return part.status();
  }
  return llm::follow(**part, *world);
}

Expected<SteppedModel> openSteppedModel(const PlanSource& source, const PlanRequest& request, const RankOptions& ranks,
                                        World world, const llm::PlanModelOptions& how) {
  SteppedModel opened;
  if (isRankFolder(request.path) || ranks.any()) {
    JINX_TRY_ASSIGN(opened.ranks,
                    LanguageModelRanks::open(request.path, ranks, std::move(world), request.device, how, opened.model));
    opened.steps = llm::makeSteps(*opened.ranks.lead());
    return opened;
  }
  JINX_TRY_ASSIGN(opened.plan, source(request));
  if (llm::EmbeddingModel::isEncoder(*opened.plan.file))
    return invalidArgument(request.path + " is an encoder: pass it as --embedding-model of `serve`");
  JINX_TRY_ASSIGN(auto device, openDevice(request.device));
  JINX_TRY_ASSIGN(opened.model, llm::PlanModel::create(opened.plan.file, std::move(device), how));
  opened.steps = llm::makeSteps(*opened.model);
  return opened;
}

} // namespace jinx::tools
