#include "frontends/native/SymbolTable.h"

#include <map>

#include "ir/Graph/Graph.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

constexpr llvm::StringLiteral kSymbols = "jinx.symbols";

/// Names of the inputs' sizes with what the module says of them; what it does not list has an empty dictionary.
std::map<std::string, DictionaryAttr> inputSizes(ModuleOp module, func::FuncOp main) {
  std::map<std::string, DictionaryAttr> sizes;
  for (Type type : main.getArgumentTypes())
    if (isa<RankedTensorType>(type))
      for (const SizeExpr &size : graph::sizesOf(type))
        for (const std::string &name : size.symbols()) sizes.try_emplace(name, DictionaryAttr::get(module.getContext()));
  if (auto listed = module->getAttrOfType<ArrayAttr>(kSymbols))
    for (auto entry : listed.getAsRange<DictionaryAttr>())
      if (auto size = sizes.find(entry.getAs<StringAttr>("name").str()); size != sizes.end()) size->second = entry;
  return sizes;
}

std::string inputName(func::FuncOp main, unsigned i) {
  auto name = main.getArgAttrOfType<StringAttr>(i, "jinx.name");
  return name ? name.str() : "arg" + std::to_string(i);
}

/// The symbol that INPUT:AXIS is; an error when there is none, empty when a size that is no symbol has the wanted value anyway.
Expected<std::string> symbolAt(func::FuncOp main, const DimOverride &dim) {
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto type = dyn_cast<RankedTensorType>(main.getArgumentTypes()[i]);
    if (!type || inputName(main, i) != dim.input) continue;
    if (dim.axis < 0 || dim.axis >= type.getRank())
      return invalidArgument("input '" + dim.input + "' has " + std::to_string(type.getRank()) + " dimensions, there is no " + std::to_string(dim.axis));
    SizeExpr size = graph::sizesOf(type)[size_t(dim.axis)];
    if (size.isSymbol()) return size.str();
    if (dim.isConstant() && size.isConstant(dim.min)) return std::string();
    return invalidArgument("dimension " + std::to_string(dim.axis) + " of input '" + dim.input + "' is " + size.str() + " and cannot be changed");
  }
  return std::string(dim.name);
}

/// What the module says a size may be, with a size or range of the user's inside it.
Expected<DictionaryAttr> narrowed(DictionaryAttr fields, const std::string &name, const DimOverride &dim) {
  auto number = [&](llvm::StringRef key) {
    auto value = fields.getAs<IntegerAttr>(key);
    return value ? value.getInt() : 0;
  };
  const int64_t min = number("min"), max = number("max"), multiple = std::max<int64_t>(1, number("multiple_of"));
  const int64_t last = dim.max == DimOverride::kUnbounded ? max : dim.max;
  const bool inside = dim.min >= min && (max == 0 || last <= max) && (!dim.isConstant() || dim.min % multiple == 0);
  if (!inside || (dim.isConstant() && dim.min == 0)) {
    std::string got = std::to_string(dim.min) + (dim.isConstant() ? "" : ".." + (last ? std::to_string(last) : ""));
    return invalidArgument("dimension '" + name + "' cannot be " + got + ", the model allows " + std::to_string(std::max<int64_t>(1, min)) + ".." +
                           (max ? std::to_string(max) : "") + (multiple > 1 ? " in multiples of " + std::to_string(multiple) : ""));
  }
  Builder builder(fields.getContext());
  NamedAttrList changed(fields);
  changed.set("name", builder.getStringAttr(name));
  changed.set("min", builder.getI64IntegerAttr(dim.min));
  changed.set("max", builder.getI64IntegerAttr(last));
  return changed.getDictionary(fields.getContext());
}

} // namespace

std::vector<std::string> findSymbolProblems(ModuleOp module) {
  Attribute symbols = module->getAttr(kSymbols);
  if (!symbols) return {};
  auto list = dyn_cast<ArrayAttr>(symbols);
  if (!list) return {"jinx.symbols is no list"};
  std::vector<std::string> problems;
  for (auto [i, entry] : llvm::enumerate(list)) {
    auto fields = dyn_cast<DictionaryAttr>(entry);
    auto name = fields ? fields.getAs<StringAttr>("name") : StringAttr();
    if (!name || !SizeExpr::isSymbolName(name.getValue())) {
      problems.push_back("jinx.symbols: entry " + std::to_string(i) + " has no name that is an identifier");
      continue;
    }
    for (llvm::StringRef key : {"min", "max", "multiple_of"})
      if (Attribute value = fields.get(key); value && (!isa<IntegerAttr>(value) || !cast<IntegerAttr>(value).getValue().isSignedIntN(64)))
        problems.push_back("jinx.symbols: " + key.str() + " of '" + name.str() + "' is no number");
  }
  return problems;
}

Status overrideSizes(ModuleOp module, func::FuncOp main, const std::vector<DimOverride> &dims) {
  JINX_TRY(checkConsistent(dims));
  std::map<std::string, DictionaryAttr> sizes = inputSizes(module, main);
  Builder builder(module.getContext());
  for (const DimOverride &dim : dims) {
    JINX_TRY_ASSIGN(std::string name, symbolAt(main, dim));
    if (name.empty()) continue;
    auto size = sizes.find(name);
    if (size == sizes.end()) {
      std::string known;
      for (const auto &[other, fields] : sizes) known += (known.empty() ? "" : ", ") + other;
      return invalidArgument("the model has no dimension '" + dim.name + "'; it names " + (known.empty() ? "none" : known));
    }
    JINX_TRY_ASSIGN(size->second, narrowed(size->second, name, dim));
  }
  SmallVector<Attribute> entries;
  if (auto listed = module->getAttrOfType<ArrayAttr>(kSymbols))
    for (auto entry : listed.getAsRange<DictionaryAttr>())
      if (!sizes.count(entry.getAs<StringAttr>("name").str())) entries.push_back(entry);
  for (const auto &[name, fields] : sizes)
    if (!fields.empty()) entries.push_back(fields);
  if (!dims.empty()) module->setAttr(kSymbols, builder.getArrayAttr(entries));
  return Status::ok();
}

} // namespace jinx::frontends
