#include "tools/driver/Quantize.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "llvm/Support/GlobPattern.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "ir/Graph/Codes.h"
#include "passes/Passes.h"
#include "passes/Quant/QuantizeModel.h"
#include "tools/driver/Budget.h"
#include "tools/driver/Calibrate.h"
#include "tools/driver/ChooseWidths.h"
#include "tools/driver/Fidelity.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {
namespace {

using graph::kCodesOfWord;
constexpr double kUsualBits = 5.25;

using passes::Layer;
using passes::Recipe;

/// Constants are weights, dead ones are gone; what is quantized already stays so.
Status prepare(ModelModule& model) {
  mlir::PassManager pm(model.context.get());
  passes::FoldConstantsOptions fold;
  fold.keepCodes = true;
  pm.addNestedPass<mlir::func::FuncOp>(passes::createFoldConstants(fold));
  pm.addPass(mlir::createCSEPass());
  pm.addNestedPass<mlir::func::FuncOp>(passes::createSimplifyGraph());
  pm.addNestedPass<mlir::func::FuncOp>(passes::createFoldConstants(fold));
  pm.addPass(mlir::createCSEPass());
  return mlir::succeeded(pm.run(*model.module)) ? Status::ok() : internalError("folding the constants of " + model.name);
}

/// Weights that nothing reads any more.
Status removeUnused(ModelModule& model) {
  mlir::PassManager pm(model.context.get());
  pm.addPass(mlir::createCSEPass());
  return mlir::succeeded(pm.run(*model.module)) ? Status::ok() : internalError("the quantized module of " + model.name + " is not valid");
}

Status checkOptions(const QuantizeOptions& options) {
  auto scheme = passes::schemeNamed(options.scheme);
  if (!scheme) return invalidArgument("there is no scheme '" + options.scheme + "', expected " + passes::schemeNames());
  const bool hasGroups = *scheme == passes::Scheme::kInt4 || *scheme == passes::Scheme::kNf4 || *scheme == passes::Scheme::kInt8Weights;
  if (!methodNamed(options.method)) return invalidArgument("there is no method '" + options.method + "', expected min-max, percentile, entropy or mse");
  if (options.group != 0 && !hasGroups) return invalidArgument("--group is about int4, int8-weights and nf4; " + options.scheme + " has " + (*scheme == passes::Scheme::kFp8Block ? "one for each block of 128 x 128" : "a scale for each output channel"));
  if (options.group != 0 && (options.group < 0 || options.group % kCodesOfWord != 0))
    return invalidArgument("--group is " + std::to_string(options.group) + ", expected a multiple of " + std::to_string(kCodesOfWord));
  if (options.doubleQuantize && (!passes::hasFourBits(*scheme) || options.asymmetric))
    return invalidArgument("--double-quantize is about nf4, and int4 without --asymmetric, got " + options.scheme + (options.asymmetric ? " with it" : ""));
  if (options.asymmetric && *scheme != passes::Scheme::kInt4) return invalidArgument("--asymmetric is about int4, got " + options.scheme);
  if (!passes::hasFourBits(*scheme))
    for (const auto& [isGiven, name] : {std::pair(options.bits.has_value(), "--bits"), std::pair(!options.wide.empty(), "--wide")})
      if (isGiven) return invalidArgument(std::string(name) + " is about int4 and nf4, whose codes have 4 bits, got " + options.scheme);
  if (options.gptq && (*scheme == passes::Scheme::kNf4 || *scheme == passes::Scheme::kFp8 || *scheme == passes::Scheme::kFp8Block))
    return invalidArgument("--gptq is about integer weights, got " + options.scheme);
  if (options.dataset.empty() && passes::needsRanges(*scheme))
    return invalidArgument(options.scheme + " needs the ranges of activations: --calibrate DATA.npz; int8-dynamic finds them when the model runs");
  const std::pair<bool, const char*> needs[] = {{options.gptq, "--gptq"}, {options.smooth.has_value(), "--smooth"}, {options.budgetDb.has_value(), "--budget"}};
  for (const auto& [isGiven, name] : needs)
    if (isGiven && options.dataset.empty()) return invalidArgument(std::string(name) + " looks at what the model computes: it needs --calibrate DATA.npz");
  if (options.smooth && !passes::quantizesActivations(*scheme))
    return invalidArgument("--smooth moves what is hard to quantize from activations to weights: it is about int8, int8-dynamic, fp8 and fp8-block, got " + options.scheme);
  return Status::ok();
}

std::string joined(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i)
    text += (i ? ", " : "") + ("'" + names[i] + "'");
  return text + (names.size() > most ? " and " + std::to_string(names.size() - most) + " more" : "");
}

