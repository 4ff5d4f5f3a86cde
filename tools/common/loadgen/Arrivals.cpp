#include "tools/common/loadgen/Arrivals.h"

#include <cmath>

namespace jinx::loadgen {

double Arrivals::next_s() { return last_s_ += -std::log1p(-random_.unit()) / rate_per_s_; }

} // namespace jinx::loadgen
