// One folder of ONNX test data: a model, inputs, expected outputs.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "tools/common/PlanSource.h"

namespace jinx::tools {

/// What a case's plan is made of. Operators are "domain::Name", the domain of ai.onnx is empty.
struct CaseSteps {
  int kernels = 0;                 ///< launches
  std::set<std::string> host;      ///< operators that are host calls
  std::set<std::string> functions; ///< operators that ran as the function body of their schema
};

/// Compiles `dir`/model.onnx, feeds it each `dir`/test_data_set_N/input_*.pb and compares with output_*.pb as ONNX's
/// own runner does, within `dir`/tolerance.json. Models that draw random numbers are compared in types and shapes only.
Expected<CaseSteps> verifyCase(const std::filesystem::path& dir, const DeviceChoice& device, bool fusion);

} // namespace jinx::tools
