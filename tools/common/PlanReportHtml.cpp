// A plan's report as one self-contained HTML page: the files of tools/common/report with the report's JSON in them.
#include "tools/common/PlanReport.h"
#include "tools/common/ReportPage.h"

namespace jinx::tools {
namespace {

void replace(std::string& text, std::string_view place, std::string_view with) {
  text.replace(text.find(place), place.size(), with);
}

/// A script element ends at the first "</script": no '<' of the data may stay. "\u003c" means the same in JSON.
std::string scriptData(const PlanReport& report) {
  std::string data;
  for (char c : toJson(report).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace))
    data += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return data;
}

} // namespace

std::string toHtml(const PlanReport& report) {
  std::string scripts, page(kReportPage);
  for (std::string_view script :
       {kReportDom, kReportSelect, kReportLayout, kReportGraph, kReportMemory, kReportTables, kReportMain})
    scripts += script;
  replace(page, "@STYLE@", kReportStyle);
  replace(page, "@SCRIPT@", scripts);
  replace(page, "@REPORT@", scriptData(report)); // last: it may hold anything
  return page;
}

} // namespace jinx::tools