/// Calls `mark` with the layers that patterns name, and the pattern; one that is none, or that names nothing, is an error.
Status markNamed(const std::vector<Layer>& layers, const char* flag, const std::vector<std::string>& patterns, const std::function<void(size_t layer, const std::string& pattern)>& mark) {
  for (const std::string& pattern : patterns) {
    auto glob = llvm::GlobPattern::create(pattern);
    if (!glob) return invalidArgument(std::string(flag) + " '" + pattern + "' is no pattern: " + llvm::toString(glob.takeError()));
    bool matches = false;
    std::vector<std::string> names;
    for (size_t i = 0; i < layers.size(); ++i) {
      names.push_back(layers[i].node);
      if (!glob->match(layers[i].node)) continue;
      matches = true;
      mark(i, pattern);
    }
    if (!matches) return invalidArgument(std::string(flag) + " '" + pattern + "' matches no layer; there are " + joined(names, 8));
  }
  return Status::ok();
}

/// What the command line says of single layers.
Status markLayers(const std::vector<Layer>& layers, const QuantizeOptions& options, Recipe& recipe) {
  JINX_TRY(markNamed(layers, "--keep", options.keep, [&](size_t layer, const std::string& pattern) {
    if (recipe.layers[layer].keep.empty()) recipe.layers[layer].keep = "is kept by '" + pattern + "'";
  }));
  return markNamed(layers, "--wide", options.wide, [&](size_t layer, const std::string& pattern) {
    if (recipe.layers[layer].wide.empty()) recipe.layers[layer].wide = "is named by '" + pattern + "'";
  });
}

/// What is asked for must fit; a scheme's own group may leave a short one at the end.
Status checkGroups(const std::vector<Layer>& layers, const Recipe& recipe) {
  if (recipe.group == 0) return Status::ok();
  int64_t common = 0;
  const Layer* first = nullptr;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].whyNot.empty() || !recipe.layers[i].keep.empty() || !recipe.layers[i].wide.empty()) continue;
    common = std::gcd(common, layers[i].k);
    if (!first && layers[i].k % recipe.group != 0) first = &layers[i];
  }
  if (!first) return Status::ok();
  std::string fitting;
  for (int64_t group = kCodesOfWord; group <= std::min<int64_t>(common, 256); group += kCodesOfWord)
    if (common % group == 0) fitting += (fitting.empty() ? "" : ", ") + std::to_string(group);
  return invalidArgument("--group " + std::to_string(recipe.group) + " does not divide k = " + std::to_string(first->k) + " of '" + first->node + "'; " +
                         (fitting.empty() ? "no multiple of 8 divides that of all layers" : "that of all layers is divided by " + fitting) + ", and --keep leaves layers float");
}

Status checkAnything(const std::vector<Layer>& layers, const Recipe& recipe, const std::string& path) {
  std::vector<std::string> reasons;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string& why = layers[i].whyNot.empty() ? recipe.layers[i].keep : layers[i].whyNot;
    if (why.empty()) return Status::ok();
    reasons.push_back(layers[i].node + " " + why);
  }
  std::string text = path + " has nothing to quantize: ";
  if (layers.empty()) return invalidArgument(text + "no products and no convolutions of floats");
  for (size_t i = 0; i < std::min<size_t>(reasons.size(), 3); ++i)
    text += (i ? "; " : "") + reasons[i];
  return invalidArgument(text + (reasons.size() > 3 ? "; and " + std::to_string(reasons.size() - 3) + " more" : ""));
}

/// Mean bits of a weight that some layers may have 8 for; 0: all have the scheme's. A grid with offsets is what was asked for, everywhere.
double bitsToSpend(const QuantizeOptions& options, const Recipe& recipe) {
  if (!passes::hasFourBits(recipe.scheme)) return 0;
  return options.bits.value_or(recipe.isAsymmetric ? 0 : kUsualBits);
}

