#include "frontends/ImportOptions.h"

#include <charconv>

namespace jinx::frontends {
namespace {

bool readInteger(std::string_view text, int64_t &value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

} // namespace

Expected<DimOverride> parseDimOverride(std::string_view text) {
  auto usage = [&] {
    return invalidArgument("'" + std::string(text) + "' is no dimension, expected NAME=VALUE, NAME=LO..HI or INPUT:AXIS=VALUE");
  };
  size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) return usage();
  std::string_view left = text.substr(0, equals), right = text.substr(equals + 1);

  DimOverride dim;
  dim.name = std::string(left);
  if (size_t colon = left.rfind(':'); colon != std::string_view::npos && readInteger(left.substr(colon + 1), dim.axis))
    dim.input = std::string(left.substr(0, colon));

  if (size_t dots = right.find(".."); dots != std::string_view::npos) {
    std::string_view high = right.substr(dots + 2);
    dim.max = DimOverride::kUnbounded;
    if (!readInteger(right.substr(0, dots), dim.min) || (!high.empty() && !readInteger(high, dim.max))) return usage();
    if (dim.max != DimOverride::kUnbounded && dim.max < dim.min) return invalidArgument("'" + std::string(text) + "' is an empty range");
  } else {
    if (!readInteger(right, dim.min)) return usage();
    dim.max = dim.min;
  }
  if (dim.min < 0) return invalidArgument("'" + std::string(text) + "': a size is at least 0");
  return dim;
}

Status checkConsistent(const std::vector<DimOverride> &dims) {
  auto size = [](const DimOverride &dim) {
    if (dim.isConstant()) return std::to_string(dim.min);
    return std::to_string(dim.min) + ".." + (dim.max == DimOverride::kUnbounded ? "" : std::to_string(dim.max));
  };
  for (size_t i = 0; i < dims.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (dims[i].name == dims[j].name && size(dims[i]) != size(dims[j]))
        return invalidArgument("dimension '" + dims[i].name + "' is to be " + size(dims[j]) + " and " + size(dims[i]) + ", expected one of them");
  return Status::ok();
}

} // namespace jinx::frontends
