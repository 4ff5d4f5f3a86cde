// A plan's report as one self-contained HTML page.
#include "tools/common/HtmlPage.h"
#include "tools/common/PlanReport.h"
#include "tools/common/ReportPage.h"

namespace jinx::tools {

std::string toHtml(const PlanReport& report) {
  return htmlPage({kReportDom, kReportSelect, kReportLayout, kReportGraph, kReportMemory, kReportTables, kReportMain}, toJson(report));
}

} // namespace jinx::tools
