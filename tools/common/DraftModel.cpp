#include "tools/common/DraftModel.h"

#include <algorithm>

#include "runtime/text/OpenTokenizer.h"

namespace jinx::tools {
namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Status compareTokens(const text::Tokenizer& draft, const text::Tokenizer& target) {
  if (draft.vocabularySize() != target.vocabularySize())
    return invalidArgument("its tokenizer has " + std::to_string(draft.vocabularySize()) + " tokens, expected the model's " + std::to_string(target.vocabularySize()));
  for (size_t i = 0; i < target.vocabularySize(); ++i) {
    const auto id = static_cast<text::TokenId>(i);
    if (draft.tokenText(id) != target.tokenText(id))
      return invalidArgument("its token " + std::to_string(id) + " is " + quoted(draft.tokenText(id)) + ", expected the model's, " + quoted(target.tokenText(id)));
  }
  return Status::ok();
}

Status checkTokenizer(const DraftOptions& options, const text::Tokenizer& tokenizer) {
  if (options.tokenizer.empty() && startsAsPlan(options.path)) return Status::ok();
  JINX_TRY_ASSIGN(const text::Tokenizer own, text::openTokenizer(options.tokenizer.empty() ? options.path : options.tokenizer), "tokenizer");
  return compareTokens(own, tokenizer);
}

Expected<DraftModel> open(const PlanSource& source, const DraftOptions& options, PlanRequest request, const text::Tokenizer& tokenizer, const llm::PlanModel& target) {
  JINX_TRY(checkTokenizer(options, tokenizer));
  request.path = options.path;
  DraftModel draft;
  JINX_TRY_ASSIGN(draft.plan, source(request));
  JINX_TRY_ASSIGN(auto device, openDevice(request.device));
  JINX_TRY_ASSIGN(draft.model, llm::PlanModel::create(draft.plan.file, std::move(device), {.pages = target.pages(), .parallelWork = request.device.parallelWork}));
  if (draft.model->vocabulary() != target.vocabulary())
    return invalidArgument("it has a vocabulary of " + std::to_string(draft.model->vocabulary()) + ", expected the model's, " + std::to_string(target.vocabulary()));
  return draft;
}

} // namespace

void addDraftOptions(CLI::App& command, DraftOptions& options, int32_t& drafts) {
  auto* lookup = command.add_option("--drafts", drafts, "Guess up to so many tokens a step from what is there already")->check(CLI::Range(0, 64));
  auto* model = command.add_option("--draft-model", options.path, "A small model with the same tokenizer, whose guesses are verified")->type_name("FILE")->excludes(lookup);
  command.add_option("--draft-tokens", options.tokens, "Guess up to so many tokens a step with the draft model")->check(CLI::Range(1, 64))->capture_default_str()->needs(model);
  command.add_option("--draft-tokenizer", options.tokenizer, "Of the draft model, to compare; else its own")->type_name("FILE")->needs(model);
  command.parse_complete_callback([&options, &drafts] {
    if (!options.path.empty()) drafts = options.tokens;
  });
}

Expected<DraftModel> openDraftModel(const PlanSource& source, const DraftOptions& options, const PlanRequest& like, const text::Tokenizer& tokenizer,
                                    const llm::PlanModel& target, engine::EngineOptions& engine) {
  if (options.path.empty()) return DraftModel();
  JINX_TRY_ASSIGN(DraftModel draft, open(source, options, like, tokenizer, target), "draft model " + options.path);
  engine.draftModel = draft.model.get();
  engine.scheduler.contextLength = std::min(engine.scheduler.contextLength, draft.model->contextLength());
  return draft;
}

} // namespace jinx::tools
