#include "frontends/huggingface/Checkpoint.h"

#include <filesystem>
#include <map>
#include <vector>

#include "runtime/base/File.h"
#include "runtime/formats/Safetensors.h"

namespace jinx::frontends::huggingface {
namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMostShards = 4096;

using Shards = std::map<std::string, SafetensorsFile>;

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

Expected<text::Json> readJson(const std::string& path) {
  JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  JINX_TRY_ASSIGN(text::Json json, text::parseJson({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}), path);
  if (!json.is_object()) return text::isOther(json, "an object").withContext(path);
  return json;
}

Expected<text::Json> readJsonIfThere(const std::string& path) { return exists(path) ? readJson(path) : Expected<text::Json>(text::Json()); }

/// A name that an index may have for a shard: of a file in the folder itself.
bool isShardName(const std::string& name) {
  constexpr std::string_view kEnding = ".safetensors";
  return name.size() > kEnding.size() && name.ends_with(kEnding) && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && name.front() != '.';
}

/// Which shard has each tensor.
Expected<std::map<std::string, std::string>> readIndex(const std::string& folder) {
  JINX_TRY_ASSIGN(text::Json json, readJson(folder + "/" + kIndex));
  JINX_TRY_ASSIGN(const text::Json* map, text::objectField(json, "weight_map"), kIndex);
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string() || !isShardName(shard.get<std::string>()))
      return text::isOther(shard, "the name of a .safetensors file in the folder").withContext(std::string(kIndex) + ": shard of tensor \"" + tensor.substr(0, 80) + "\"");
    shards[tensor] = shard.get<std::string>();
  }
  return shards;
}

Expected<Shards> openShards(const std::string& folder) {
  Shards shards;
  if (exists(folder + "/" + kWhole)) {
    JINX_TRY_ASSIGN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + kWhole));
    shards.emplace(kWhole, std::move(file));
    return shards;
  }
  if (!exists(folder + "/" + kIndex)) return notFound("the folder has neither " + std::string(kWhole) + " nor " + kIndex);
  JINX_TRY_ASSIGN(auto index, readIndex(folder));
  for (const auto& [tensor, shard] : index) {
    if (!shards.count(shard)) {
      if (shards.size() == kMostShards) return invalidArgument(std::string(kIndex) + " names more than " + std::to_string(kMostShards) + " shards");
      JINX_TRY_ASSIGN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + shard));
      shards.emplace(shard, std::move(file));
    }
    if (!shards.at(shard).findTensor(tensor)) return invalidArgument(std::string(kIndex) + ": tensor \"" + tensor.substr(0, 80) + "\" is not in " + shard);
  }
  return shards;
}

} // namespace

Expected<Checkpoint> openCheckpoint(const std::string& folder) {
  Checkpoint checkpoint;
  JINX_TRY_ASSIGN(checkpoint.config, readJson(folder + "/config.json"));
  JINX_TRY_ASSIGN(checkpoint.generation, readJsonIfThere(folder + "/generation_config.json"));
  JINX_TRY_ASSIGN(checkpoint.pooling, readJsonIfThere(folder + "/1_Pooling/config.json"));
  JINX_TRY_ASSIGN(Shards opened, openShards(folder));
  auto shards = std::make_shared<Shards>(std::move(opened));
  for (const auto& [shard, file] : *shards) {
    checkpoint.files.emplace_back(folder + "/" + shard, file.bytes());
    for (const SafetensorsTensor& t : file.tensors())
      if (!checkpoint.tensors.emplace(t.name, llm::FileTensor{t.shape, t.typeName, t.dtype, nullptr, t.bytes}).second)
        return invalidArgument("tensor \"" + t.name.substr(0, 80) + "\" is in two shards, one of them " + shard);
  }
  checkpoint.owner = std::move(shards);
  return checkpoint;
}

} // namespace jinx::frontends::huggingface
