#include "runtime/grammar/Grammar.h"

#include <algorithm>
#include <utility>

#include "runtime/grammar/Gbnf.h"
#include "runtime/grammar/JsonText.h"
#include "runtime/grammar/Masker.h"
#include "runtime/grammar/Regex.h"
#include "runtime/grammar/Schema.h"

namespace jinx::grammar {

class Grammar {
 public:
  explicit Grammar(std::shared_ptr<const Automaton> automaton) : automaton_(std::move(automaton)) {}
  const std::shared_ptr<const Automaton>& automaton() const { return automaton_; }

  /// The one for these tokens, shared by all requests.
  std::shared_ptr<Masker> masker(const std::shared_ptr<const TokenTable>& table) const {
    const std::lock_guard guard(lock_);
    std::erase_if(maskers_, [](const auto& one) { return one.first.expired(); });
    for (const auto& [known, masker] : maskers_)
      if (known.lock() == table) return masker;
    return maskers_.emplace_back(table, std::make_shared<Masker>(automaton_, table)).second;
  }

 private:
  const std::shared_ptr<const Automaton> automaton_;
  mutable std::mutex lock_;
  mutable std::vector<std::pair<std::weak_ptr<const TokenTable>, std::shared_ptr<Masker>>> maskers_;
};

namespace {

class GrammarMask : public engine::TokenMask {
 public:
  GrammarMask(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTable> table)
      : grammar_(std::move(grammar)), table_(std::move(table)), masker_(grammar_->masker(table_)) {}

  Expected<std::span<const uint64_t>> allowed(std::span<const int32_t> output) override {
    const std::lock_guard guard(masker_->lock());
    masker_->begin();
    JINX_TRY(follow());
    const auto common = static_cast<size_t>(std::ranges::mismatch(tokens_, output).in1 - tokens_.begin());
    tokens_.resize(common), configs_.resize(common);
    if (now() == kForgotten) tokens_.clear(), configs_.clear();
    for (size_t i = tokens_.size(); i < output.size(); ++i)
      JINX_TRY(append(output[i], i));
    JINX_TRY_ASSIGN(mask_, maskNow());
    return std::span<const uint64_t>(*mask_);
  }

 private:
  static constexpr ConfigId kEnded = -1;     ///< an end token was there
  static constexpr ConfigId kForgotten = -3; ///< known to an older generation only
  static constexpr size_t kKept = 64;        ///< of the last tokens, when a generation ends: as many drafts can be refused

  /// Takes the last configurations over from the generation before.
  Status follow() {
    const uint64_t generation = masker_->generation();
    if (generation_ == generation) return Status::ok();
    const bool isNext = generation_ + 1 == generation;
    generation_ = generation;
    for (size_t i = 0; i < configs_.size(); ++i) {
      const bool isKept = isNext && i + kKept >= configs_.size() && configs_[i] != kForgotten;
      if (configs_[i] == kEnded) continue;
      const Expected<ConfigId> own = isKept ? masker_->adopt(configs_[i]) : Expected<ConfigId>(kForgotten);
      configs_[i] = own ? *own : kForgotten;
      if (!own) return own.status();
    }
    return Status::ok();
  }

  ConfigId now() const { return configs_.empty() ? masker_->machine().start() : configs_.back(); }

  Status append(int32_t token, size_t index) {
    const TokenTable::State& table = table_->state();
    const auto refused = [&] { return invalidArgument("token " + std::to_string(token) + " at place " + std::to_string(index) + " of the output is not one that the grammar allows there"); };
    if (token < 0 || token >= table.vocabulary) return refused();
    ConfigId to = kEnded;
    if (table.isEnd(token)) {
      if (now() != kEnded && !masker_->machine().isComplete(now())) return refused();
    } else {
      if (now() == kEnded || table.bytes[static_cast<size_t>(token)].empty()) return refused();
      masker_->machine().beginStep();
      JINX_TRY_ASSIGN(to, masker_->advance(now(), token));
      if (to == kDead) return refused();
    }
    tokens_.push_back(token), configs_.push_back(to);
    return Status::ok();
  }

