// A report's page: the frame and style of tools/common/report, scripts, and the report's JSON in it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace jinx::tools {

std::string htmlPage(std::initializer_list<std::string_view> scripts, const nlohmann::ordered_json& data);

} // namespace jinx::tools
