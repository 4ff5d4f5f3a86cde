#include "tools/common/InputValues.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/base/Npy.h"
#include "runtime/base/SizeExpr.h"
#include "tools/common/Preview.h"
#include "tools/common/RandomValues.h"

namespace jinx::tools {
namespace {

using Sizes = std::map<std::string, int64_t, std::less<>>;

template <typename Range, typename NameOf>
std::string joinNames(const Range& range, const NameOf& nameOf) {
  std::string text;
  for (const auto& item : range)
    text += (text.empty() ? "" : ", ") + nameOf(item);
  return text.empty() ? "none" : text;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// The name that the compiler gives a dimension whose name is no identifier.
std::string symbolName(const std::string& name) {
  std::string text;
  for (char c : name)
    text += SizeExpr::isSymbolName(std::string("_") + c) ? c : '_';
  return SizeExpr::isSymbolName(text) ? text : "d" + text;
}

int64_t sizeFrom(const plan::Symbol& symbol, int64_t least) {
  const int64_t from = std::max(least, symbol.min()), step = std::max<int64_t>(1, symbol.multiple_of());
  const int64_t size = (from + step - 1) / step * step;
  return symbol.max() > 0 ? std::min(size, symbol.max() / step * step) : size;
}

/// Values for symbols and, apart, for single axes of inputs.
class SizeTable {
 public:
  SizeTable(const plan::Plan& plan, std::span<const Port> ports, int64_t least) : ports_(ports) {
    for (const plan::Symbol& symbol : plan.symbols())
      if (!symbol.defined_by_step()) sizes_[symbol.name()] = sizeFrom(symbol, least);
  }

  Status set(const frontends::DimOverride& dim, bool mayBeUnknown) {
    for (const std::string& name : {dim.name, symbolName(dim.name)}) {
      auto symbol = sizes_.find(name);
      if (symbol == sizes_.end()) continue;
      symbol->second = dim.min;
      return Status::ok();
    }
    for (size_t i = 0; i < ports_.size(); ++i) {
      if (dim.input.empty() || ports_[i].name != dim.input) continue;
      if (dim.axis < 0 || dim.axis >= static_cast<int64_t>(ports_[i].dims.size()))
        return invalidArgument("input " + quoted(dim.input) + " has no dimension " + std::to_string(dim.axis) +
                               ", it is " + describePort(ports_[i]));
      return setAxis(ports_[i], static_cast<size_t>(dim.axis), dim.min, mayBeUnknown);
    }
    if (mayBeUnknown) return Status::ok();
    return invalidArgument("the plan has no dimension " + quoted(dim.name) + ", it has " +
                           joinNames(sizes_, [](const auto& entry) { return entry.first; }));
  }

  Expected<Shape> shapeOf(const Port& port) const {
    Shape shape;
    for (const std::string& text : port.dims) {
      JINX_TRY_ASSIGN(SizeExpr size, SizeExpr::parse(text));
      auto extent = size.evaluate([&](std::string_view name) -> std::optional<int64_t> {
        auto symbol = sizes_.find(name);
        return symbol == sizes_.end() ? std::nullopt : std::optional(symbol->second);
      });
      if (!extent || *extent < 0)
        return invalidArgument("input " + quoted(port.name) + ": the size " + text + " cannot be computed");
      shape.push_back(*extent);
    }
    return shape;
  }

 private:
  /// INPUT:AXIS names the symbol that stands there.
  Status setAxis(const Port& port, size_t axis, int64_t value, bool mayBeUnknown) {
    const std::string& text = port.dims[axis];
    auto symbol = sizes_.find(text);
    if (symbol != sizes_.end()) {
      symbol->second = value;
      return Status::ok();
    }
    if (mayBeUnknown || text == std::to_string(value)) return Status::ok();
    return invalidArgument("dimension " + std::to_string(axis) + " of input " + quoted(port.name) + " is " + text +
                           " in the plan and cannot be " + std::to_string(value));
  }

  std::span<const Port> ports_;
  Sizes sizes_;
};

struct NamedFile {
  size_t input;
  std::string path;
};

/// Splits NAME=FILE where NAME is an input: names and paths may hold '=' themselves.
Expected<NamedFile> splitFile(const std::string& text, std::span<const Port> ports) {
  size_t first = text.find('=');
  if (first == std::string::npos) return invalidArgument("'" + text + "' is no input, expected NAME=FILE.npy");
  for (size_t at = first; at != std::string::npos; at = text.find('=', at + 1)) {
    for (size_t i = 0; i < ports.size(); ++i)
      if (ports[i].name == text.substr(0, at)) return NamedFile{i, text.substr(at + 1)};
  }
  return invalidArgument("unknown input " + quoted(text.substr(0, first)) + ", there are " +
                         joinNames(ports, [](const Port& port) { return quoted(port.name); }));
}

/// A constant extent must agree here; symbols are checked by the session, which knows all inputs.
Status checkTensor(const Tensor& tensor, const Port& port) {
  const auto wrong = [&] { return invalidArgument("got " + tensor.describe() + ", expected " + describePort(port)); };
  if (port.dtype != DType::kInvalid && tensor.dtype() != port.dtype) return wrong();
  if (!port.ranked || port.kind != plan::Value::TENSOR) return Status::ok();
  if (tensor.shape().size() != port.dims.size()) return wrong();
  for (size_t i = 0; i < port.dims.size(); ++i) {
    auto size = SizeExpr::parse(port.dims[i]);
    if (size && size->constant() && *size->constant() != tensor.shape()[i]) return wrong();
  }
  return Status::ok();
}

Expected<Value> readInput(const Port& port, const std::string& path) {
  const std::string context = "input " + quoted(port.name) + " (" + path + ")";
  if (port.kind == plan::Value::SEQUENCE) return unimplemented(context + ": a sequence cannot come from a .npy file");
  JINX_TRY_ASSIGN(Tensor tensor, readNpy(path, port.dtype), "input " + quoted(port.name));
  JINX_TRY(checkTensor(tensor, port), context);
  if (port.kind != plan::Value::OPTIONAL) return Value(tensor);
  return Value(std::make_shared<Optional>(Optional{tensor}));
}

Expected<Value> makeRandom(const Port& port, const Shape& shape, uint64_t seed, size_t index) {
  if (port.kind == plan::Value::OPTIONAL) return Value(std::make_shared<Optional>());
  if (port.kind != plan::Value::TENSOR || !port.ranked || port.dtype == DType::kInvalid)
    return unimplemented("input " + quoted(port.name) + " is " + describePort(port) +
                         ": cannot make a random one, pass --input");
  return Value(randomTensor(port.dtype, shape, seed, index));
}

} // namespace

std::vector<Port> portsOf(const plan::Plan& plan, bool outputs) {
  std::vector<Port> ports;
  for (uint32_t index : outputs ? plan.outputs() : plan.inputs()) {
    const plan::Value& value = plan.values(static_cast<int>(index));
    ports.push_back({value.name(),
                     static_cast<DType>(value.dtype()),
                     value.kind(),
                     !value.unranked(),
                     {value.dims().begin(), value.dims().end()}});
  }
  return ports;
}

Expected<std::vector<Shape>> inputShapes(const plan::Plan& plan, std::span<const Port> ports,
                                         std::span<const frontends::DimOverride> dims, bool dimsWereCompiled,
                                         int64_t least) {
  JINX_TRY(frontends::checkConsistent({dims.begin(), dims.end()}));
  SizeTable sizes(plan, ports, least);
  for (const frontends::DimOverride& dim : dims)
    JINX_TRY(sizes.set(dim, dimsWereCompiled));
  std::vector<Shape> shapes;
  for (const Port& port : ports) {
    JINX_TRY_ASSIGN(Shape shape, sizes.shapeOf(port));
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::vector<frontends::DimOverride> withSizesOf(std::span<const Value> values, std::span<const Port> ports,
                                                std::vector<frontends::DimOverride> dims) {
  std::set<std::string> seen;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Tensor* tensor = tensorOrNull(values[i]);
    if (!tensor || !ports[i].ranked) continue;
    for (size_t axis = 0; axis < ports[i].dims.size(); ++axis) {
      const std::string& name = ports[i].dims[axis];
      const int64_t extent = tensor->shape()[axis];
      if (!SizeExpr::isSymbolName(name) || !seen.insert(name).second) continue;
      std::erase_if(dims, [&](const frontends::DimOverride& dim) { // a range that holds it is no conflict
        return dim.name == name && dim.min <= extent && (dim.max == dim.kUnbounded || extent <= dim.max);
      });
      dims.push_back({.name = name, .input = {}, .axis = -1, .min = extent, .max = extent});
    }
  }
  return dims;
}

Expected<std::vector<Value>> makeInputs(const plan::Plan& plan, std::span<const Port> ports,
                                        const InputOptions& options) {
  std::vector<Value> values(ports.size());
  for (const std::string& text : options.files) {
    JINX_TRY_ASSIGN(NamedFile file, splitFile(text, ports));
    if (isPresent(values[file.input]))
      return invalidArgument("input " + quoted(ports[file.input].name) + " is given twice");
    JINX_TRY_ASSIGN(values[file.input], readInput(ports[file.input], file.path));
  }
  const std::vector<frontends::DimOverride> dims = withSizesOf(values, ports, options.dims);
  JINX_TRY_ASSIGN(std::vector<Shape> shapes, inputShapes(plan, ports, dims, options.dimsWereCompiled));
  std::string missing;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (isPresent(values[i])) continue;
    if (options.seed) {
      JINX_TRY_ASSIGN(values[i], makeRandom(ports[i], shapes[i], *options.seed, i));
    } else if (ports[i].kind != plan::Value::OPTIONAL) {
      missing += (missing.empty() ? "" : ", ") + quoted(ports[i].name) + " (" + describePort(ports[i]) + ")";
    }
  }
  if (!missing.empty())
    return invalidArgument("missing inputs: " + missing +
                           "; pass --input NAME=FILE.npy for each, or --random-inputs SEED");
  return values;
}

} // namespace jinx::tools
