#include "passes/Dist/MeshCosts.h"

#include "llvm/Support/FormatVariadic.h"
#include "runtime/comm/model/CollectiveCost.h"

namespace jinx::passes {

Expected<MeshCosts> MeshCosts::of(llvm::StringRef name) {
  JINX_TRY_ASSIGN(comm::model::Network network, comm::model::networkNamed(std::string_view(name.data(), name.size())));
  return MeshCosts(std::move(network));
}

double MeshCosts::secondsOf(const WireCall &call) {
  auto [entry, isNew] = known_.try_emplace(call, 0);
  if (!isNew || call.ranks == 1) return entry->second;
  auto costs = comm::model::costsOf(network_, call.op, comm::model::groupAlong(network_, int(call.stride), int(call.ranks)), call.bytes);
  assert(costs && "groupAlong makes groups that the network has");
  return entry->second = costs ? costs->front().seconds : 0;
}

mlir::FailureOr<MeshCosts> costsOf(mlir::Operation *op, llvm::StringRef network) {
  auto costs = MeshCosts::of(network);
  if (costs) return *costs;
  op->emitError("network: ") << costs.status().message();
  return mlir::failure();
}

std::string microseconds(double seconds) { return llvm::formatv("{0:f1} us", seconds * 1e6).str(); }

}  // namespace jinx::passes