void noteBits(double mean, const QuantizeOptions& options, tools::QuantizeReport& report) {
  constexpr double kSlack = 1e-9;
  if (!options.bits || mean <= *options.bits + kSlack) return;
  char text[128];
  std::snprintf(text, sizeof text, "--bits %g is less than codes and scales take: %.2f", *options.bits, mean);
  report.notes.push_back(text);
}

struct Rewritten {
  std::shared_ptr<ModelModule> model;
  std::vector<passes::LayerOutcome> outcomes;
};

/// A quantized copy.
Expected<Rewritten> rewrite(ModelModule& model, const Recipe& recipe, int64_t minWeights) {
  Rewritten result{model.clone(), {}};
  std::vector<Layer> layers = passes::layersOf(result.model->main(), recipe.scheme, minWeights);
  JINX_TRY_ASSIGN(result.outcomes, passes::quantizeLayers(result.model->main(), std::move(layers), recipe), "quantizing " + model.name);
  return result;
}

std::vector<tools::QuantizedLayer> rowsOf(const std::vector<passes::LayerOutcome>& outcomes) {
  std::vector<tools::QuantizedLayer> rows;
  for (const passes::LayerOutcome& outcome : outcomes) {
    tools::QuantizedLayer row;
    row.node = outcome.node;
    row.kind = outcome.kind;
    row.keep = outcome.keep;
    row.wide = outcome.wide;
    row.weights = outcome.weights;
    row.weightBytes = outcome.weightBytes;
    row.codeBytes = outcome.codeBytes;
    if (outcome.keep.empty()) row.scheme = passes::nameOf(outcome.scheme), row.weightsDb = outcome.weightsDb;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Divides what layers read, and multiplies their weights. The layers are found anew.
Status smooth(ModelModule& model, double alpha, const Samples& samples, const Recipe& recipe, int64_t minWeights, std::vector<Layer>& layers, tools::QuantizeReport& report) {
  JINX_TRY_ASSIGN(std::vector<passes::SmoothedInput> inputs, measureColumns(model, layers, samples, recipe));
  size_t folded = 0;
  for (const passes::SmoothedInput& input : inputs) {
    JINX_TRY_ASSIGN(bool isFolded, passes::smoothInput(input, alpha));
    folded += isFolded;
  }
  report.notes.push_back("smoothed the inputs of layers: " + std::to_string(folded) + " into the norm before, " + std::to_string(inputs.size() - folded) + " by a product of their own");
  JINX_TRY(removeUnused(model));
  layers = passes::layersOf(model.main(), recipe.scheme, minWeights);
  return Status::ok();
}

/// What was asked for and is for products alone.
void noteConvolutions(const std::vector<Layer>& layers, const QuantizeOptions& options, const Recipe& recipe, tools::QuantizeReport& report) {
  int64_t convolutions = 0;
  for (size_t i = 0; i < layers.size(); ++i)
    convolutions += layers[i].isConvolution && layers[i].whyNot.empty() && recipe.layers[i].keep.empty();
  if (convolutions == 0) return;
  const std::string of = " is for products; convolutions that go without: " + std::to_string(convolutions);
  if (options.gptq) report.notes.push_back("--gptq" + of);
  if (options.smooth) report.notes.push_back("--smooth" + of);
}

std::string dbText(double db) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f dB", db);
  return text;
}

/// Keeps the next most damaging layer float. kInvalidArgument where none would be left to quantize.
Status keepNext(const std::vector<Layer>& layers, const Damage& damage, size_t kept, double budgetDb, Recipe& recipe, tools::QuantizeReport& report) {
  const Layer& layer = layers[damage.order[kept]];
  if (kept + 1 == damage.order.size())
    return invalidArgument("a budget of " + dbText(budgetDb) + " leaves no layer to quantize: even '" + layer.node + "' alone, the least damaging, gives " + dbText(damage.alone[kept]) +
                           "; --budget less, or another scheme");
  recipe.layers[damage.order[kept]].keep = "costs most: alone it gives " + dbText(damage.alone[kept]) + ", and the budget is " + dbText(budgetDb);
  report.keptForBudget.push_back(layer.node);
  return Status::ok();
}

/// Quantizes a copy and compares it with the original; with a budget, with as few layers float as reach it.
/// \param model  the original, or what smoothing has made of it
/// \param alone  what choosing widths has measured
Expected<Rewritten> quantizeAndCompare(ModelModule& original, ModelModule& model, const std::vector<Layer>& layers, const QuantizeOptions& options, const Samples& samples, Recipe& recipe,
                                       const std::vector<std::optional<double>>& alone, tools::QuantizeReport& report) {
  Damage damage;
  if (options.budgetDb) {
    JINX_TRY_ASSIGN(damage, findDamage(model, recipe, options.minWeights, samples, kNumbersForBudget, options.budgetDb), "measuring the damage of each layer");
    report.budgetDb = options.budgetDb;
  }
  for (size_t kept = 0; kept < damage.kept; ++kept)
    JINX_TRY(keepNext(layers, damage, kept, *options.budgetDb, recipe, report));
  const std::vector<Layer> originalLayers = passes::layersOf(original.main(), recipe.scheme, options.minWeights);
  for (size_t kept = damage.kept;; ++kept) {
    JINX_TRY_ASSIGN(Rewritten rewritten, rewrite(model, recipe, options.minWeights));
    report.layers = rowsOf(rewritten.outcomes);
    for (size_t i = 0; i < alone.size(); ++i)
      report.layers[i].aloneDb = alone[i];
    for (size_t i = 0; i < damage.order.size(); ++i)
      report.layers[damage.order[i]].aloneDb = damage.alone[i];
    if (!samples.inputs.empty()) JINX_TRY(compareModels(original, originalLayers, *rewritten.model, rewritten.outcomes, samples, recipe.threads, report), "comparing both models");
    if (!options.budgetDb || worstDb(report.outputs) >= *options.budgetDb) return rewritten;
    JINX_TRY(keepNext(layers, damage, kept, *options.budgetDb, recipe, report));
  }
}

} // namespace

