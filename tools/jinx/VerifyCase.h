// One folder of ONNX test data: a model, inputs, expected outputs.
#pragma once

#include <filesystem>

#include "tools/common/PlanSource.h"

namespace jinx::tools {

/// Compiles `dir`/model.onnx, feeds it each `dir`/test_data_set_N/input_*.pb and compares with output_*.pb as ONNX's
/// own runner does, within `dir`/tolerance.json. Models that draw random numbers are compared in types and shapes only.
Status verifyCase(const std::filesystem::path& dir, const DeviceChoice& device, bool fusion);

} // namespace jinx::tools
