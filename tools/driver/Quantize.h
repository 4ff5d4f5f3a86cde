// A float model becomes a quantized one: import, calibrate, decide, rewrite, compare. docs/guides/quantize.md is for its users.
//
//   model ── constants folded ──┬── smoothed ──┬── float probe ── samples ── ranges, second moments ── recipe
//                               │              └── layers rewritten (passes/Quant/QuantizeModel.h) ── quantized model
//                               └───────────────── float probe beside the quantized one ── signal to noise of every layer
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/QuantizeReport.h"
#include "tools/driver/Compiler.h"

namespace jinx::driver {

struct QuantizeOptions {
  std::string scheme;
  std::string dataset;             ///< .npz file or folder; empty: none
  std::string method = "min-max";
  int64_t group = 0;               ///< 0: the scheme's own
  bool asymmetric = false, doubleQuantize = false, gptq = false;
  std::vector<std::string> keep, wide; ///< patterns of layers' names: that stay float, that have 8-bit codes where the scheme's have 4
  std::optional<double> bits;      ///< mean of a weight of int4 and nf4; none: the scheme's own choice
  std::optional<double> budgetDb;
  std::optional<double> smooth;    ///< SmoothQuant's alpha
  int64_t minWeights = 256;
  std::function<void(const std::string& stage, double fraction)> progress; ///< may be empty
};

struct Quantized {
  std::shared_ptr<ModelModule> module;  ///< a model as any: write it, compile it
  std::shared_ptr<ModelModule> original; ///< the float one, constants folded
  tools::QuantizeReport report;
};

/// \returns kInvalidArgument for options, data or models that do not fit together, each naming what to change
Expected<Quantized> quantizeModel(const std::string& path, const QuantizeOptions& options, const CompileOptions& compile);

} // namespace jinx::driver
