#include "runtime/grammar/Masker.h"

#include <algorithm>
#include <array>

namespace jinx::grammar {
namespace {

constexpr size_t kMostHeads = 16;           // of a configuration whose mask is made of local ones
constexpr size_t kMostLocalBytes = 8 << 20; // then they are forgotten
constexpr size_t kMostMasks = 256;

void set(std::vector<uint64_t>& bits, int32_t token) { bits[static_cast<size_t>(token) / 64] |= uint64_t(1) << (token % 64); }

/// The bytes of plain characters (TokenTable.h), as an automaton: where each range leads from each place in a character.
struct PlainRange {
  uint8_t from, low, high, to;
};
constexpr PlainRange kPlainRanges[] = {
    {0, 0x20, 0x21, 0}, {0, 0x23, 0x5B, 0}, {0, 0x5D, 0x7F, 0}, {0, 0xC2, 0xDF, 1}, {0, 0xE0, 0xE0, 4}, {0, 0xE1, 0xEC, 2}, {0, 0xED, 0xED, 5},
    {0, 0xEE, 0xEF, 2}, {0, 0xF0, 0xF0, 6}, {0, 0xF1, 0xF3, 3}, {0, 0xF4, 0xF4, 7}, {1, 0x80, 0xBF, 0}, {2, 0x80, 0xBF, 1}, {3, 0x80, 0xBF, 2},
    {4, 0xA0, 0xBF, 1}, {5, 0x80, 0x9F, 1}, {6, 0x90, 0xBF, 2}, {7, 0x80, 0x8F, 2},
};

} // namespace

Masker::Masker(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTable> table)
    : table_(std::move(table)), machine_(std::make_unique<Machine>(std::move(automaton))), path_(static_cast<size_t>(tokens().all.depth) + 1) {}

void Masker::begin() {
  machine_->beginStep();
  if (!machine_->isFull()) return;
  before_ = std::move(machine_);
  machine_ = std::make_unique<Machine>(before_->sharedAutomaton());
  masks_.clear();
  ++generation_;
}

Expected<ConfigId> Masker::adopt(ConfigId config) {
  const ConfigId own = machine_->adopt(*before_, config);
  if (own == Machine::kFailed) return machine_->failure();
  return own;
}

Expected<ConfigId> Masker::advance(ConfigId config, int32_t token) {
  for (char byte : tokens().bytes[static_cast<size_t>(token)]) {
    config = machine_->next(config, static_cast<uint8_t>(byte));
    if (config == Machine::kFailed) return machine_->failure();
    if (config == kDead) break;
  }
  return config;
}

/// Below a node of the trie, from a configuration on: onTokens(node) where something is left, onNode(node, config) before what is below it.
template <typename OnTokens, typename OnNode>
Status Masker::walk(const TokenTrie& trie, uint32_t from, ConfigId config, OnTokens onTokens, OnNode onNode) {
  const TokenTrie::Node* nodes = trie.nodes.data();
  path_[nodes[from].depth] = config;
  const uint32_t end = nodes[from].end;
  int64_t visited = 0;
  for (uint32_t at = from + 1; at < end;) {
    const TokenTrie::Node& node = nodes[at];
    const ConfigId to = machine_->next(path_[node.depth - 1u], node.byte);
    ++visited;
    if (to <= kDead) {
      if (to == Machine::kFailed) return machine_->failure();
      at = node.end;
      continue;
    }
    if (node.firstToken != nodes[at + 1].firstToken) onTokens(at);
    onNode(at, to);
    path_[node.depth] = to;
    ++at;
  }
  return machine_->count(visited / 4) ? Status::ok() : machine_->failure();
}

/// Where all plain characters lead. \returns false when one leads nowhere
Expected<bool> Masker::plainSteps(ConfigId config, std::vector<ConfigId>& to) {
  constexpr size_t kMost = 64;
  std::vector<std::pair<ConfigId, uint8_t>> places = {{config, 0}};
  to.clear();
  for (size_t i = 0; i < places.size(); ++i)
    for (const PlainRange& range : kPlainRanges) {
      if (range.from != places[i].second) continue;
      std::array<bool, 256> isDone{}; // by class
      for (int byte = range.low; byte <= range.high; ++byte) {
        bool& done = isDone[machine_->automaton().classOf[static_cast<size_t>(byte)]];
        if (done) continue;
        done = true;
        const ConfigId next = machine_->next(places[i].first, static_cast<uint8_t>(byte));
        if (next == Machine::kFailed) return machine_->failure();
        if (next == kDead || places.size() + to.size() > kMost) return false;
        if (range.to == 0) {
          if (std::ranges::find(to, next) == to.end()) to.push_back(next);
        } else if (std::ranges::find(places, std::pair(next, range.to)) == places.end()) {
          places.push_back({next, range.to});
        }
      }
    }
  return true;
}

/// Whether each text of plain characters that is as long as a token goes on from here, without the stack.
Expected<bool> Masker::takesPlain(ConfigId config) {
  std::vector<ConfigId> now = {config}, seen = {config}, to;
  for (int32_t length = 0; length < tokens().longestPlain && !now.empty(); ++length) {
    std::vector<ConfigId> next;
    for (ConfigId one : now) {
      JINX_TRY_ASSIGN(const bool goesOn, plainSteps(one, to));
      if (!goesOn) return false;
      for (ConfigId reached : to)
        if (std::ranges::find(seen, reached) == seen.end()) seen.push_back(reached), next.push_back(reached);
    }
    now = std::move(next);
  }
  return true;
}

Expected<const Masker::Local*> Masker::local(int32_t state) {
  const auto known = locals_.find(state);
  if (known != locals_.end()) return const_cast<const Local*>(&known->second);
  const ConfigId config = machine_->above(state);
  if (config == Machine::kFailed) return machine_->failure();
  Local local;
  JINX_TRY_ASSIGN(local.isPlain, takesPlain(config));
  const TokenTrie& trie = local.isPlain ? tokens().others : tokens().all;
  JINX_TRY(walk(
      trie, 0, config,
      [&](uint32_t node) {
        local.few.insert(local.few.end(), trie.tokens.begin() + trie.nodes[node].firstToken, trie.tokens.begin() + trie.nodes[node + 1].firstToken);
      },
      [&](uint32_t node, ConfigId to) {
        if (machine_->leavesUnknown(to) && trie.nodes[node].end > node + 1) local.leaving.push_back(node);
      }));
  if (local.isPlain || local.few.size() > tokens().words()) {
    local.bits = local.isPlain ? tokens().plain : std::vector<uint64_t>(tokens().words(), 0);
    for (int32_t token : local.few)
      set(local.bits, token);
    local.few = {};
  }
  localBytes_ += 8 * local.bits.size() + 4 * (local.few.size() + local.leaving.size()) + sizeof(Local);
  if (localBytes_ > kMostLocalBytes) locals_.clear(), localBytes_ = 0;
  return const_cast<const Local*>(&locals_.emplace(state, std::move(local)).first->second);
}

Status Masker::addHead(const Machine::Head& head, std::vector<uint64_t>& bits) {
  JINX_TRY_ASSIGN(const Local* local, this->local(head.state));
  if (!local->bits.empty())
    for (size_t i = 0; i < bits.size(); ++i)
      bits[i] |= local->bits[i];
  for (int32_t token : local->few)
    set(bits, token);
  if (local->leaving.empty()) return Status::ok();
  const ConfigId below = machine_->below(head.node);
  if (below == Machine::kFailed) return machine_->failure();
  const TokenTrie& trie = local->isPlain ? tokens().others : tokens().all;
  for (uint32_t node : local->leaving)
    JINX_TRY(walk(
        trie, node, below,
        [&](uint32_t at) {
          for (uint32_t i = trie.nodes[at].firstToken; i < trie.nodes[at + 1].firstToken; ++i)
            set(bits, trie.tokens[i]);
        },
        [](uint32_t, ConfigId) {}));
  return Status::ok();
}

Status Masker::addAll(ConfigId config, std::vector<uint64_t>& bits) {
  const TokenTrie& trie = tokens().all;
  return walk(
      trie, 0, config,
      [&](uint32_t at) {
        for (uint32_t i = trie.nodes[at].firstToken; i < trie.nodes[at + 1].firstToken; ++i)
          set(bits, trie.tokens[i]);
      },
      [](uint32_t, ConfigId) {});
}

Expected<Mask> Masker::mask(ConfigId config) {
  const auto known = masks_.find(config);
  if (known != masks_.end()) return known->second;
  auto bits = std::make_shared<std::vector<uint64_t>>(tokens().words(), 0);
  const auto span = machine_->heads(config);
  const std::vector<Machine::Head> heads(span.begin(), span.end()); // walks add others behind them
  if (heads.size() > kMostHeads) JINX_TRY(addAll(config, *bits));
  else
    for (const Machine::Head& head : heads)
      JINX_TRY(addHead(head, *bits));
  if (machine_->isComplete(config))
    for (int32_t token : tokens().endTokens)
      set(*bits, token);
  if (masks_.size() >= kMostMasks) masks_.clear();
  return masks_.emplace(config, std::move(bits)).first->second;
}

} // namespace jinx::grammar
