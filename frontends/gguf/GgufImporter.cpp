#include "frontends/gguf/GgufImporter.h"

#include "frontends/gguf/Architecture.h"
#include "frontends/llm/ModelModule.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

llm::FileTensors tensorsOf(const GgufFile& file) {
  llm::FileTensors tensors;
  for (const GgufTensor& t : file.tensors()) tensors[std::string(t.name)] = {t.shape, std::string(t.type.name), t.type.dtype, t.type.blocks, t.bytes};
  return tensors;
}

llm::Metadata tokensOf(const GgufFile& file) {
  llm::Metadata tokens;
  for (const char* token : {"bos", "eos", "eot"})
    if (auto id = file.integer("tokenizer.ggml." + std::string(token) + "_token_id")) tokens.emplace_back(std::string(token) + "_token_id", std::to_string(*id));
  return tokens;
}

Expected<OwningOpRef<ModuleOp>> importFile(MLIRContext& context, std::shared_ptr<GgufFile> file, const ImportOptions& options) {
  JINX_TRY_ASSIGN(gguf::Architecture architecture, gguf::readArchitecture(*file));
  JINX_TRY_ASSIGN(llm::ModelShape shape, gguf::readModelShape(*file, architecture));
  llm::WantedTensors wanted = llm::wantedTensors(shape);
  if (!architecture.isGpt) wanted["rope_freqs.weight"] = {{shape.depth / 2}, /*isOptional=*/true};
  llm::Tensors weights(tensorsOf(*file), file, std::move(wanted), [&](const std::string& role) { return gguf::placeOf(architecture, shape, role); });
  JINX_TRY(weights.check(shape.architecture, [](std::string_view) { return false; }));
  JINX_TRY(gguf::readRope(*file, architecture, shape));
  auto name = file->text("general.name");
  return llm::makeStepModule(context, name ? std::string(*name) : shape.architecture, shape, weights, tokensOf(*file), options);
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importGguf(MLIRContext& context, const std::string& path, const ImportOptions& options) {
  JINX_TRY_ASSIGN(GgufFile opened, GgufFile::open(path), "importing");
  auto module = importFile(context, std::make_shared<GgufFile>(std::move(opened)), options);
  if (!module) return module.status().withContext("importing " + path);
  return module;
}

} // namespace jinx::frontends
