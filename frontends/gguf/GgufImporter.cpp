#include "frontends/gguf/GgufImporter.h"

#include <cstring>

#include "frontends/gguf/Step.h"
#include "frontends/native/SymbolTable.h"
#include "ir/Graph/Pages.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

/// What divides rope's frequencies; empty where the file has nothing.
Expected<std::vector<float>> ropeFactors(const GgufFile& file) {
  const GgufTensor* tensor = file.findTensor("rope_freqs.weight");
  if (!tensor) return std::vector<float>();
  if (tensor->type.dtype != DType::kF32) return unimplemented("tensor rope_freqs.weight is of " + std::string(tensor->type.name) + ", expected F32");
  std::vector<float> factors(size_t(numElements(tensor->shape)));
  std::memcpy(factors.data(), tensor->bytes.data(), factors.size() * sizeof(float));
  for (float factor : factors)
    if (!(factor > 0)) return invalidArgument("tensor rope_freqs.weight has " + std::to_string(factor) + ", expected positive numbers");
  return factors;
}

DictionaryAttr metadataOf(MLIRContext* context, const GgufFile& file, const ModelShape& shape, const std::string& pools) {
  Builder builder(context);
  SmallVector<NamedAttribute> entries;
  auto add = [&](const std::string& key, const std::string& value) { entries.push_back(builder.getNamedAttr("llm." + key, builder.getStringAttr(value))); };
  add("architecture", std::string(shape.architecture.name));
  add("key_value_type", pools);
  const std::pair<const char*, int64_t> numbers[] = {{"context_length", shape.context}, {"vocabulary", shape.vocabulary}, {"page_rows", graph::kPageRows}, {"layers", shape.layers},
                                                     {"heads", shape.heads},            {"key_heads", shape.keyHeads},    {"depth", shape.depth}};
  for (const auto& [key, value] : numbers) add(key, std::to_string(value));
  for (const char* token : {"bos", "eos", "eot"})
    if (auto id = file.integer("tokenizer.ggml." + std::string(token) + "_token_id")) add(std::string(token) + "_token_id", std::to_string(*id));
  return builder.getDictionaryAttr(entries);
}

ArrayAttr symbols(MLIRContext* context) {
  Builder builder(context);
  SmallVector<Attribute> list;
  for (const char* name : {"n", "s", "e", "p", "r"}) list.push_back(builder.getDictionaryAttr(builder.getNamedAttr("name", builder.getStringAttr(name))));
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

Expected<OwningOpRef<ModuleOp>> importFile(MLIRContext& context, std::shared_ptr<const GgufFile> file, const ImportOptions& options) {
  JINX_TRY_ASSIGN(ModelShape shape, readModelShape(*file));
  JINX_TRY(checkTensors(*file, shape));
  JINX_TRY_ASSIGN(std::vector<float> factors, ropeFactors(*file));
  const std::string pools = options.keyValueType.empty() ? "f32" : options.keyValueType;
  JINX_TRY_ASSIGN(PoolType pool, poolType(&context, pools));
  context.loadDialect<func::FuncDialect, graph::GraphDialect>();
  auto name = file->text("general.name");
  auto nameAttr = StringAttr::get(&context, name ? StringRef(*name) : StringRef(shape.architecture.name));
  OwningOpRef<ModuleOp> module = ModuleOp::create(NameLoc::get(nameAttr));
  (*module)->setAttr("jinx.metadata", metadataOf(&context, *file, shape, pools));
  (*module)->setAttr("jinx.model_name", nameAttr);
  (*module)->setAttr("jinx.symbols", symbols(&context));
  addStep(*module, shape, Weights(file), factors, pool);
  JINX_TRY(overrideSizes(*module, module->lookupSymbol<func::FuncOp>("main"), options.dims));
  JINX_TRY(verifyModule(*module));
  return module;
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importGguf(MLIRContext& context, const std::string& path, const ImportOptions& options) {
  JINX_TRY_ASSIGN(GgufFile opened, GgufFile::open(path), "importing");
  auto module = importFile(context, std::make_shared<const GgufFile>(std::move(opened)), options);
  if (!module) return module.status().withContext("importing " + path);
  return module;
}

} // namespace jinx::frontends
