#include "runtime/hostops/HostOp.h"

#include <algorithm>

namespace jinx {
namespace {

std::string rowKey(std::string_view domain, std::string_view name) {
  if (domain == "ai.onnx") domain = "";
  std::string key(domain);
  key += "::";
  key += name;
  return key;
}

} // namespace

Expected<Tensor> HostOpCall::tensor(size_t i) const {
  if (!has(i)) return error("input " + std::to_string(i) + " is absent, expected a tensor");
  const Tensor* t = tensorOrNull(inputs[i]);
  if (!t) {
    const char* got = std::holds_alternative<std::shared_ptr<Sequence>>(inputs[i]) ? "a sequence" : "an optional";
    return error("input " + std::to_string(i) + " is " + got + ", expected a tensor");
  }
  return *t;
}

Status HostOpCall::error(std::string message) const {
  std::string text(op);
  if (!node.empty()) {
    text += " '";
    text += node;
    text += '\'';
  }
  return invalidArgument(text + ": " + message);
}

HostOpTable HostOpTable::standard() {
  HostOpTable table;
  for (auto family : {mathHostOps, activationHostOps, reduceHostOps, castHostOps, tensorHostOps, indexHostOps,
                      matmulHostOps, convHostOps, poolHostOps, normHostOps, rnnHostOps, recurrenceHostOps, attentionHostOps,
                      quantHostOps, imageHostOps, signalHostOps, randomHostOps, textHostOps, sequenceHostOps, trainingHostOps})
    table.add(family());
  return table;
}

void HostOpTable::add(std::span<const HostOpEntry> entries) {
  for (const HostOpEntry& entry : entries) {
    std::vector<HostOpEntry>& rows = rows_[rowKey(entry.domain, entry.name)];
    auto at = std::upper_bound(rows.begin(), rows.end(), entry.sinceOpset,
                               [](int64_t opset, const HostOpEntry& row) { return opset < row.sinceOpset; });
    rows.insert(at, entry);
  }
}

std::vector<HostOpEntry> HostOpTable::rows() const {
  std::vector<HostOpEntry> all;
  for (const auto& [name, rows] : rows_)
    all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

HostOpFn HostOpTable::find(std::string_view domain, std::string_view name, int64_t opset) const {
  auto it = rows_.find(rowKey(domain, name));
  if (it == rows_.end()) return nullptr;
  HostOpFn found = nullptr;
  for (const HostOpEntry& row : it->second)
    if (row.sinceOpset <= opset) found = row.fn;
  return found;
}

} // namespace jinx
