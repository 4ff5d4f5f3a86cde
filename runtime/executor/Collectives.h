// The collectives of one rank's program, through the session's communicator.
//
//   a session is made    the plan must be for the communicator's rank; groups are made in the order of the steps
//   sizes are new        counts follow from their formulas, buffers must be as large as counts say
//   … and first run      all ranks compare their schedules (comm/Schedule.h): one with another plan, or with other
//                        sizes, is an error with a name
//   a step               starts the call, and waits; one that only starts leaves the wait to the step that names it
//
// Where the device's memory is its own and the communicator has calls on it (comm/DeviceCollectives.h), they are
// enqueued and the host goes on. With another communicator operands are copied to the host when the call starts, and
// results back when it has ended: a step waits for its stream.
//
// An all_reduce that the kernel behind it can make (plan::Launch::sum_of) is left to it where the communicator says so
// for the binding's sizes: its own step does nothing, and the launch is enqueued as the call (decision 0055).
//
// The sizes of an all_to_all_v are data: the host waits for its stream and reads them, on whatever device, once for all
// steps that have the same. So a plan with one is not enqueued, and none is part of a recording
// (StepInfo::readsCounts).
#pragma once

#include <memory>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/comm/DeviceCollectives.h"
#include "runtime/device/Device.h"
#include "runtime/executor/Binding.h"
#include "runtime/executor/Program.h"
#include "runtime/memory/AlignedBuffer.h"

namespace jinx {

/// Of one rank, since its session was made.
struct CollectiveStatistics {
  int64_t calls = 0;
  int64_t sentBytes = 0, receivedBytes = 0; ///< to and from other ranks
  double waitMs = 0;                        ///< in waits
};

class Collectives {
 public:
  /// \param communicator  may be null where the program has no collectives, or a mesh of one rank. kInvalidArgument,
  /// saying what to pass,
  ///                      where it may not; where the plan is for another rank
  static Expected<std::unique_ptr<Collectives>>
  create(const Program& program, std::shared_ptr<comm::Communicator> communicator, Device& device);

  /// Counts of a new binding.
  Status prepare(Binding& binding);
  /// Compares the schedule with all ranks', once a binding; all ranks come to it.
  Status agree(Binding& binding);

  Status run(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream);
  /// A launch that carries out the all_reduce in front of it. \pre step.sumOf >= 0 && isFused(step.sumOf, binding)
  Status launch(const StepInfo& step, const Binding& binding, const KernelLaunch& launch, const BaseAddresses& bases,
                Stream& stream);
  /// \param collective  its number; -1 is none
  bool isFused(int collective, const Binding& binding) const {
    return collective >= 0 && binding.fused[static_cast<size_t>(collective)] != 0;
  }
  Status start(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream);
  /// \param step  the collective's own, or its wait
  Status wait(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream);

  /// Whether runs of launches may have collectives between them when they are recorded (RecordedLaunches.h).
  bool canBeRecorded() const {
    return onDevice_ && device_.has(capability::kGraphs) && device_.has(capability::kAsync);
  }
  void beginRecording() { onDevice_->beginRecording(); }
  void endRecording() { onDevice_->endRecording(); }
  /// A recording is about to be enqueued, and one with the collectives of these steps was.
  Status replaying(Stream& stream) { return onDevice_->replaying(stream); }
  Status replayed(std::span<const uint32_t> steps, const Binding& binding, Stream& stream);

  /// OK, or why results are none: known once a stream was synchronized.
  Status status() const { return onDevice_ ? onDevice_->status() : Status::ok(); }

  /// This rank has failed: others need not wait for it.
  void abort(const Status& why);

  CollectiveStatistics statistics() const;

 private:
  /// What does not depend on sizes.
  struct Site {
    const StepInfo* step = nullptr;
    comm::Call call; ///< without its count
    std::vector<int> sources;
    // all_to_all_v: sends, then receives
    std::vector<int64_t> rows, counts; ///< as the step's operands have them; in elements, as the call has them
    std::span<const int64_t> known[2]; ///< where an earlier step has read the rows; empty: nowhere
    std::span<int64_t> rowsOf(size_t i) { return std::span(rows).subspan(i * rows.size() / 2, rows.size() / 2); }
    int ranks = 1;
    int overlap = 0; ///< collectives that start before it is waited for
    comm::Ticket ticket;
    AlignedBuffer in, out; ///< of a device whose memory is its own
  };

  Collectives(const Program& program, Device& device)
      : program_(program), device_(device), hostMemory_(device.has(capability::kHostMemory)) {}
  Status makeSites();
  Status makeSite(const StepInfo& step, Site& site);
  void shareCounts(size_t at);
  void fuse(Binding& binding) const;
  comm::Call callOf(const StepInfo& step, const Binding& binding) const;
  Status checkBuffers(const Site& site, const Binding& binding, int64_t count) const;
  Status checkRows(const Site& site, const Binding& binding, int64_t count) const;
  int64_t rowsOf(uint32_t value, const Binding& binding) const;
  Status readCounts(const StepInfo& step, const Binding& binding, const BaseAddresses& bases, Stream& stream);
  Status clearRest(const StepInfo& step, const Binding& binding, void* out, Stream& stream);

  const Program& program_;
  Device& device_;
  const bool hostMemory_;
  std::shared_ptr<comm::Communicator> comm_;
  comm::DeviceCollectives* onDevice_ = nullptr; ///< null: through the host's memory
  std::vector<Site> sites_;                     ///< in the order of the steps
  std::vector<comm::Call> replayed_;            ///< kept, so that a replay allocates nothing
  int64_t waitNs_ = 0;
};

/// "all_reduce sum over tp": for traces and tools.
std::string describeCollective(const plan::Mesh& mesh, const plan::Collective& collective);

} // namespace jinx
