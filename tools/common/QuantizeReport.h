// What quantization did to each layer of a model, and to its answers: for people, programs and browsers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace jinx::tools {

struct QuantizedLayer {
  std::string node, kind;               ///< "/fc1/MatMul", "matmul"
  std::string scheme, keep;             ///< scheme: empty where it stays float; keep: why it does
  std::string wide;                     ///< why its codes have 8 bits where the scheme's have 4
  int64_t weights = 0;
  int64_t weightBytes = 0, codeBytes = 0;
  std::optional<double> weightsDb;      ///< signal to noise of the weights; none where they stay
  std::optional<double> outputDb;       ///< of the layer's output in the whole quantized model, against the float one's
  std::optional<double> aloneDb;        ///< of the model's outputs when only this layer is quantized
  std::optional<double> floatMs, ms;    ///< of the steps that compute it
};

/// How near the answers are to known ones.
struct Accuracy {
  std::string what;                     ///< "top-1", "cosine of y"
  double inFloat = 0, quantized = 0;
  int64_t count = 0;                    ///< rows, or samples
};

struct QuantizeReport {
  std::string model, scheme, method;    ///< method: of ranges; empty where none were needed
  int64_t samples = 0;
  std::vector<QuantizedLayer> layers;
  std::vector<std::pair<std::string, double>> outputs; ///< the model's, with their signal to noise; empty without samples
  std::vector<Accuracy> accuracy;
  std::optional<double> budgetDb;
  std::vector<std::string> keptForBudget; ///< in the order in which they were kept
  std::vector<std::string> notes;
  std::optional<double> floatMs, ms;    ///< of the whole model

  int64_t weightBytes() const;
  int64_t codeBytes() const;
  int64_t quantizedLayers() const;
  int64_t wideLayers() const;
  /// Mean of the quantized layers' weights, scales counted; none without any.
  std::optional<double> bits() const;
};

nlohmann::ordered_json toJson(const QuantizeReport& report);
std::string toText(const QuantizeReport& report);
/// `toText` without the table of layers.
std::string summaryText(const QuantizeReport& report);
std::string toHtml(const QuantizeReport& report);

} // namespace jinx::tools
