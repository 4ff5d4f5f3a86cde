#include "frontends/huggingface/HuggingFaceImporter.h"

#include <algorithm>

#include "frontends/huggingface/Checkpoint.h"
#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/Names.h"
#include "frontends/llm/ModelModule.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

using namespace huggingface;

/// What ends a text, by any of the two files; one that generates has more of them often.
Status addIds(const Checkpoint& checkpoint, const char* field, llm::Metadata& tokens) {
  std::vector<int64_t> ids;
  for (const auto& [object, file] : {std::pair(&checkpoint.generation, "generation_config.json"), std::pair(&checkpoint.config, "config.json")}) {
    JINX_TRY_ASSIGN(std::vector<int64_t> found, Fields(*object).integers(field), file);
    for (int64_t id : found)
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  if (!ids.empty()) tokens.emplace_back(field, llm::listOf(ids));
  return Status::ok();
}

Expected<OwningOpRef<ModuleOp>> importDecoder(MLIRContext& context, const std::string& name, const Checkpoint& checkpoint, const Architecture& architecture, const ImportOptions& options) {
  JINX_TRY_ASSIGN(llm::ModelShape shape, readModelShape(Fields(checkpoint.config), architecture), "config.json");
  llm::Metadata tokens;
  for (const char* field : {"bos_token_id", "eos_token_id"}) JINX_TRY(addIds(checkpoint, field, tokens));
  if (uint64_t(shape.layers) > checkpoint.tensors.size())
    return invalidArgument("the model has " + std::to_string(checkpoint.tensors.size()) + " tensors, expected several for each of " + std::to_string(shape.layers) + " layers");
  if (uint64_t(shape.experts.count) > checkpoint.tensors.size())
    return invalidArgument("the model has " + std::to_string(checkpoint.tensors.size()) + " tensors, expected several for each of " + std::to_string(shape.experts.count) + " experts");
  const Names names(architecture, shape.queries(), shape.keys(), shape.experts.count, checkpoint.tensors);
  llm::Tensors weights(checkpoint.tensors, checkpoint.owner, llm::wantedTensors(shape), [&](const std::string& role) { return names.placeOf(role); });
  JINX_TRY(weights.check(shape.architecture, [&](std::string_view tensor) { return names.isIgnored(tensor); }));
  return llm::makeStepModule(context, name, shape, weights, tokens, options);
}

Expected<OwningOpRef<ModuleOp>> importEncoder(MLIRContext& context, const std::string& name, const Checkpoint& checkpoint, const Architecture& architecture, const ImportOptions& options) {
  const auto refused = [&](const char* option) { return invalidArgument(std::string(option) + " is about models that make tokens, got one of architecture " + std::string(architecture.name)); };
  if (!options.keyValueType.empty()) return refused("--kv");
  if (!options.activationType.empty()) return refused("--activations");
  if (options.picksTokens) return refused("--draws");
  JINX_TRY_ASSIGN(llm::EncoderShape shape, readEncoderShape(Fields(checkpoint.config), checkpoint.pooling), "config.json");
  if (uint64_t(shape.layers) > checkpoint.tensors.size())
    return invalidArgument("the model has " + std::to_string(checkpoint.tensors.size()) + " tensors, expected several for each of " + std::to_string(shape.layers) + " layers");
  const Names names(architecture, 0, 0, 0, checkpoint.tensors);
  llm::Tensors weights(checkpoint.tensors, checkpoint.owner, llm::wantedTensors(shape), [&](const std::string& role) { return names.placeOf(role); });
  JINX_TRY(weights.check(std::string(architecture.name), [&](std::string_view tensor) { return names.isIgnored(tensor); }));
  return llm::makeEncoderModule(context, name, std::string(architecture.name), shape, weights, options);
}

std::string nameOf(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder.substr(folder.find_last_of('/') + 1);
}

Expected<OwningOpRef<ModuleOp>> importFolder(MLIRContext& context, const std::string& folder, const ImportOptions& options) {
  JINX_TRY_ASSIGN(Checkpoint checkpoint, openCheckpoint(folder));
  if (options.mapped)
    for (const auto& [path, bytes] : checkpoint.files) options.mapped(path, bytes);
  JINX_TRY_ASSIGN(Architecture architecture, readArchitecture(Fields(checkpoint.config)), "config.json");
  const auto import = architecture.naming == Naming::kBert ? importEncoder : importDecoder;
  return import(context, nameOf(folder), checkpoint, architecture, options);
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importHuggingFace(MLIRContext& context, const std::string& folder, const ImportOptions& options) {
  auto module = importFolder(context, folder, options);
  if (!module) return module.status().withContext("importing " + folder);
  return module;
}

} // namespace jinx::frontends
