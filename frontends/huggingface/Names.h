// Which tensors of a checkpoint have the elements of a role (frontends/llm/Tensors.h)?
#pragma once

#include <string>
#include <string_view>

#include "frontends/huggingface/Config.h"
#include "frontends/llm/Tensors.h"

namespace jinx::frontends::huggingface {

class Names {
public:
  /// \param tensors  of the checkpoint: models are published with and without what stands in front of all names ("model.", "transformer.", "bert.")
  Names(const Architecture& architecture, int64_t queries, int64_t keys, int64_t experts, const llm::FileTensors& tensors);

  llm::Place placeOf(const std::string& role) const;
  /// Tensors that a checkpoint may have and a plan needs not: tables that are computed, a second copy of the embedding, what stands behind an encoder.
  bool isIgnored(std::string_view tensor) const;

private:
  llm::Place placeInLayer(const std::string& layer, std::string_view part, std::string_view end) const;
  llm::Place placeOfGptAttention(const std::string& layer, std::string_view part, std::string_view end) const;
  llm::Place placeOfExperts(const std::string& layer, std::string_view part) const;

  Naming naming_;
  int64_t queries_, keys_, experts_; ///< rows of q, of k; experts of a layer
  std::string prefix_;
};

} // namespace jinx::frontends::huggingface
