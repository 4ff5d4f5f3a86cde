#include "tools/common/Chat.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <iostream>

#include "runtime/chat/ChatTemplate.h"
#include "tools/common/Exit.h"
#include "tools/common/LanguageModel.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

constexpr int32_t kUsualContext = 4096; // tokens for which there are pages where nothing else is said

struct ChatOptions {
  LanguageModelOptions model;
  std::string system, templateFile;
  engine::RequestOptions what;
};

/// Ctrl-C while an answer is written: no signal ends the program, it waits until it is asked for. In any other time it does what it always does.
class Interrupt {
 public:
  Interrupt() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_); // threads that are started later do the same
  }
  ~Interrupt() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Whether one came since the last call.
  bool take() {
    const timespec now{};
    bool came = false;
    while (sigtimedwait(&signals_, nullptr, &now) == SIGINT)
      came = true;
    return came;
  }

  /// The next line of standard input; false at its end. Ctrl-C ends the program here.
  bool readLine(std::string& line) {
    take();
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
    const bool read = static_cast<bool>(std::getline(std::cin, line));
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    return read;
  }

 private:
  sigset_t signals_, before_;
};

/// What ends an answer: what ends any text of the model, and control tokens that end a turn.
std::vector<int32_t> answerEnds(const text::Tokenizer& tokenizer, const llm::PlanModel& model) {
  std::vector<int32_t> ends = endTokensOf(tokenizer, model);
  for (text::TokenId id : chat::endTokens(tokenizer))
    if (id < model.vocabulary() && std::ranges::find(ends, id) == ends.end()) ends.push_back(id);
  return ends;
}

class Conversation {
 public:
  Conversation(const ChatOptions& options, text::Tokenizer tokenizer, std::vector<int32_t> endTokens, chat::ChatTemplate chatTemplate, engine::Engine& engine,
               Interrupt& interrupt)
      : options_(options), tokenizer_(std::move(tokenizer)), endTokens_(std::move(endTokens)), template_(std::move(chatTemplate)), engine_(engine), interrupt_(interrupt) {
    clear();
  }

  void clear() {
    messages_ = nlohmann::ordered_json::array();
    if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
  }

  /// Writes the answer to a message, and keeps both; where there is none, neither.
  Status answer(const std::string& message) {
    messages_.push_back({{"role", "user"}, {"content", message}});
    auto text = answerToAll();
    if (!text) {
      messages_.erase(messages_.size() - 1);
      return text.status();
    }
    messages_.push_back({{"role", "assistant"}, {"content", *text}});
    return Status::ok();
  }

 private:
  Expected<std::vector<text::TokenId>> prompt() const {
    const auto textOf = [&](text::TokenId id) { return std::string(id == text::kNoToken ? std::string_view() : tokenizer_.tokenText(id)); };
    const nlohmann::ordered_json context = {{"messages", messages_}, {"add_generation_prompt", true}, {"bos_token", textOf(tokenizer_.bos())}, {"eos_token", textOf(tokenizer_.eos())}};
    JINX_TRY_ASSIGN(std::vector<chat::Piece> pieces, template_.render(context));
    JINX_TRY_ASSIGN(std::vector<text::TokenId> tokens, chat::encode(tokenizer_, pieces));
    if (tokens.empty()) return invalidArgument("the chat template makes no text of the conversation");
    return tokens;
  }

  Expected<std::string> answerToAll() {
    engine::RequestOptions request = options_.what;
    JINX_TRY_ASSIGN(request.prompt, prompt());
    request.stopTokens = endTokens_;
    engine::Admission admission = engine_.submit(std::move(request));
    if (auto* refusal = std::get_if<engine::Refusal>(&admission)) return invalidArgument(refusal->message + "; /clear begins anew");
    text::Detokenizer detokenizer(tokenizer_, text::kGenerated);
    std::string all;
    const auto write = [&](const std::string& text) {
      all += text;
      return writeText(text);
    };
    while (!engine_.isIdle()) {
      if (interrupt_.take()) engine_.cancel(std::get<engine::RequestId>(admission));
      for (const engine::Output& output : engine_.step()) {
        if (!output.error.empty()) return internalError(output.error);
        if (output.token < 0 || output.finish == engine::FinishReason::kStop) continue;
        JINX_TRY_ASSIGN(std::string text, detokenizer.push(output.token));
        JINX_TRY(write(text));
      }
    }
    JINX_TRY(write(detokenizer.finish()));
    JINX_TRY(writeText("\n"));
    return all;
  }

  const ChatOptions& options_;
  const text::Tokenizer tokenizer_;
  const std::vector<int32_t> endTokens_; ///< of an answer
  const chat::ChatTemplate template_;
  engine::Engine& engine_;
  Interrupt& interrupt_;
  nlohmann::ordered_json messages_;
};

Status converse(Conversation& conversation, Interrupt& interrupt) {
  const bool hasPerson = isTerminal(stdin) && isTerminal(stdout);
  if (hasPerson) std::fputs("/clear begins a new conversation, /exit ends the program, Ctrl-C ends an answer.\n", stderr);
  std::string line;
  for (;;) {
    if (hasPerson) JINX_TRY(writeText(paint(stdout, Style::kBold, "> ")));
    if (!interrupt.readLine(line) || line == "/exit") break;
    if (line.empty()) continue;
    if (line == "/clear") {
      conversation.clear();
      continue;
    }
    Status status = conversation.answer(line);
    if (status.isOk()) continue;
    if (!hasPerson) return status;
    report(status);
  }
  return hasPerson ? writeText("\n") : Status::ok();
}

Status run(const PlanSource& source, const ChatOptions& options) {
  LanguageModelOptions how = options.model;
  JINX_TRY_ASSIGN(const bool isDone, followed(how));
  if (isDone) return Status::ok();
  Interrupt interrupt;
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, openTokenizer(options.model));
  auto from = chat::templateOf(options.templateFile.empty() ? options.model.tokenizerFile() : options.templateFile);
  if (!from) return from.status().withContext("chat template (--chat-template names another file)");
  JINX_TRY_ASSIGN(chat::ChatTemplate chatTemplate, chat::ChatTemplate::parse(*from));
  const int32_t context = how.contextLength > 0 ? how.contextLength : kUsualContext;
  JINX_TRY_ASSIGN(LanguageModel model, openLanguageModel(source, how, tokenizer, context / engine::kPageTokens + 2, 1));
  std::vector<int32_t> ends = answerEnds(tokenizer, *model.model);
  Conversation conversation(options, std::move(tokenizer), std::move(ends), std::move(chatTemplate), *model.engine, interrupt);
  return converse(conversation, interrupt);
}

} // namespace

void addChat(CLI::App& app, Action& action, const PlanSource& source, bool canCompile) {
  auto options = std::make_shared<ChatOptions>();
  options->what.maxTokens = 1024;
  options->what.sampling.temperature = 0;
  CLI::App* command = app.add_subcommand("chat", "Talk to a language model; from a pipe, a message a line");
  addLanguageModelOptions(*command, options->model, canCompile);
  command->add_option("--system", options->system, "What the model is told first");
  command->add_option("--chat-template", options->templateFile, "Jinja source, or a file that has one, instead of the tokenizer's")->type_name("FILE");
  command->add_option("--max-tokens", options->what.maxTokens, "At most so many tokens of an answer")->check(CLI::Range(1, 1 << 30));
  addDraftOptions(*command, options->model.draft, options->what.maxDrafts);
  addSamplingOptions(*command, options->what.sampling);
  command->callback([options, source, &action] {
    action = [options, source] { return report(run(source, *options)); };
  });
}

} // namespace jinx::tools
