// The parts of the math family, one file each; Math.cpp joins them.
#pragma once

#include "runtime/hostops/HostOp.h"

namespace jinx {

std::span<const HostOpEntry> unaryMathRows();  // MathUnary.cpp
std::span<const HostOpEntry> binaryMathRows(); // MathBinary.cpp

} // namespace jinx
