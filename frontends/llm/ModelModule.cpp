#include "frontends/llm/ModelModule.h"

#include "frontends/llm/Step.h"
#include "frontends/native/SymbolTable.h"
#include "ir/Graph/Pages.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace jinx::frontends::llm {
namespace {

DictionaryAttr metadataAttr(MLIRContext* context, const Metadata& metadata) {
  Builder builder(context);
  SmallVector<NamedAttribute> entries;
  for (const auto& [key, value] : metadata) entries.push_back(builder.getNamedAttr("llm." + key, builder.getStringAttr(value)));
  return builder.getDictionaryAttr(entries);
}

ArrayAttr symbolsAttr(MLIRContext* context, const std::vector<std::string>& symbols) {
  Builder builder(context);
  SmallVector<Attribute> list;
  for (const std::string& name : symbols) list.push_back(builder.getDictionaryAttr(builder.getNamedAttr("name", builder.getStringAttr(name))));
  return builder.getArrayAttr(list);
}

Status verifyModule(ModuleOp module) {
  std::string message;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic& diagnostic) {
    if (message.empty()) message = diagnostic.str();
    return success();
  });
  return succeeded(verify(module)) ? Status::ok() : internalError("the imported module is not valid: " + message);
}

} // namespace

std::string listOf(const std::vector<int64_t>& ids) {
  std::string text;
  for (int64_t id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

OwningOpRef<ModuleOp> makeModule(MLIRContext& context, const std::string& name, const Metadata& metadata, const std::vector<std::string>& symbols) {
  context.loadDialect<func::FuncDialect, graph::GraphDialect>();
  auto nameAttr = StringAttr::get(&context, name);
  OwningOpRef<ModuleOp> module = ModuleOp::create(NameLoc::get(nameAttr));
  (*module)->setAttr("jinx.metadata", metadataAttr(&context, metadata));
  (*module)->setAttr("jinx.model_name", nameAttr);
  (*module)->setAttr("jinx.symbols", symbolsAttr(&context, symbols));
  return module;
}

Status finishModule(ModuleOp module, const ImportOptions& options) {
  JINX_TRY(overrideSizes(module, module.lookupSymbol<func::FuncOp>("main"), options.dims));
  return verifyModule(module);
}

Expected<OwningOpRef<ModuleOp>> makeStepModule(MLIRContext& context, const std::string& name, const ModelShape& shape, const Tensors& weights, const Metadata& tokens,
                                               const ImportOptions& options) {
  const std::string activations = !options.activationType.empty() ? options.activationType : options.isForGpu ? "bf16" : "f32";
  const std::string pools = !options.keyValueType.empty() ? options.keyValueType : options.isForGpu ? activations : "f32";
  const bool picksTokens = options.picksTokens || options.isForGpu;
  JINX_TRY_ASSIGN(PoolType pool, poolType(&context, pools));
  JINX_TRY_ASSIGN(Type activation, activationType(&context, activations));
  Metadata metadata = {{"architecture", shape.architecture}, {"key_value_type", pools}};
  const std::pair<const char*, int64_t> numbers[] = {{"context_length", shape.context}, {"vocabulary", shape.vocabulary}, {"page_rows", graph::kPageRows}, {"layers", shape.layers},
                                                     {"heads", shape.heads},            {"key_heads", shape.keyHeads},    {"depth", shape.depth}};
  for (const auto& [key, value] : numbers) metadata.emplace_back(key, std::to_string(value));
  metadata.insert(metadata.end(), tokens.begin(), tokens.end());
  std::vector<std::string> symbols = {"n", "s", "e", "p", "r"};
  if (picksTokens) symbols.insert(symbols.end(), {"h", "d", "l", "q"});
  OwningOpRef<ModuleOp> module = makeModule(context, name, metadata, symbols);
  addStep(*module, shape, weights, pool, activation, picksTokens);
  JINX_TRY(finishModule(*module, options));
  return module;
}

} // namespace jinx::frontends::llm
