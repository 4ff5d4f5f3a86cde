// Which text may a model write? A JSON schema, a regular expression or a grammar becomes a mask over tokens for every step.
//
//   JINX_TRY_ASSIGN(auto table, TokenTable::make(tokenizer, endTokens));       // once a model
//   JINX_TRY_ASSIGN(auto grammar, compileJsonSchema(R"({"type": "object"})"));  // once a schema
//   request.mask = makeMask(grammar, table);                                    // once a request
//
// Source of any kind becomes one pushdown automaton over bytes (Automaton.h). A configuration of it, all stacks that the text so far may have led to, is
// interned (Machine.h): texts that leave the same possibilities are at the same configuration, so that transitions and masks are computed once. Decision 0039.
//
// Everything is bounded: hostile source, or source that is ambiguous beyond reason, is an error of that compilation or of that request alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/base/Status.h"
#include "runtime/engine/Sampler.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::grammar {

/// What a compilation may take, and a step of what it makes. Past one of them is kResource, with its name and value.
struct Limits {
  double compileSeconds = 2;        ///< of compiling, by a steady clock
  size_t sourceBytes = 1 << 20;     ///< of schema, pattern or grammar
  int32_t nesting = 64;             ///< of the source: groups in groups, schemas in schemas
  int32_t repetitions = 1 << 14;    ///< {n}, maxItems, maxLength and the like
  int32_t states = 1 << 19;         ///< of the automaton, also of those on the way to it
  int32_t stepStates = 1 << 12;     ///< possibilities that are open after one byte
  int32_t configurations = 1 << 15; ///< kept at once, of all requests with this grammar; a token that needs as many is refused
  int64_t stepWork = 1 << 25;       ///< elementary operations for one mask
};

/// Immutable to its users, shared between threads and requests. What it has learned of its configurations is kept inside, behind a lock.
class Grammar;

/// The text is a JSON document that the schema (JSON Schema 2020-12, a subset: docs/guides/structured-output.md) accepts.
///
/// \returns kInvalidArgument for a schema that is none or that no document fulfills, kUnimplemented for a keyword that is not supported, with the JSON
///          pointer of its place; kResource past a limit
Expected<std::shared_ptr<const Grammar>> compileJsonSchema(std::string_view schema, const Limits& limits = {});
/// The whole text matches the pattern. kInvalidArgument with the offset in bytes; kUnimplemented for lookaround, backreferences and the like.
Expected<std::shared_ptr<const Grammar>> compileRegex(std::string_view pattern, const Limits& limits = {});
/// The text is derived from the rule `root` of a grammar in llama.cpp's notation. kInvalidArgument with the line; a rule that begins with itself through others
/// is kUnimplemented.
Expected<std::shared_ptr<const Grammar>> compileGbnf(std::string_view grammar, const Limits& limits = {});
/// Any JSON document.
Expected<std::shared_ptr<const Grammar>> anyJson();
/// Any JSON object: what "json_object" asks for.
Expected<std::shared_ptr<const Grammar>> anyJsonObject();

/// The bytes of a model's tokens, as a trie. Immutable; safe to use from several threads.
class TokenTable {
 public:
  /// \param endTokens   tokens that end a text: allowed where the grammar may end, and nowhere else
  /// \param vocabulary  number of logits of the model where it has more than the tokenizer has tokens; the rest is never allowed. 0: as many
  /// \returns kInvalidArgument for an end token that is no id. Other control tokens, and tokens without bytes, are never allowed.
  static Expected<std::shared_ptr<const TokenTable>> make(const text::Tokenizer& tokenizer, std::span<const int32_t> endTokens, int32_t vocabulary = 0);
  ~TokenTable();

  int32_t vocabulary() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit TokenTable(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

/// A mask for one request. Not for two threads at once; masks of one grammar may be used from different threads.
///
/// `allowed` keeps what it knows of the longest prefix that the output shares with the one before: drafts that are refused and preemptions cost nothing. It is
/// kInvalidArgument when the output is not one that the grammar allows, or nothing can follow it, kResource past a limit.
std::shared_ptr<engine::TokenMask> makeMask(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTable> table);

/// How much of a text the grammar allows.
struct Match {
  size_t length = 0;       ///< bytes that some text of the grammar begins with
  bool isComplete = false; ///< it is the whole text, and the grammar has it
};
Expected<Match> match(const Grammar& grammar, std::string_view text);

} // namespace jinx::grammar
