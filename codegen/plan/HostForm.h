// The host call that an operator without a kernel becomes.
#pragma once

#include <optional>
#include <string>

#include "ir/Graph/Graph.h"
#include "runtime/base/Attributes.h"

namespace jinx {

struct HostForm {
  std::string domain, op;
  int64_t opset = 0;
  Attributes attributes;
};
/// nullopt for an operator that always has a kernel, or that has no reference.
std::optional<HostForm> hostForm(mlir::Operation *op);

}  // namespace jinx
