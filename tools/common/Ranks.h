// The ranks of a folder of plans as one thing that runs: all of them in this process, or this process's among those of
// mpirun or srun.
//
//   openRanks("plans", {.ranks = 4}, device)                             // a thread for each
//   openRanks("plans", {.communicator = "mpi"}, device)                  // processes
//   openRanks("plans", {.communicator = "nccl"}, device)                 // processes; collectives between GPUs by NCCL
//   openRanks("plans", {.ranks = 4, .communicator = "nccl"}, device)     // threads; the same
//
//   JINX_TRY_ASSIGN(auto outputs, ranks->run(inputs, nullptr));          // whole tensors in and out
//
// Of processes each has all inputs, and gets all outputs; the first one shows them.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/comm/nccl/NcclCommunicator.h"
#include "runtime/executor/Shards.h"
#include "tools/common/Arguments.h"
#include "tools/common/PlanSource.h"

namespace jinx::tools {

struct RankOptions {
  int ranks = 0;            ///< threads of this process; 0: not so
  std::string communicator; ///< "mpi" or "nccl"; empty: not so
  double timeoutSeconds = 300;
  int64_t peerBytes = comm::NcclOptions::kUsualPeerBytes; ///< with NCCL: of the largest all_reduce over peers' memory
  bool takesSignals = true; ///< one that asks the process to end ends its waits; false: somebody else takes them

  bool any() const { return ranks != 0 || !communicator.empty(); }
  bool isNccl() const { return communicator == "nccl"; }
};

/// --ranks, --communicator, --rank-timeout, --peer-bytes
void addRankOptions(CLI::App& command, RankOptions& options);
/// Of these --rank-timeout and --peer-bytes.
void addWaitOptions(CLI::App& command, RankOptions& options);
/// kInvalidArgument for options that do not go together: ranks are threads or processes, and NCCL's may be either;
/// --peer-bytes is of NCCL.
Status checkRankOptions(const RankOptions& options);
Status checkPeerBytes(const RankOptions& options);
using World = std::shared_ptr<comm::Communicator>;
/// The world of this process; null where its ranks are threads, or the options name no ranks. kInvalidArgument for
/// options that do not go together.
Expected<World> openWorld(const RankOptions& options);
/// A rank's device: with NCCL each has a GPU of its own, "cuda" is the one of its place on this machine.
Expected<std::shared_ptr<Device>> openDeviceOfRank(const RankOptions& options, DeviceChoice choice, int rank);
/// The rank's world with calls on its device, where the options want that.
Expected<World> worldOnDevice(const RankOptions& options, World world, std::shared_ptr<Device> device);
std::chrono::milliseconds timeoutOf(const RankOptions& options);

/// What one rank has sent and holds.
struct RankUse {
  int64_t collectives = 0, sentBytes = 0, receivedBytes = 0; ///< of all runs so far; also the comparison of schedules in front of the first one
  int64_t constantBytes = 0, arenaBytes = 0;                 ///< allocated
  int64_t plannedBytes = 0, largestLiveBytes = 0;            ///< of the arena, by the plan and the last sizes; what no plan could do without
};

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual const WholePorts& ports() const = 0;
  /// The plan of this process's rank, or of rank 0.
  virtual const plan::Plan& plan() const = 0;
  virtual std::vector<TraceStep> steps() const = 0;
  virtual bool isFirst() const { return true; }
  /// This process does not come to the next run: the others', if there are any, do not wait for it.
  virtual void abort(const Status&) {}
  /// \param trace  of this process's rank, or of rank 0; may be null
  virtual Expected<std::vector<Value>> run(std::span<const Value> inputs, Trace* trace) = 0;
  /// Of all ranks, in order. Of processes each calls this, and gets it.
  virtual Expected<std::vector<RankUse>> use() = 0;
};

/// kInvalidArgument, saying what to pass, where the options do not fit the folder.
Expected<std::unique_ptr<Ranks>> openRanks(const std::string& folder, const RankOptions& options,
                                           const DeviceChoice& device);

} // namespace jinx::tools
