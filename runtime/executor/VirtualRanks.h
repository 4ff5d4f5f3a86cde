// All ranks of a program in one process: a session and a device each, threads that talk through memory
// (comm/VirtualWorld.h).
//
//   auto device = [](int) { return makeDevice("cpu", {.threads = 1}); };
//   JINX_TRY_ASSIGN(auto ranks, VirtualRanks::create(plans, device));    // plans[r] is rank r's
//   JINX_TRY_ASSIGN(auto outputs, ranks->run(wholeInputs));              // cut, run on all ranks, joined (Shards.h);
//                                                                        // compared where they are the same
//
// What a run of many processes computes, this computes to the bit. After a run that has failed, each later one fails
// with its error.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/executor/Executor.h"
#include "runtime/executor/Shards.h"

namespace jinx {

struct VirtualRanksOptions {
  using World = std::shared_ptr<comm::Communicator>;
  SessionOptions session;                                      ///< of each; its communicator is set here
  std::chrono::milliseconds timeout = std::chrono::minutes(5); ///< of a wait for ranks that have not come
  std::function<Expected<World>(World, std::shared_ptr<Device>)>
      overDevice; ///< a rank's world over that of the threads, with calls on its device; empty: none
};

class VirtualRanks {
 public:
  using DeviceMaker = std::function<Expected<std::shared_ptr<Device>>(int rank)>;

  /// Ranks load at the same time, each in a thread.
  ///
  /// \param plans  one for each rank of their mesh; ranks may share one
  /// \param device  called from these threads
  static Expected<std::unique_ptr<VirtualRanks>> create(std::vector<std::shared_ptr<const PlanFile>> plans,
                                                        const DeviceMaker& device, VirtualRanksOptions options = {});

  const WholePorts& ports() const { return *ports_; }
  int size() const { return static_cast<int>(sessions_.size()); }
  Session& session(int rank) { return *sessions_[static_cast<size_t>(rank)]; }

  /// Whole inputs in, whole outputs out. The error of a rank begins with its number; of several, the first that is its
  /// own.
  /// \param trace  of rank 0; may be null
  Expected<std::vector<Value>> run(std::span<const Value> wholes, Trace* trace = nullptr);
  /// Each rank's own inputs and outputs.
  Status runParts(std::span<const std::vector<Value>> inputs, std::span<std::vector<Value>> outputs,
                  Trace* trace = nullptr);

 private:
  VirtualRanks() = default;
  void abort(int rank, const Status& why);

  std::vector<std::shared_ptr<const PlanFile>> plans_;
  std::unique_ptr<WholePorts> ports_;
  std::vector<std::weak_ptr<comm::Communicator>> worlds_; ///< which sessions own
  std::vector<std::unique_ptr<Session>> sessions_;
};

} // namespace jinx
