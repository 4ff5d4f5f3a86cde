#include "tools/common/Ranks.h"

#include <atomic>
#include <chrono>
#include <cstdlib>

#include "runtime/comm/OpenCommunicator.h"
#include "runtime/comm/StopOnSignals.h"
#include "runtime/executor/VirtualRanks.h"
#include "tools/common/RankFolder.h"

namespace jinx::tools {

void addRankOptions(CLI::App& command, RankOptions& options) {
  command.add_option("--ranks", options.ranks, "Of a folder of plans: all N ranks in this process")
      ->type_name("N")
      ->check(CLI::Range(1, 65536));
  command
      .add_option("--communicator", options.communicator,
                  "Of a folder of plans: this process is the rank that mpirun or srun says; nccl: with collectives "
                  "between GPUs, also of --ranks")
      ->type_name("mpi|nccl")
      ->check(CLI::IsMember({"mpi", "nccl"}));
  addWaitOptions(command, options);
}

void addWaitOptions(CLI::App& command, RankOptions& options) {
  // Of milliseconds a clock's nanoseconds; three years are for ever.
  command.add_option("--rank-timeout", options.timeoutSeconds, "So long ranks wait for one that does not come")
      ->type_name("SECONDS")
      ->check(aboveZero()) // NaN is in any range
      ->check(CLI::Range(0.001, 1e8));
  command
      .add_option("--peer-bytes", options.peerBytes,
                  "With nccl: an all_reduce of at most so many bytes goes over GPUs' memory of each other (default 512KiB "
                  "of 2 ranks, fewer of more; 0: NCCL alone)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(int64_t{0}, int64_t{16} << 20))
      ->type_name("BYTES");
}

std::chrono::milliseconds timeoutOf(const RankOptions& options) {
  return std::chrono::milliseconds(static_cast<int64_t>(options.timeoutSeconds * 1000));
}

static const std::atomic<int>* stopOf(const RankOptions& options) {
  return options.takesSignals ? &comm::stopOnSignals() : nullptr;
}

Status checkPeerBytes(const RankOptions& options) {
  if (options.peerBytes == comm::NcclOptions::kUsualPeerBytes || options.isNccl()) return Status::ok();
  return invalidArgument("got --peer-bytes " + std::to_string(options.peerBytes) +
                         ", which is about GPUs that --communicator nccl joins; leave it out, or take nccl");
}

Status checkRankOptions(const RankOptions& options) {
  JINX_TRY(checkPeerBytes(options));
  if (options.ranks == 0 || options.communicator.empty() || options.isNccl()) return Status::ok();
  return invalidArgument("got --ranks and --communicator " + options.communicator +
                         ", expected one: threads of this process, or processes");
}

Expected<World> openWorld(const RankOptions& options) {
  JINX_TRY(checkRankOptions(options));
  if (options.communicator.empty() || options.ranks != 0) return World();
  // NCCL's ranks meet, compare schedules and end through MPI.
  JINX_TRY_ASSIGN(auto world, comm::openCommunicator(
                                  "mpi", {.timeout = timeoutOf(options), .module = "", .stop = stopOf(options)}));
  return World(std::move(world));
}

/// Of the processes on this machine: what mpirun or srun says, else the rank.
static int placeOnMachine(int rank) {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID"})
    if (const char* text = std::getenv(name); text && *text) return std::atoi(text);
  return rank;
}

Expected<std::shared_ptr<Device>> openDeviceOfRank(const RankOptions& options, DeviceChoice choice, int rank) {
  if (options.isNccl() && choice.device == "cuda")
    choice.device += ':' + std::to_string(options.ranks != 0 ? rank : placeOnMachine(rank));
  JINX_TRY_ASSIGN(std::unique_ptr<Device> device, openDevice(choice));
  return std::shared_ptr<Device>(std::move(device));
}

Expected<World> worldOnDevice(const RankOptions& options, World world, std::shared_ptr<Device> device) {
  if (!options.isNccl()) return world;
  JINX_TRY_ASSIGN(auto own, comm::openNccl(std::move(world), std::move(device),
                                           {.timeout = timeoutOf(options), .stop = stopOf(options), .peerBytes = options.peerBytes}));
  return World(std::move(own));
}

namespace {

RankUse useOf(const Session& session) {
  const SessionStatistics s = session.statistics();
  return {s.collectives.calls, s.collectives.sentBytes, s.collectives.receivedBytes, s.constantBytes, s.arenaBytes, s.plannedBytes, s.largestLiveBytes};
}

class ThreadRanks final : public Ranks {
 public:
  static Expected<std::unique_ptr<Ranks>> open(const RankFolder& folder, const RankOptions& options,
                                               DeviceChoice device) {
    device.threads = std::max(1, device.threadCount() / folder.size());
    JINX_TRY_ASSIGN(auto plans, folder.openAll());
    VirtualRanksOptions virtualOptions;
    virtualOptions.session.parallelWork = device.parallelWork;
    virtualOptions.timeout = timeoutOf(options);
    std::unique_ptr<ThreadRanks> made(new ThreadRanks());
    virtualOptions.overDevice = [&](World world, std::shared_ptr<Device> own) {
      return worldOnDevice(options, std::move(world), std::move(own));
    };
    JINX_TRY_ASSIGN(made->ranks_,
                    VirtualRanks::create(
                        std::move(plans), [&](int rank) { return openDeviceOfRank(options, device, rank); },
                        std::move(virtualOptions)));
    return std::unique_ptr<Ranks>(std::move(made));
  }
  const WholePorts& ports() const override { return ranks_->ports(); }
  const plan::Plan& plan() const override { return ranks_->session(0).plan(); }
  std::vector<TraceStep> steps() const override { return ranks_->session(0).steps(); }
  Expected<std::vector<Value>> run(std::span<const Value> inputs, Trace* trace) override {
    return ranks_->run(inputs, trace);
  }
  Expected<std::vector<RankUse>> use() override {
    std::vector<RankUse> all;
    for (int rank = 0; rank < ranks_->size(); ++rank)
      all.push_back(useOf(ranks_->session(rank)));
    return all;
  }

 private:
  std::unique_ptr<VirtualRanks> ranks_;
};

class ProcessRank final : public Ranks {
 public:
  static Expected<std::unique_ptr<Ranks>> open(const RankFolder& folder, const RankOptions& options,
                                               const DeviceChoice& choice) {
    std::unique_ptr<ProcessRank> made(new ProcessRank());
    JINX_TRY_ASSIGN(made->comm_, openWorld(options));
    if (Status status = made->openSession(folder, options, choice); !status.isOk()) {
      made->abort(status);
      return status;
    }
    return std::unique_ptr<Ranks>(std::move(made));
  }
  const WholePorts& ports() const override { return *ports_; }
  const plan::Plan& plan() const override { return session_->plan(); }
  std::vector<TraceStep> steps() const override { return session_->steps(); }
  bool isFirst() const override { return comm_->rank() == 0; }
  void abort(const Status& why) override { comm_->abort(why); }

  Expected<std::vector<Value>> run(std::span<const Value> inputs, Trace* trace) override {
    auto own = ports_->cut(inputs, comm_->rank());
    if (!own) {
      abort(own.status());
      return own.status();
    }
    std::vector<Value> outputs(session_->outputs().size());
    JINX_TRY(session_->run(*own, outputs, trace), "rank " + std::to_string(comm_->rank()));
    std::vector<std::vector<Value>> parts(static_cast<size_t>(comm_->size()));
    for (size_t k = 0; k < outputs.size(); ++k)
      JINX_TRY(gather(session_->outputs()[k].name, outputs[k], parts),
               "output \"" + session_->outputs()[k].name + "\"");
    return ports_->join(parts, inputs);
  }
  Expected<std::vector<RankUse>> use() override {
    const RankUse own = useOf(*session_);
    std::vector<RankUse> all(static_cast<size_t>(comm_->size()));
    static_assert(sizeof(RankUse) % sizeof(int64_t) == 0);
    JINX_TRY(comm_->run({.op = comm::Op::kAllGather, .dtype = DType::kI64, .count = sizeof(RankUse) / sizeof(int64_t), .name = "use of ranks"}, &own, all.data()));
    return all;
  }

 private:
  Status openSession(const RankFolder& folder, const RankOptions& options, const DeviceChoice& choice) {
    const int rank = comm_->rank(), size = comm_->size();
    if (size != folder.size())
      return invalidArgument(folder.path + " has plans for " + std::to_string(folder.size()) + " ranks, there are " +
                             std::to_string(size) + " processes: start it with mpirun -np " +
                             std::to_string(folder.size()));
    JINX_TRY_ASSIGN(auto plan, folder.openPlan(rank));
    JINX_TRY_ASSIGN(std::shared_ptr<Device> device, openDeviceOfRank(options, choice, rank));
    JINX_TRY_ASSIGN(comm_, worldOnDevice(options, comm_, device));
    SessionOptions session;
    session.parallelWork = choice.parallelWork;
    session.communicator = comm_;
    JINX_TRY_ASSIGN(session_, Session::create(std::move(plan), std::move(device), std::move(session)),
                    "rank " + std::to_string(rank));
    ports_ = std::make_unique<WholePorts>(session_->plan());
    return Status::ok();
  }
  /// All ranks' parts, which are of one size. What is no tensor of numbers is shown as this rank has it.
  Status gather(const std::string& name, const Value& own, std::vector<std::vector<Value>>& parts) {
    const Tensor* t = tensorOrNull(own);
    if (!t || t->dtype() == DType::kString) {
      for (auto& part : parts)
        part.push_back(own);
      return Status::ok();
    }
    const int64_t bytes = t->sizeBytes();
    Tensor all = Tensor::make(DType::kU8, {comm_->size(), bytes});
    JINX_TRY(comm_->run({.op = comm::Op::kAllGather, .dtype = DType::kU8, .count = bytes, .name = name}, t->data(),
                        all.data()));
    for (size_t rank = 0; rank < parts.size(); ++rank)
      parts[rank].push_back(Tensor::wrap(t->dtype(), t->shape(),
                                         all.as<std::byte>() + static_cast<int64_t>(rank) * bytes, all.storage()));
    return Status::ok();
  }

  std::shared_ptr<comm::Communicator> comm_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<WholePorts> ports_;
};

} // namespace

Expected<std::unique_ptr<Ranks>> openRanks(const std::string& path, const RankOptions& options,
                                           const DeviceChoice& device) {
  JINX_TRY(checkRankOptions(options));
  JINX_TRY_ASSIGN(RankFolder folder, readRankFolder(path));
  const std::string n = std::to_string(folder.size());
  if (!options.any())
    return invalidArgument(path + " has plans for " + n + " ranks: pass --ranks " + n +
                           " to run all in this process, or --communicator mpi under mpirun");
  if (options.ranks == 0) return ProcessRank::open(folder, options, device);
  if (options.ranks != folder.size())
    return invalidArgument("got --ranks " + std::to_string(options.ranks) + ", " + path + " has plans for " + n +
                           " ranks");
  return ThreadRanks::open(folder, options, device);
}

} // namespace jinx::tools
