// A quantization's report as one self-contained HTML page, drawn by tools/common/report/quantize.js.
#include "tools/common/HtmlPage.h"
#include "tools/common/QuantizeReport.h"
#include "tools/common/ReportPage.h"

namespace jinx::tools {

std::string toHtml(const QuantizeReport& report) { return htmlPage({kReportDom, kQuantizeMain}, toJson(report)); }

} // namespace jinx::tools
