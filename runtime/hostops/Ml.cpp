// ai.onnx.ml: encoders, scalers and linear models. Trees are in MlTree.cpp, support vectors in MlSvm.cpp.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/MlScores.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> mlHostOps();

namespace {

bool isNumber(DType type) { return isFloat(type) || isInteger(type); }

Status arrayFeatureExtractor(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(std::vector<int64_t> indices, operands::ints(call, 1, "Y"));
  if (x.rank() == 0) return call.error("'X' is " + x.describe() + ", expected rank >= 1");
  for (int64_t index : indices)
    if (index < 0 || index >= x.dim(-1))
      return call.error("'Y' holds " + std::to_string(index) + ", expected a value in [0, " +
                        std::to_string(x.dim(-1)) + ")");
  const Shape count{static_cast<int64_t>(indices.size())};
  Tensor y = datamove::taken(x, x.rank() - 1, indices, count);
  call.outputs[0] = x.rank() == 1 ? y.reshaped({1, count[0]}) : y;
  return Status::ok();
}

Status binarizer(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (!isNumber(x.dtype())) return call.error("'X' is " + x.describe() + ", expected numbers");
  const double threshold = call.attributes->getFloat("threshold", 0);
  Tensor y = Tensor::make(x.dtype(), x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    y.setInt(i, x.getDouble(i) > threshold);
  call.outputs[0] = y;
  return Status::ok();
}

Tensor ofInts(const std::vector<int64_t>& values) { return Tensor::fromInts(values); }
Tensor ofFloats(const std::vector<double>& values) {
  return operands::fromDoubles(values, DType::kF32, {static_cast<int64_t>(values.size())},
                               operands::IntegerRounding::kTruncate);
}
Tensor ofStrings(const std::vector<std::string>& values) {
  Tensor y = Tensor::make(DType::kString, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i)
    y.setString(static_cast<int64_t>(i), values[i]);
  return y;
}

/// An element as a text that is equal exactly when elements are: every NaN is one key, and so are both zeros.
std::string keyOf(const Tensor& x, int64_t i) {
  if (x.dtype() == DType::kString) return x.getString(i);
  if (isInteger(x.dtype())) return std::to_string(x.getInt(i));
  const double v = x.getDouble(i);
  if (std::isnan(v)) return "nan";
  return std::to_string(std::bit_cast<uint64_t>(v == 0 ? 0.0 : v));
}

/// Sends each element of `x` to the value of its key, or to the default.
Status mapElements(HostOpCall& call, const Tensor& x, const Tensor& keys, const Tensor& values,
                   const Tensor& fallback) {
  if (keys.size() != values.size())
    return call.error("there are " + std::to_string(keys.size()) + " keys and " + std::to_string(values.size()) +
                      " values, expected equal numbers");
  if (x.dtype() != keys.dtype())
    return call.error("'X' is " + x.describe() + ", expected the type of the keys, " + std::string(name(keys.dtype())));
  if (isComplex(keys.dtype())) return call.error("the keys are " + keys.describe() + ", expected numbers or strings");
  if (!fallback.valid() || fallback.size() != 1 || fallback.dtype() != values.dtype())
    return call.error("the default is " + (fallback.valid() ? fallback.describe() : "no tensor") +
                      ", expected one element of the type of the values, " + std::string(name(values.dtype())));
  std::map<std::string, int64_t> indexOf;
  for (int64_t i = 0; i < keys.size(); ++i)
    indexOf[keyOf(keys, i)] = i; // a repeated key: the last one wins
  Tensor y = Tensor::make(values.dtype(), x.shape());
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto found = indexOf.find(keyOf(x, i));
    const bool known = found != indexOf.end();
    datamove::copyRun(y.dtype(), y.data(), i, known ? values.data() : fallback.data(), known ? found->second : 0, 1);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// Strings to integers or back, whichever `x` holds.
Status mapStringsAndInts(HostOpCall& call, const Tensor& ints, const Tensor& strings) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.dtype() == DType::kString)
    return mapElements(call, x, strings, ints, ofInts({call.attributes->getInt("default_int64", -1)}));
  return mapElements(call, x, ints, strings, ofStrings({call.attributes->getString("default_string", "_Unused")}));
}

Status categoryMapper(HostOpCall& call) {
  return mapStringsAndInts(call, ofInts(call.attributes->getInts("cats_int64s")),
                           ofStrings(call.attributes->getStrings("cats_strings")));
}

Status labelEncoder1(HostOpCall& call) {
  const std::vector<std::string> classes = call.attributes->getStrings("classes_strings");
  std::vector<int64_t> numbers(classes.size());
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<int64_t>(i);
  return mapStringsAndInts(call, ofInts(numbers), ofStrings(classes));
}

/// The one of keys_int64s, keys_floats, keys_strings, keys_tensor (or values_…) that is there.
Tensor listed(const Attributes& a, const std::string& prefix) {
  if (a.has(prefix + "_tensor")) return a.getTensor(prefix + "_tensor");
  if (a.has(prefix + "_int64s")) return ofInts(a.getInts(prefix + "_int64s"));
  if (a.has(prefix + "_floats")) return ofFloats(a.getFloats(prefix + "_floats"));
  if (a.has(prefix + "_strings")) return ofStrings(a.getStrings(prefix + "_strings"));
  return {};
}

Status labelEncoder2(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const Attributes& a = *call.attributes;
  const Tensor keys = listed(a, "keys"), values = listed(a, "values");
  if (!keys.valid() || !values.valid()) return call.error("'keys_*' or 'values_*' is absent, expected one of each");
  Tensor fallback;
  if (a.has("default_tensor"))
    fallback = a.getTensor("default_tensor");
  else if (values.dtype() == DType::kString)
    fallback = ofStrings({a.getString("default_string", "_Unused")});
  else if (isInteger(values.dtype()))
    fallback = Tensor::scalarInt(a.getInt("default_int64", -1), values.dtype());
  else
    fallback = Tensor::scalarDouble(a.getFloat("default_float", -0.0), values.dtype());
  return mapElements(call, x, keys, values, fallback);
}

Status oneHotEncoder(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const Attributes& a = *call.attributes;
  const bool strings = a.has("cats_strings") && !a.getStrings("cats_strings").empty();
  const Tensor categories = strings ? ofStrings(a.getStrings("cats_strings")) : ofInts(a.getInts("cats_int64s"));
  if (strings != (x.dtype() == DType::kString) || isComplex(x.dtype()))
    return call.error("'X' is " + x.describe() + ", expected elements like the categories");
  std::map<std::string, int64_t> indexOf;
  for (int64_t i = 0; i < categories.size(); ++i)
    indexOf.emplace(keyOf(categories, i), i);
  Shape shape = x.shape();
  shape.push_back(categories.size());
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, DType::kF32, shape));
  for (int64_t i = 0; i < x.size(); ++i) {
    const std::string key = strings ? x.getString(i) : std::to_string(x.getInt(i));
    if (const auto found = indexOf.find(key); found != indexOf.end())
      y.as<float>()[i * categories.size() + found->second] = 1;
    else if (a.getInt("zeros", 1) == 0)
      return call.error("'X' holds " + key + " at position " + std::to_string(i) + ", expected one of the categories");
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status featureVectorizer(HostOpCall& call) {
  const std::vector<int64_t> widths = call.attributes->getInts("inputdimensions");
  std::vector<ml::Features> parts;
  int64_t rows = 0, columns = 0;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    JINX_TRY_ASSIGN(ml::Features part, ml::features(call, i));
    if (i == 0) rows = part.rows;
    if (part.rows != rows)
      return call.error("input " + std::to_string(i) + " has " + std::to_string(part.rows) + " rows, expected " +
                        std::to_string(rows) + " as in input 0");
    if (i < widths.size() && (widths[i] < 0 || widths[i] > (int64_t{1} << 31)))
      return call.error("'inputdimensions' holds " + std::to_string(widths[i]) + ", expected usable values >= 0");
    columns += i < widths.size() ? widths[i] : part.columns;
    parts.push_back(std::move(part));
  }
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, DType::kF32, {rows, columns}));
  for (int64_t n = 0; n < rows; ++n) {
    int64_t to = n * columns;
    for (size_t i = 0; i < parts.size(); ++i) {
      const int64_t width =
          i < widths.size() ? widths[i] : parts[i].columns; // an input is cut, or filled up with zeros
      for (int64_t k = 0; k < std::min(width, parts[i].columns); ++k)
        y.setDouble(to + k, parts[i].row(n)[k]);
      to += width;
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status imputer(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (!isNumber(x.dtype()) || x.rank() == 0)
    return call.error("'X' is " + x.describe() + ", expected numbers of rank >= 1");
  const Attributes& a = *call.attributes;
  const bool floats = isFloat(x.dtype());
  const Tensor values =
      floats ? ofFloats(a.getFloats("imputed_value_floats")) : ofInts(a.getInts("imputed_value_int64s"));
  if (values.size() != 1 && values.size() != x.dim(-1))
    return call.error(std::string(floats ? "'imputed_value_floats'" : "'imputed_value_int64s'") + " has " +
                      std::to_string(values.size()) + " entries, expected 1 or " + std::to_string(x.dim(-1)) +
                      ", the number of features");
  Tensor y = x.clone();
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t from = values.size() == 1 ? 0 : i % x.dim(-1);
    if (floats) {
      const double wanted = a.getFloat("replaced_value_float", 0), v = x.getDouble(i);
      if (v == wanted || (std::isnan(v) && std::isnan(wanted))) y.setDouble(i, values.getDouble(from));
    } else if (x.getInt(i) == a.getInt("replaced_value_int64", 0)) {
      y.setInt(i, values.getInt(from));
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status scaler(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (!isNumber(x.dtype()) || x.rank() == 0)
    return call.error("'X' is " + x.describe() + ", expected numbers of rank >= 1");
  const std::vector<double> offset = call.attributes->getFloats("offset"), scale = call.attributes->getFloats("scale");
  const size_t features = static_cast<size_t>(x.dim(-1));
  for (const auto* list : {&offset, &scale})
    if (list->size() > 1 && list->size() != features)
      return call.error("'offset' and 'scale' have " + std::to_string(offset.size()) + " and " +
                        std::to_string(scale.size()) + " entries, expected 1 or " + std::to_string(features) +
                        ", the number of features");
  const auto pick = [&](const std::vector<double>& list, int64_t i, double none) {
    return list.empty() ? none : list.size() == 1 ? list[0] : list[static_cast<size_t>(i) % features];
  };
  Tensor y = Tensor::make(DType::kF32, x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    y.setDouble(i, (x.getDouble(i) - pick(offset, i, 0)) * pick(scale, i, 1));
  call.outputs[0] = y;
  return Status::ok();
}

Status normalizer(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  const std::string norm = call.attributes->getString("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return call.error("'norm' is '" + norm + "', expected 'MAX', 'L1' or 'L2'");
  Tensor y = Tensor::make(DType::kF32, tensorOrNull(call.inputs[0])->shape());
  for (int64_t n = 0; n < x.rows; ++n) {
    double divisor = norm == "MAX" ? -INFINITY : 0;
    for (int64_t k = 0; k < x.columns; ++k) {
      const double v = x.row(n)[k];
      divisor = norm == "MAX" ? std::max(divisor, v) : divisor + (norm == "L1" ? std::fabs(v) : v * v);
    }
    if (norm == "L2") divisor = std::sqrt(divisor);
    for (int64_t k = 0; k < x.columns; ++k)
      y.setDouble(n * x.columns + k, divisor == 0 ? x.row(n)[k] : x.row(n)[k] / divisor);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// One score a row of `coefficients` ([targets, F], row-major), plus its intercept.
Expected<std::vector<std::vector<double>>> linearScores(const HostOpCall& call, const ml::Features& x,
                                                        int64_t targets) {
  const std::vector<double> coefficients = call.attributes->getFloats("coefficients"),
                            intercepts = call.attributes->getFloats("intercepts");
  if (static_cast<int64_t>(coefficients.size()) != targets * x.columns)
    return call.error("'coefficients' has " + std::to_string(coefficients.size()) + " entries, expected " +
                      std::to_string(targets) + " x " + std::to_string(x.columns) + " features");
  if (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != targets)
    return call.error("'intercepts' has " + std::to_string(intercepts.size()) + " entries, expected " +
                      std::to_string(targets));
  std::vector<std::vector<double>> scores;
  for (int64_t n = 0; n < x.rows; ++n) {
    std::vector<double> row(static_cast<size_t>(targets));
    for (size_t t = 0; t < row.size(); ++t) {
      row[t] = intercepts.empty() ? 0 : intercepts[t];
      for (int64_t k = 0; k < x.columns; ++k)
        row[t] += coefficients[t * static_cast<size_t>(x.columns) + static_cast<size_t>(k)] * x.row(n)[k];
    }
    scores.push_back(std::move(row));
  }
  return scores;
}

Status linearRegressor(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const int64_t targets = call.attributes->getInt("targets", 1);
  if (targets < 1 || targets > (int64_t{1} << 31))
    return call.error("'targets' is " + std::to_string(targets) + ", expected a usable value >= 1");
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, DType::kF32, {x.rows, targets}));
  JINX_TRY_ASSIGN(auto scores, linearScores(call, x, targets));
  for (int64_t n = 0; n < x.rows; ++n) {
    std::vector<double>& row = scores[static_cast<size_t>(n)];
    ml::apply(transform, &row);
    for (int64_t t = 0; t < targets; ++t)
      y.setDouble(n * targets + t, row[static_cast<size_t>(t)]);
  }
  call.outputs[0] = y;
  return Status::ok();
}

Status linearClassifier(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const ml::Labels labels(call, "classlabels_ints", "classlabels_strings");
  const int64_t coefficients = static_cast<int64_t>(call.attributes->getFloats("coefficients").size());
  const int64_t targets = x.columns == 0 ? 0 : coefficients / x.columns;
  if (targets < 1)
    return call.error("'coefficients' has " + std::to_string(coefficients) + " entries, expected some for each of " +
                      std::to_string(x.columns) + " features");
  JINX_TRY_ASSIGN(auto scores, linearScores(call, x, targets));
  const bool second = targets == 1 && labels.size() == 2; // one score for two classes: it is the second one's
  const int64_t columns = second ? 2 : targets;
  if (labels.size() > 0 && labels.size() < columns)
    return call.error("there are " + std::to_string(labels.size()) + " class labels, expected " +
                      std::to_string(columns));
  Tensor y = labels.make(x.rows), z = Tensor::make(DType::kF32, {x.rows, columns});
  for (int64_t n = 0; n < x.rows; ++n) {
    std::vector<double>& row = scores[static_cast<size_t>(n)];
    const int64_t best = second ? row[0] > 0 : ml::argMax(row);
    if (second)
      row = ml::twoScores(transform, ml::SecondClass::kComplement, row[0]);
    else
      ml::apply(transform, &row);
    row.resize(static_cast<size_t>(columns));
    if (columns > 1) {
      labels.write(&y, n, best);
    } else { // a lone class: chosen or not
      const bool chosen = row[0] >= (transform == ml::Transform::kNone ? 0 : 0.5);
      if (labels.size() == 0)
        y.setInt(n, chosen);
      else if (chosen)
        labels.write(&y, n, 0);
    }
    for (int64_t t = 0; t < columns; ++t)
      z.setDouble(n * columns + t, row[static_cast<size_t>(t)]);
  }
  operands::give(call, 0, y);
  operands::give(call, 1, z);
  return Status::ok();
}

/// CastMap, DictVectorizer and ZipMap carry values of type map, which plans do not have.
Status noMaps(HostOpCall& call) {
  return unimplemented(std::string(call.op) +
                       ": values of type map are not supported, export the model with plain tensors");
}

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr HostOpEntry kRows[] = {
    {kMl, "ArrayFeatureExtractor", 1, arrayFeatureExtractor},
    {kMl, "Binarizer", 1, binarizer},
    {kMl, "CastMap", 1, noMaps},
    {kMl, "CategoryMapper", 1, categoryMapper},
    {kMl, "DictVectorizer", 1, noMaps},
    {kMl, "FeatureVectorizer", 1, featureVectorizer},
    {kMl, "Imputer", 1, imputer},
    {kMl, "LabelEncoder", 1, labelEncoder1},
    {kMl, "LabelEncoder", 2, labelEncoder2},
    {kMl, "LinearClassifier", 1, linearClassifier},
    {kMl, "LinearRegressor", 1, linearRegressor},
    {kMl, "Normalizer", 1, normalizer},
    {kMl, "OneHotEncoder", 1, oneHotEncoder},
    {kMl, "Scaler", 1, scaler},
    {kMl, "ZipMap", 1, noMaps},
};

} // namespace

std::span<const HostOpEntry> mlHostOps() { return kRows; }

} // namespace jinx
