#include "runtime/comm/Communicator.h"

namespace jinx::comm {

std::string_view nameOf(Op op) {
  switch (op) {
  case Op::kAllReduce:
    return "all_reduce";
  case Op::kAllGather:
    return "all_gather";
  case Op::kReduceScatter:
    return "reduce_scatter";
  case Op::kAllToAll:
    return "all_to_all";
  case Op::kAllToAllV:
    return "all_to_all_v";
  case Op::kBroadcast:
    return "broadcast";
  case Op::kPermute:
    return "permute";
  case Op::kSend:
    return "send";
  case Op::kRecv:
    return "recv";
  }
  return "unknown";
}

std::string_view nameOf(Reduction reduction) {
  switch (reduction) {
  case Reduction::kSum:
    return "sum";
  case Reduction::kProd:
    return "prod";
  case Reduction::kMax:
    return "max";
  case Reduction::kMin:
    return "min";
  }
  return "unknown";
}

} // namespace jinx::comm
