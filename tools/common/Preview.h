// Values in words: type, shape, the first elements.
#pragma once

#include <string>

#include "runtime/base/Tensor.h"
#include "runtime/executor/Executor.h"

namespace jinx::tools {

/// "f32[1x3]", "sequence of 2", "empty optional".
std::string describeValue(const Value& value);
/// "0.1 -2.5 3 … (12 elements)"; items of sequences in brackets.
std::string previewValue(const Value& value, int64_t maxElements = 6);
/// One element in the digits its type holds.
std::string formatElement(const Tensor& tensor, int64_t index);
/// "f32 [n, 3, 2*h]", "sequence of f32", "f32 of unknown rank".
std::string describePort(const Port& port);

} // namespace jinx::tools
