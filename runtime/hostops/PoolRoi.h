// Pools over regions of interest: PoolRoi.cpp implements them, Pool.cpp lists them.
#pragma once

#include "runtime/hostops/HostOp.h"

namespace jinx::dense {

Status roiAlign(HostOpCall& call);
Status maxRoiPool(HostOpCall& call);

} // namespace jinx::dense
