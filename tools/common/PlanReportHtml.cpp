// A plan's report as one self-contained HTML page: report.html with the report's JSON in it.
#include "tools/common/PlanReport.h"
#include "tools/common/ReportPage.h"

namespace jinx::tools {

std::string toHtml(const PlanReport& report) {
  // A script element ends at the first "</script": no '<' of the data may stay. "\u003c" means the same in JSON.
  const std::string json = toJson(report).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  std::string data;
  for (char c : json)
    data += c == '<' ? std::string("\\u003c") : std::string(1, c);

  constexpr std::string_view kPlace = "@REPORT@";
  std::string page(kReportPage);
  page.replace(page.find(kPlace), kPlace.size(), data);
  return page;
}

} // namespace jinx::tools
