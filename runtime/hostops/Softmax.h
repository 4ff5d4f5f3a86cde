// The softmax family. Before opset 13 an input was first flattened at `axis` to two dimensions and each row was one
// lane; since then each slice along `axis` is.
#pragma once

#include "runtime/hostops/HostOp.h"

namespace jinx {

Status softmaxFlattened(HostOpCall& call);
Status softmaxOp(HostOpCall& call);
Status logSoftmaxFlattened(HostOpCall& call);
Status logSoftmaxOp(HostOpCall& call);
Status hardmaxFlattened(HostOpCall& call);
Status hardmaxOp(HostOpCall& call);

} // namespace jinx
