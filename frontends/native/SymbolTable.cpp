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
    if (dim.max == 0) return invalidArgument("dimension '" + name + "' cannot be fixed to 0");
    NamedAttrList fields(size->second);
    fields.set("name", builder.getStringAttr(name));
    fields.set("min", builder.getI64IntegerAttr(dim.min));
    fields.set("max", builder.getI64IntegerAttr(dim.max == DimOverride::kUnbounded ? 0 : dim.max));
    size->second = fields.getDictionary(module.getContext());
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