Expected<Quantized> quantizeModel(const std::string& path, const QuantizeOptions& options, const CompileOptions& compile) {
  JINX_TRY(checkOptions(options));
  auto stage = [&](const char* name, double fraction) {
    if (options.progress) options.progress(name, fraction);
  };
  stage("import", 0);
  Quantized result;
  JINX_TRY_ASSIGN(result.original, importModel(path, compile));
  JINX_TRY(prepare(*result.original));
  Recipe recipe;
  recipe.scheme = *passes::schemeNamed(options.scheme);
  recipe.group = options.group;
  recipe.isAsymmetric = options.asymmetric;
  recipe.hasDoubleScales = options.doubleQuantize;
  recipe.threads = compile.threads;
  std::shared_ptr<ModelModule> model = options.smooth ? result.original->clone() : result.original;
  std::vector<Layer> layers = passes::layersOf(model->main(), recipe.scheme, options.minWeights);
  recipe.layers.resize(layers.size());
  JINX_TRY(markLayers(layers, options, recipe));
  JINX_TRY(checkAnything(layers, recipe, path));
  JINX_TRY(checkGroups(layers, recipe));

  Samples samples;
  stage("calibrate", 0.1);
  if (!options.dataset.empty()) {
    JINX_TRY_ASSIGN(samples, readSamples(options.dataset, *model, compile.threads));
    if (options.smooth) JINX_TRY(smooth(*model, *options.smooth, samples, recipe, options.minWeights, layers, result.report), "smoothing");
    JINX_TRY(calibrate(*model, layers, samples, {*methodNamed(options.method), options.gptq}, recipe), "calibrating with " + options.dataset);
  }
  result.report.model = path.substr(path.find_last_of('/') + 1);
  result.report.scheme = options.scheme;
  if (passes::needsRanges(recipe.scheme)) result.report.method = options.method;
  result.report.samples = static_cast<int64_t>(samples.inputs.size());
  stage("choose widths", 0.3);
  std::vector<std::optional<double>> alone;
  if (double bits = bitsToSpend(options, recipe); bits > 0) {
    JINX_TRY_ASSIGN(alone, chooseWidths(*model, layers, samples, options.minWeights, bits, recipe));
    noteBits(passes::meanBits(layers, recipe), options, result.report);
  }
  stage("choose codes and compare", 0.4);
  JINX_TRY_ASSIGN(Rewritten rewritten, quantizeAndCompare(*result.original, *model, layers, options, samples, recipe, alone, result.report));
  noteConvolutions(layers, options, recipe, result.report);
  JINX_TRY(removeUnused(*rewritten.model));
  result.module = rewritten.model;
  return result;
}

} // namespace jinx::driver
