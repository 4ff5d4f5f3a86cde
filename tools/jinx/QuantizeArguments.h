// The options that say how to quantize: of `quantize`, and of `compile --quantize`.
#pragma once

#include "tools/common/Arguments.h"
#include "tools/driver/Quantize.h"

namespace jinx::tools {

/// Everything but the scheme. \param needs  the option that each of them is about; null: none
void addQuantizeOptions(CLI::App& command, driver::QuantizeOptions& options, CLI::Option* needs);

/// Where a report goes: JSON, or a page, by the file's ending.
Status writeQuantizeReport(const QuantizeReport& report, const std::string& path);

} // namespace jinx::tools
