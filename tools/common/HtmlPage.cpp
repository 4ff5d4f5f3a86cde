#include "tools/common/HtmlPage.h"

#include "tools/common/ReportPage.h"

namespace jinx::tools {
namespace {

void replace(std::string& text, std::string_view place, std::string_view with) {
  text.replace(text.find(place), place.size(), with);
}

/// A script element ends at the first "</script": no '<' of the data may stay. "\u003c" means the same in JSON.
std::string scriptData(const nlohmann::ordered_json& json) {
  std::string data;
  for (char c : json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace))
    data += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return data;
}

} // namespace

std::string htmlPage(std::initializer_list<std::string_view> scripts, const nlohmann::ordered_json& data) {
  std::string joined, page(kReportPage);
  for (std::string_view script : scripts)
    joined += script;
  replace(page, "@STYLE@", kReportStyle);
  replace(page, "@SCRIPT@", joined);
  replace(page, "@REPORT@", scriptData(data)); // last: it may hold anything
  return page;
}

} // namespace jinx::tools
