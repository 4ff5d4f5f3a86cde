// How long does an operator of a rank's own program take, on a device and a network that are known by name?
//
// The model is runtime/comm/model's: a collective takes what the fastest algorithm takes on its group (CollectiveCost.h), a kernel as long as its arithmetic or its memory at the device's peaks
// (Peaks.h). It chooses among programs that all compute the same, so what counts are differences.
#pragma once

#include <map>

#include "passes/Dist/OperatorWork.h"
#include "runtime/comm/model/Network.h"
#include "runtime/comm/model/Peaks.h"

namespace jinx::passes {

class MeshCosts {
 public:
  /// \param network  "h100-8", "host", …: ranks of the mesh are its ranks, in order. kNotFound for others
  static Expected<MeshCosts> of(llvm::StringRef network);
  explicit MeshCosts(comm::model::Network network) : network_(std::move(network)), peaks_(comm::model::peaksOf(network_.name)) {}

  /// Stands for a size that is not known.
  static constexpr int64_t symbol() { return 128; }

  /// Of a collective, a send or a receive.
  double secondsOf(const WireCall &call);
  double secondsOf(const Work &work) const { return peaks_.secondsOf(work.flops, work.bytes, work.isHalf); }
  /// Of a kernel however small: about what a step more takes.
  static constexpr double secondsOfStep() { return 2e-6; }
  /// Until the host has a few numbers that its device has made: the stream comes to its end, and begins anew. A guess; nothing where the host is the device.
  double secondsOfHostRead() const { return network_.name == "host" ? 0 : 1e-5; }
  /// Of memory that is read or written.
  double secondsOfBytes(double bytes) const { return bytes / peaks_.bytesPerSecond; }

 private:
  comm::model::Network network_;
  comm::model::Peaks peaks_;
  std::map<WireCall, double> known_;
};

/// As a pass's option says it; an error at the operator where there is no network of the name.
mlir::FailureOr<MeshCosts> costsOf(mlir::Operation *op, llvm::StringRef network);

/// "12.3 us".
std::string microseconds(double seconds);

}  // namespace jinx::passes