  Expected<Mask> maskNow() {
    masker_->machine().beginStep();
    if (now() == kEnded) {
      auto ends = std::make_shared<std::vector<uint64_t>>(table_->state().words(), 0);
      for (int32_t token : table_->state().endTokens)
        (*ends)[static_cast<size_t>(token) / 64] |= uint64_t(1) << (token % 64);
      return Mask(std::move(ends));
    }
    JINX_TRY_ASSIGN(Mask mask, masker_->mask(now()));
    if (std::ranges::all_of(*mask, [](uint64_t word) { return word == 0; }))
      return invalidArgument(masker_->machine().goesOn(now()) ? "no token of the vocabulary goes on where the grammar does" : "the grammar has ended, and no token ends the text");
    return mask;
  }

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const TokenTable> table_;
  const std::shared_ptr<Masker> masker_;
  uint64_t generation_ = 0; ///< of configs_
  std::vector<int32_t> tokens_;   ///< of the output that was asked for last
  std::vector<ConfigId> configs_; ///< behind each
  Mask mask_;
};

Expected<std::shared_ptr<const Grammar>> finish(Rules& rules, int32_t root, Budget& budget) {
  JINX_TRY_ASSIGN(std::shared_ptr<const Automaton> automaton, rules.finish(root, budget));
  return std::shared_ptr<const Grammar>(std::make_shared<Grammar>(std::move(automaton)));
}

} // namespace

Expected<std::shared_ptr<const Grammar>> compileRegex(std::string_view pattern, const Limits& limits) {
  Budget budget(limits);
  JINX_TRY_ASSIGN(Expression expression, parseRegex(pattern, budget), "pattern");
  JINX_TRY_ASSIGN(expression, withoutAnchors(std::move(expression), Side::kEdge, Side::kEdge), "pattern");
  Rules rules;
  const int32_t root = rules.add();
  Lowering lowering(Encoding::kUtf8, &rules, budget);
  JINX_TRY_ASSIGN(const int32_t end, lowering.append(rules[root], rules[root].start(), expression), "pattern");
  rules[root].setFinal(end);
  JINX_TRY_ASSIGN(auto grammar, finish(rules, root, budget), "pattern");
  return grammar;
}

Expected<std::shared_ptr<const Grammar>> compileGbnf(std::string_view text, const Limits& limits) {
  Budget budget(limits);
  Rules rules;
  JINX_TRY_ASSIGN(const int32_t root, parseGbnf(text, rules, budget), "grammar");
  JINX_TRY_ASSIGN(auto grammar, finish(rules, root, budget), "grammar");
  return grammar;
}

Expected<std::shared_ptr<const Grammar>> compileJsonSchema(std::string_view text, const Limits& limits) {
  Budget budget(limits);
  JINX_TRY_ASSIGN(const JsonValue schema, parseJsonValue(text, budget), "schema");
  Rules rules;
  JINX_TRY_ASSIGN(const int32_t root, SchemaCompiler(schema, rules, budget).compile(), "schema");
  JINX_TRY_ASSIGN(auto grammar, finish(rules, root, budget), "schema");
  return grammar;
}

Expected<std::shared_ptr<const Grammar>> anyJson() {
  Budget budget({});
  Rules rules;
  JsonText json(rules);
  return finish(rules, json.value(), budget);
}

Expected<std::shared_ptr<const Grammar>> anyJsonObject() {
  Budget budget({});
  Rules rules;
  JsonText json(rules);
  return finish(rules, json.object(), budget);
}

std::shared_ptr<engine::TokenMask> makeMask(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTable> table) {
  return std::make_shared<GrammarMask>(std::move(grammar), std::move(table));
}

Expected<Match> match(const Grammar& grammar, std::string_view text) {
  auto machine = std::make_unique<Machine>(grammar.automaton());
  ConfigId config = machine->start();
  Match match;
  for (; match.length < text.size(); ++match.length) {
    machine->beginStep();
    if (machine->isFull()) {
      const auto before = std::exchange(machine, std::make_unique<Machine>(grammar.automaton()));
      config = machine->adopt(*before, config);
      if (config == Machine::kFailed) return machine->failure();
    }
    const ConfigId to = machine->next(config, static_cast<uint8_t>(text[match.length]));
    if (to == Machine::kFailed) return machine->failure();
    if (to == kDead) return match;
    config = to;
  }
  match.isComplete = machine->isComplete(config);
  return match;
}

} // namespace jinx::grammar
