// Masks of configurations, for one grammar and one model's tokens.
//
// The mask of a configuration is a walk over the trie of tokens. Most of it depends on the state at hand alone, not on the stack: what a head's state allows above
// an unknown stack is worked out once for that state (a *local* mask), with the places of the trie where the walk leaves the unknown stack. The mask
// of a configuration is then the union of its heads' local masks and of walks from those places on, where the stack is known. In a string these are
// the tokens with a quotation mark in them.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/grammar/Machine.h"
#include "runtime/grammar/TokenTable.h"

namespace jinx::grammar {

using Mask = std::shared_ptr<const std::vector<uint64_t>>;

/// Shared by the requests that have the grammar; `lock` is held by who calls anything else.
class Masker {
 public:
  Masker(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTable> table);

  std::mutex& lock() { return lock_; }
  const TokenTable::State& tokens() const { return table_->state(); }
  Machine& machine() { return *machine_; }
  /// Configurations are numbers of a generation.
  uint64_t generation() const { return generation_; }
  /// Before a mask is asked for: begins a new generation when much is kept.
  void begin();
  /// What a configuration of the generation before is in this one. An error past a limit.
  Expected<ConfigId> adopt(ConfigId config);

  /// Where a token leads; kDead when it is not allowed. An error past a limit.
  Expected<ConfigId> advance(ConfigId config, int32_t token);
  /// End tokens are in it where the text may end. An error past a limit.
  Expected<Mask> mask(ConfigId config);

 private:
  struct Local {
    std::vector<uint64_t> bits;  ///< of all tokens; empty where they are few:
    std::vector<int32_t> few;
    std::vector<uint32_t> leaving; ///< nodes of the trie with something below
    bool isPlain = false;          ///< plain tokens are in it, and `leaving` are nodes of the other trie
  };
  template <typename OnTokens, typename OnNode>
  Status walk(const TokenTrie& trie, uint32_t from, ConfigId config, OnTokens onTokens, OnNode onNode);
  Expected<const Local*> local(int32_t state);
  Expected<bool> takesPlain(ConfigId config);
  Expected<bool> plainSteps(ConfigId config, std::vector<ConfigId>& to);
  Status addHead(const Machine::Head& head, std::vector<uint64_t>& bits);
  Status addAll(ConfigId config, std::vector<uint64_t>& bits);

  std::mutex lock_;
  const std::shared_ptr<const TokenTable> table_;
  std::unique_ptr<Machine> machine_, before_;
  uint64_t generation_ = 1;
  std::unordered_map<int32_t, Local> locals_; ///< by state
  size_t localBytes_ = 0;
  std::unordered_map<ConfigId, Mask> masks_;
  std::vector<ConfigId> path_;
};

} // namespace jinx::grammar
