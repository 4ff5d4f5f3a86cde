// A folder as models are published in: config.json, generation_config.json, and tensors in one safetensors file or in shards that an index names.
#pragma once

#include <memory>
#include <string>

#include "frontends/llm/Tensors.h"
#include "runtime/text/Json.h"

namespace jinx::frontends::huggingface {

struct Checkpoint {
  text::Json config;
  text::Json generation; ///< null where the folder has none
  text::Json pooling;    ///< of sentence-transformers (1_Pooling/config.json); null where the folder has none
  llm::FileTensors tensors;
  std::vector<std::pair<std::string, std::span<const std::byte>>> files; ///< of tensors: paths, and their bytes as they are mapped
  std::shared_ptr<void> owner; ///< of the tensors' bytes
};

/// Reads config.json, and model.safetensors, or the shards of model.safetensors.index.json.
///
/// \returns kNotFound for a file that is missing, kInvalidArgument for one that is damaged, an index that names a file outside of the folder, a tensor
///          that is not where the index says or is in two shards; each names the file
Expected<Checkpoint> openCheckpoint(const std::string& folder);

} // namespace jinx::frontends::huggingface
