#include "tools/driver/Dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "runtime/base/File.h"
#include "runtime/base/Npy.h"
#include "runtime/base/SizeExpr.h"
#include "tools/driver/ZipFile.h"

namespace jinx::driver {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExpected = "expected_", kLabels = "labels";

std::string inQuotes(const std::string& name) { return "'" + name + "'"; }

std::string withoutEnding(const std::string& name) {
  return name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0 ? name.substr(0, name.size() - 4) : name;
}

std::string shapeOf(const Port& port) {
  std::string text;
  for (const std::string& dim : port.dims)
    text += (text.empty() ? "" : ", ") + dim;
  return "[" + text + "]";
}

Status checkFinite(const std::string& where, const Tensor& tensor) {
  if (!isFloat(tensor.dtype())) return Status::ok();
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const double v = tensor.dtype() == DType::kF32 ? tensor.as<float>()[i] : tensor.getDouble(i);
    if (!std::isfinite(v))
      return invalidArgument(where + " holds " + (std::isnan(v) ? "NaN" : "an infinity") + " at element " + std::to_string(i) + ", expected finite numbers");
  }
  return Status::ok();
}

/// The array's samples as tensors of the port's rank, which share its memory.
Expected<std::vector<Tensor>> cut(const std::string& where, const Tensor& array, const Port& port) {
  if (port.dtype != DType::kInvalid && array.dtype() != port.dtype)
    return invalidArgument(where + " has elements of " + std::string(name(array.dtype())) + ", expected " + std::string(name(port.dtype)));
  if (!port.ranked) return invalidArgument(where + " is for an input of any rank, calibration takes inputs of a known one");
  const int64_t rank = static_cast<int64_t>(port.dims.size());
  const bool hasAxis = array.rank() == rank + 1;
  if (!hasAxis && (array.rank() != rank || rank == 0))
    return invalidArgument(where + " is " + array.describe() + ", expected an axis of samples in front of " + shapeOf(port) + ", or along its first");
  auto extentOf = [&](int64_t d) {
    const std::string& dim = port.dims[static_cast<size_t>(d)];
    return dim.find_first_not_of("0123456789") == std::string::npos ? std::stoll(dim) : -1;
  };
  const int64_t rows = hasAxis ? 1 : std::max<int64_t>(1, extentOf(0));
  if (array.dim(0) % rows != 0)
    return invalidArgument(where + " has " + std::to_string(array.dim(0)) + " rows, expected a multiple of " + std::to_string(rows) + " (the input's first extent)");
  Shape shape(array.shape().begin() + (hasAxis ? 1 : 0), array.shape().end());
  if (!hasAxis) shape[0] = rows;
  for (int64_t d = 0; d < rank; ++d)
    if (extentOf(d) >= 0 && extentOf(d) != shape[static_cast<size_t>(d)])
      return invalidArgument(where + " has samples of " + toString(shape) + ", expected " + shapeOf(port));
  JINX_TRY(checkFinite(where, array));
  std::vector<Tensor> samples;
  const int64_t bytes = packedBytes(array.dtype(), numElements(shape));
  for (int64_t i = 0; i < array.dim(0) / rows; ++i)
    samples.push_back(Tensor::wrap(array.dtype(), shape, static_cast<char*>(const_cast<void*>(array.data())) + i * bytes, array.storage()));
  return samples;
}

const Port* findPort(const std::vector<Port>& ports, const std::string& name) {
  auto found = std::find_if(ports.begin(), ports.end(), [&](const Port& port) { return port.name == name; });
  return found == ports.end() ? nullptr : &*found;
}

