// Products that several families share.
#pragma once

#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {

/// numpy's matmul: operands of any rank from 1 on.
Value matmulAnyRank(Node &n, Value a, Value b);

} // namespace jinx::frontends
