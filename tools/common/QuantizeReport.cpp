#include "tools/common/QuantizeReport.h"

#include <algorithm>
#include <cmath>

#include "tools/common/Preview.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {
namespace {

std::string decibels(const std::optional<double>& db) {
  if (!db) return "-";
  return std::isinf(*db) ? "exact" : formatNumber(*db, 3);
}

bool isQuantized(const QuantizedLayer& layer) { return layer.keep.empty(); }

std::optional<double> bitsOf(const QuantizedLayer& layer) {
  if (!isQuantized(layer) || layer.weights == 0) return std::nullopt;
  return 8 * static_cast<double>(layer.codeBytes) / static_cast<double>(layer.weights);
}

std::string bytesText(int64_t bytes) { return bytes ? formatBytes(static_cast<double>(bytes)) : "-"; }

std::string percent(double part) { return formatNumber(100 * part, 4) + " %"; }

/// JSON has no infinity: what is exact has no number.
void addDb(nlohmann::ordered_json& json, const char* key, const std::optional<double>& db) {
  if (db) json[key] = std::isfinite(*db) ? nlohmann::ordered_json(*db) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json toJson(const QuantizedLayer& layer) {
  nlohmann::ordered_json json = {{"node", layer.node}, {"operator", layer.kind}, {"scheme", layer.scheme.empty() ? "float" : layer.scheme}};
  if (!layer.keep.empty()) json["why_float"] = layer.keep;
  if (!layer.wide.empty()) json["why_wide"] = layer.wide;
  if (auto bits = bitsOf(layer)) json["bits"] = *bits;
  json["weight_bytes_before"] = layer.weightBytes;
  json["weight_bytes_after"] = layer.codeBytes;
  addDb(json, "weights_snr_db", layer.weightsDb);
  addDb(json, "output_snr_db", layer.outputDb);
  addDb(json, "alone_snr_db", layer.aloneDb);
  if (layer.floatMs) json["float_ms"] = *layer.floatMs;
  if (layer.ms) json["ms"] = *layer.ms;
  return json;
}

bool any(const QuantizeReport& report, std::optional<double> QuantizedLayer::*field) {
  return std::any_of(report.layers.begin(), report.layers.end(), [&](const QuantizedLayer& layer) { return (layer.*field).has_value(); });
}

std::string layerTable(const QuantizeReport& report) {
  const bool hasOutputs = any(report, &QuantizedLayer::outputDb), hasAlone = any(report, &QuantizedLayer::aloneDb), hasTimes = any(report, &QuantizedLayer::ms);
  std::vector<std::string> head = {"layer", "operator", "weights", "bytes", "before", "bits"};
  head.push_back("weights dB");
  if (hasOutputs) head.push_back("output dB");
  if (hasAlone) head.push_back("alone dB");
  if (hasTimes) head.insert(head.end(), {"time", "before"});
  head.push_back("why");
  TextTable table(head);
  for (const QuantizedLayer& layer : report.layers) {
    std::vector<std::string> cells = {layer.node, layer.kind, layer.scheme.empty() ? "float" : layer.scheme, bytesText(layer.codeBytes), bytesText(layer.weightBytes), bitsOf(layer) ? formatNumber(*bitsOf(layer), 3) : "-", decibels(layer.weightsDb)};
    if (hasOutputs) cells.push_back(decibels(layer.outputDb));
    if (hasAlone) cells.push_back(decibels(layer.aloneDb));
    if (hasTimes)
      for (const auto& ms : {layer.ms, layer.floatMs})
        cells.push_back(ms ? formatMilliseconds(*ms) : "-");
    cells.push_back(layer.keep.empty() ? layer.wide : layer.keep);
    table.add(std::move(cells));
  }
  return table.str();
}

} // namespace

int64_t QuantizeReport::weightBytes() const {
  int64_t sum = 0;
  for (const QuantizedLayer& layer : layers)
    sum += layer.weightBytes;
  return sum;
}

int64_t QuantizeReport::codeBytes() const {
  int64_t sum = 0;
  for (const QuantizedLayer& layer : layers)
    sum += layer.codeBytes;
  return sum;
}

int64_t QuantizeReport::quantizedLayers() const {
  return std::count_if(layers.begin(), layers.end(), isQuantized);
}

int64_t QuantizeReport::wideLayers() const {
  return std::count_if(layers.begin(), layers.end(), [](const QuantizedLayer& layer) { return isQuantized(layer) && !layer.wide.empty(); });
}

std::optional<double> QuantizeReport::bits() const {
  double bytes = 0, weights = 0;
  for (const QuantizedLayer& layer : layers)
    if (isQuantized(layer)) bytes += static_cast<double>(layer.codeBytes), weights += static_cast<double>(layer.weights);
  return weights > 0 ? std::optional(8 * bytes / weights) : std::nullopt;
}

nlohmann::ordered_json toJson(const QuantizeReport& report) {
  nlohmann::ordered_json json = {{"model", report.model}, {"scheme", report.scheme}};
  if (!report.method.empty()) json["method"] = report.method;
  json["samples"] = report.samples;
  json["layers"] = nlohmann::ordered_json::array();
  for (const QuantizedLayer& layer : report.layers)
    json["layers"].push_back(toJson(layer));
  json["outputs"] = nlohmann::ordered_json::array();
  for (const auto& [name, db] : report.outputs) {
    nlohmann::ordered_json output = {{"name", name}};
    addDb(output, "snr_db", db);
    json["outputs"].push_back(std::move(output));
  }
  json["accuracy"] = nlohmann::ordered_json::array();
  for (const Accuracy& a : report.accuracy)
    json["accuracy"].push_back({{"what", a.what}, {"float", a.inFloat}, {"quantized", a.quantized}, {"count", a.count}});
  if (report.budgetDb) json["budget_db"] = *report.budgetDb, json["kept_for_budget"] = report.keptForBudget;
  if (!report.notes.empty()) json["notes"] = report.notes;
  json["quantized_layers"] = report.quantizedLayers();
  json["wide_layers"] = report.wideLayers();
  if (auto bits = report.bits()) json["bits"] = *bits;
  json["weight_bytes_before"] = report.weightBytes();
  json["weight_bytes_after"] = report.codeBytes();
  if (report.floatMs) json["float_ms"] = *report.floatMs;
  if (report.ms) json["ms"] = *report.ms;
  return json;
}

std::string toText(const QuantizeReport& report) { return layerTable(report) + summaryText(report); }

std::string summaryText(const QuantizeReport& report) {
  const double before = static_cast<double>(report.weightBytes()), after = static_cast<double>(report.codeBytes());
  std::string text = report.scheme + ": " + std::to_string(report.quantizedLayers()) + " of " + std::to_string(report.layers.size()) + " layers quantized" +
          (report.wideLayers() > 0 ? ", " + std::to_string(report.wideLayers()) + " of them in 8 bits" : "") + (report.bits() ? ", " + formatNumber(*report.bits(), 3) + " bits a weight" : "") + ", weights of layers " +
          formatBytes(after) + " of " + formatBytes(before) + " (" + formatNumber(before / after, 3) + "x smaller)\n";
  for (const auto& [name, db] : report.outputs)
    text += "output " + name + ": " + (std::isinf(db) ? "exact" : "signal to noise " + decibels(db) + " dB") + " over " + std::to_string(report.samples) + " samples\n";
  for (const Accuracy& a : report.accuracy) {
    const bool isShare = a.what == "top-1";
    text += a.what + ": float " + (isShare ? percent(a.inFloat) : formatNumber(a.inFloat, 6)) + ", quantized " + (isShare ? percent(a.quantized) : formatNumber(a.quantized, 6)) + " (" +
            std::to_string(a.count) + (isShare ? " rows)\n" : " samples)\n");
  }
  if (!report.keptForBudget.empty()) {
    text += "kept float for the budget of " + formatNumber(*report.budgetDb, 4) + " dB, most damaging first:";
    for (const std::string& node : report.keptForBudget)
      text += " " + node;
    text += "\n";
  }
  for (const std::string& note : report.notes)
    text += "note: " + note + "\n";
  if (report.ms && report.floatMs)
    text += "time: " + formatMilliseconds(*report.ms) + ", float " + formatMilliseconds(*report.floatMs) + " (" + formatNumber(*report.floatMs / *report.ms, 3) + "x)\n";
  return text;
}

} // namespace jinx::tools