/// What every array must be for.
Status checkNames(const Dataset& dataset, const std::vector<Port>& inputs, const std::vector<Port>& outputs) {
  std::string names, missing, unknown;
  for (const Port& port : inputs) {
    names += (names.empty() ? "" : ", ") + inQuotes(port.name);
    if (!dataset.arrays.count(port.name) && port.kind != plan::Value::OPTIONAL) missing += (missing.empty() ? "" : ", ") + inQuotes(port.name);
  }
  for (const auto& [name, array] : dataset.arrays) {
    const bool isExpected = name.rfind(kExpected, 0) == 0 && findPort(outputs, name.substr(kExpected.size()));
    if (!findPort(inputs, name) && name != kLabels && !isExpected) unknown += (unknown.empty() ? "" : ", ") + inQuotes(name);
  }
  if (!missing.empty()) return invalidArgument(dataset.path + " has no array for input " + missing + (unknown.empty() ? "" : ", but " + unknown));
  if (!unknown.empty()) return invalidArgument(dataset.path + " has " + unknown + ", which is no input: there are " + names + "; answers are 'labels' and 'expected_OUTPUT'");
  return Status::ok();
}

Status checkLabels(const Tensor& labels) {
  if (!labels.valid() || isInteger(labels.dtype())) return Status::ok();
  return invalidArgument("array 'labels' has elements of " + std::string(name(labels.dtype())) + ", expected integers: the number of each row's class");
}

} // namespace

Expected<Dataset> readDataset(const std::string& path) {
  Dataset dataset{path, {}};
  std::error_code error;
  if (fs::is_directory(path, error)) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path, error))
      if (entry.path().extension() == ".npy") files.push_back(entry.path().string());
    if (error) return systemError(error.value(), "cannot read the folder " + path);
    for (const std::string& file : files) {
      JINX_TRY_ASSIGN(Tensor tensor, readNpy(file));
      dataset.arrays[withoutEnding(fs::path(file).filename().string())] = std::move(tensor);
    }
  } else {
    JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path), "opening calibration data");
    JINX_TRY_ASSIGN(std::vector<ZipMember> members, readZip(file.bytes(), path));
    for (const ZipMember& member : members) {
      JINX_TRY_ASSIGN(Tensor tensor, parseNpy(member.bytes, DType::kInvalid, path + ": array " + inQuotes(withoutEnding(member.name))));
      dataset.arrays[withoutEnding(member.name)] = std::move(tensor);
    }
  }
  if (dataset.arrays.empty()) return invalidArgument(path + " holds no arrays, expected one for each input of the model");
  return dataset;
}

Expected<Samples> samplesOf(const Dataset& dataset, const std::vector<Port>& inputs, const std::vector<Port>& outputs) {
  JINX_TRY(checkNames(dataset, inputs, outputs));
  Samples samples;
  std::string first;
  for (size_t p = 0; p < inputs.size(); ++p) {
    auto found = dataset.arrays.find(inputs[p].name);
    if (found == dataset.arrays.end()) continue; // an optional one
    JINX_TRY_ASSIGN(std::vector<Tensor> values, cut(dataset.path + ": array " + inQuotes(inputs[p].name), found->second, inputs[p]));
    if (first.empty()) samples.inputs.assign(values.size(), std::vector<Value>(inputs.size())), first = inputs[p].name;
    if (values.size() != samples.inputs.size())
      return invalidArgument(dataset.path + ": array " + inQuotes(inputs[p].name) + " has " + std::to_string(values.size()) + " samples, " + inQuotes(first) + " has " +
                             std::to_string(samples.inputs.size()));
    for (size_t i = 0; i < values.size(); ++i)
      samples.inputs[i][p] = values[i];
  }
  if (samples.inputs.empty()) return invalidArgument(dataset.path + " has no samples: the first axis of its arrays is empty");
  if (auto labels = dataset.arrays.find(std::string(kLabels)); labels != dataset.arrays.end() && !findPort(inputs, std::string(kLabels))) samples.labels = labels->second;
  JINX_TRY(checkLabels(samples.labels), dataset.path);
  for (const Port& port : outputs) {
    const std::string key = std::string(kExpected) + port.name;
    auto found = dataset.arrays.find(key);
    if (found == dataset.arrays.end()) continue;
    JINX_TRY_ASSIGN(std::vector<Tensor> values, cut(dataset.path + ": array " + inQuotes(key), found->second, port));
    if (values.size() != samples.inputs.size())
      return invalidArgument(dataset.path + ": array " + inQuotes(key) + " has " + std::to_string(values.size()) + " samples, expected " + std::to_string(samples.inputs.size()));
    samples.expected[port.name] = std::move(values);
  }
  return samples;
}

} // namespace jinx::driver
