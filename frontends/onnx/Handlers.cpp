#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {
namespace {

using Rows = std::unordered_map<std::string, llvm::SmallVector<const HandlerRow *, 1>>;

Rows makeTable() {
  Rows rows;
  for (const HandlerRow *row : handlerRows()) rows[std::string(row->domain) + "::" + std::string(row->name)].push_back(row);
  return rows;
}

} // namespace

std::vector<const HandlerRow *> handlerRows() {
  std::vector<const HandlerRow *> rows;
  for (auto family : {mathHandlers, activationHandlers, shapeHandlers, movementHandlers, indexHandlers, reduceHandlers, contractionHandlers,
                      convHandlers, normHandlers, rnnHandlers, quantHandlers, weightCodeHandlers, imageHandlers, controlHandlers,
                      attentionHandlers, microsoftHandlers})
    for (const HandlerRow &row : family()) rows.push_back(&row);
  return rows;
}

const HandlerRow *findHandler(std::string_view domain, std::string_view name, int64_t opset) {
  static const Rows table = makeTable();
  auto it = table.find(std::string(domain) + "::" + std::string(name));
  if (it == table.end()) return nullptr;
  for (const HandlerRow *row : it->second)
    if (opset >= row->since && opset <= row->until) return row;
  return nullptr;
}

} // namespace jinx::frontends
