// A second, small model whose guesses the first one verifies: `--draft-model` of `generate`, `chat` and `serve`.
#pragma once

#include <memory>
#include <string>

#include "runtime/engine/Engine.h"
#include "runtime/llm/PlanModel.h"
#include "runtime/text/Tokenizer.h"
#include "tools/common/Arguments.h"

namespace jinx::tools {

struct DraftOptions {
  std::string path;      ///< of the model; empty: none
  std::string tokenizer; ///< its file; empty: the model's own, which a plan has not
  int32_t tokens = 4;    ///< guesses a step
};

/// --drafts, and instead of it --draft-model, --draft-tokens, --draft-tokenizer
///
/// \param options, drafts  drafts: of a request, for each step, whoever makes them. Both must outlive the command
void addDraftOptions(CLI::App& command, DraftOptions& options, int32_t& drafts);

/// Parts that the engine points to.
struct DraftModel {
  LoadedPlan plan;
  std::unique_ptr<llm::PlanModel> model; ///< null: there is none
};

/// Opens the draft model, with as many pages as the target has, and puts it into the engine's options, whose context becomes no longer than the draft model's.
/// Does nothing where none is asked for.
///
/// \param like  how the target was opened: the device, and how plans are kept
/// \returns kInvalidArgument where the vocabulary, or a token of it, is not the target's; tokens of a plan without a tokenizer file are not compared
Expected<DraftModel> openDraftModel(const PlanSource& source, const DraftOptions& options, const PlanRequest& like, const text::Tokenizer& tokenizer,
                                    const llm::PlanModel& target, engine::EngineOptions& engine);

} // namespace jinx::tools
