// A language model that is open: its plan, its tokenizer, and an engine over both. What `generate` and `chat` share.
#pragma once

#include <memory>
#include <vector>

#include "runtime/engine/Engine.h"
#include "runtime/text/Tokenizer.h"
#include "tools/common/Arguments.h"
#include "tools/common/DraftModel.h"
#include "tools/common/LanguageModelRanks.h"

namespace jinx::tools {

struct LanguageModelOptions {
  PlanRequest request;
  std::string tokenizer; ///< its file; empty: the model's own
  int32_t pages = 0;     ///< of 16 tokens; 0: as the command says
  int32_t contextLength = 0;
  int32_t budget = 512; ///< tokens of a step
  bool overlaps = false, cachesPrefixes = true; ///< as of the engine
  DraftOptions draft;
  RankOptions ranks;
  std::shared_ptr<comm::Communicator> world; ///< of mpirun or srun, whose first rank this is; null: none

  const std::string& tokenizerFile() const { return tokenizer.empty() ? request.path : tokenizer; }
};

/// MODEL, --tokenizer, --budget, --pages, --context, --overlap, --no-prefix-cache, those of devices
void addLanguageModelOptions(CLI::App& command, LanguageModelOptions& options, bool canCompile);
/// --temperature, --top-k, --top-p, --min-p, --seed
void addSamplingOptions(CLI::App& command, engine::SamplingOptions& sampling);

Expected<text::Tokenizer> openTokenizer(const LanguageModelOptions& options);

/// Not to be moved while its engine has work: parts point to each other.
struct LanguageModel : SteppedModel {
  DraftModel draft;
  std::unique_ptr<engine::Engine> engine;
};

/// \param tokenizer  of the model: a draft model has to have the same
/// \param pages     where the options do not say how many
/// \param requests  that may wait at once, at least 1
Expected<LanguageModel> openLanguageModel(const PlanSource& source, const LanguageModelOptions& options, const text::Tokenizer& tokenizer, int32_t pages, size_t requests);

/// Opens the world that the options name, if any. A process that is not its first does what that one does until it ends, and gets true: there is nothing left for it to do.
Expected<bool> followed(LanguageModelOptions& options);

/// Tokens that end a text: the tokenizer's, and what the plan says ends one. Some tokenizers do not say; a plan that does may name several.
std::vector<int32_t> endTokensOf(const text::Tokenizer& tokenizer, const llm::PlanModel& model);

/// Writes to standard output and flushes: a reader who waits sees text as it comes.
Status writeText(std::string_view text);

} // namespace jinx::tools
