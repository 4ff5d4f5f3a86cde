#include "runtime/grammar/Machine.h"

#include <algorithm>

namespace jinx::grammar {
namespace {

uint64_t hashOf(std::span<const Machine::Head> heads, uint64_t hash) {
  for (const Machine::Head& head : heads) {
    hash = (hash ^ (static_cast<uint64_t>(static_cast<uint32_t>(head.state)) << 32 | static_cast<uint32_t>(head.node))) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 29;
  }
  return hash;
}

uint64_t keyOf(const Machine::Head& head) { return static_cast<uint64_t>(static_cast<uint32_t>(head.state)) << 32 | static_cast<uint32_t>(head.node); }

} // namespace

Machine::Machine(std::shared_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)), classes_(automaton_->classBytes.size()), nodes_(2), configs_(1), table_(classes_, kDead), calledByRule_(automaton_->rules.size(), -1) {
  begin();
  addItem({automaton_->rules[static_cast<size_t>(automaton_->root)].start, kBottom});
  start_ = close();
  if (start_ == kFailed) start_ = kDead;
}

ConfigId Machine::adopt(const Machine& other, ConfigId config) {
  // The nodes that are reached, lower ones first: a node's number is above those of the nodes in its frames.
  std::vector<NodeId> reached;
  std::unordered_map<NodeId, NodeId> own;
  const auto reach = [&](NodeId node) {
    if (own.try_emplace(node, node).second && node > kUnknown) reached.push_back(node);
  };
  for (const Head& head : other.heads(config))
    reach(head.node);
  for (size_t i = 0; i < reached.size(); ++i)
    for (const Head& frame : other.framesOf(reached[i]))
      reach(frame.node);
  std::ranges::sort(reached);
  for (NodeId node : reached) {
    scratch_.clear();
    for (const Head& frame : other.framesOf(node))
      scratch_.push_back({frame.state, own[frame.node]});
    own[node] = nodeOf(scratch_);
    if (own[node] < 0) return kFailed;
  }
  leaves_.clear();
  for (const Head& head : other.heads(config))
    leaves_.push_back({head.state, own[head.node]});
  return intern(leaves_, other.isComplete(config), other.leavesUnknown(config));
}

bool Machine::count(int64_t operations) {
  work_ += operations;
  if (work_ <= automaton_->limits.stepWork) return true;
  failure_ = resourceError("the grammar takes more than " + std::to_string(automaton_->limits.stepWork) + " operations for a token (stepWork)");
  return false;
}

ConfigId Machine::above(int32_t state) {
  const auto known = above_.find(state);
  if (known != above_.end()) return known->second;
  begin();
  addItem({state, kUnknown});
  const ConfigId config = close();
  if (config != kFailed) above_.emplace(state, config);
  return config;
}

ConfigId Machine::below(NodeId node) {
  const auto known = below_.find(node);
  if (known != below_.end()) return known->second;
  begin();
  popTo(node);
  const ConfigId config = close();
  if (config != kFailed) below_.emplace(node, config);
  return config;
}

ConfigId Machine::compute(ConfigId config, uint8_t byteClass) {
  const uint8_t byte = automaton_->classBytes[byteClass];
  begin();
  const Config from = configs_[static_cast<size_t>(config)];
  for (uint32_t i = 0; i < from.heads; ++i) {
    const Head head = heads_[from.firstHead + i];
    const auto edges = automaton_->edgesOf(head.state);
    if (!count(1 + static_cast<int64_t>(edges.size()))) return kFailed;
    for (const Nfa::Edge& edge : edges)
      if (edge.low <= byte && byte <= edge.high) addItem({edge.to, head.node});
  }
  const ConfigId to = close();
  if (to != kFailed) table_[static_cast<size_t>(config) * classes_ + byteClass] = to;
  return to;
}

void Machine::begin() {
  items_.clear(), seen_.clear(), leaves_.clear(), called_.clear();
  isComplete_ = leavesUnknown_ = false;
}

void Machine::addItem(Head head) {
  constexpr size_t kFew = 16; // are looked through
  if (items_.size() < kFew ? std::ranges::find(items_, head) != items_.end() : seen_.contains(keyOf(head))) return;
  items_.push_back(head);
  if (items_.size() == kFew)
    for (const Head& item : items_)
      seen_.insert(keyOf(item));
  else if (items_.size() > kFew) seen_.insert(keyOf(head));
}

void Machine::popTo(NodeId node) {
  if (node == kBottom) isComplete_ = true;
  if (node == kUnknown) leavesUnknown_ = true;
  if (node < 0) return; // the rule was empty: who called it has gone on already
  const Node popped = nodes_[static_cast<size_t>(node)];
  for (uint32_t i = 0; i < popped.frames; ++i) {
    // A frame of the end stands for the node itself.
    const Head frame = frames_[popped.firstFrame + i];
    if (frame.state < 0) popTo(frame.node);
    else addItem(frame);
  }
}

void Machine::call(const Nfa::Call& call, NodeId node) {
  const Automaton::Rule& rule = automaton_->rules[static_cast<size_t>(call.rule)];
  int32_t& place = calledByRule_[static_cast<size_t>(call.rule)];
  if (place < 0) {
    place = static_cast<int32_t>(called_.size());
    called_.push_back({call.rule, {}, {}});
    addItem({rule.start, -1 - place});
  }
  Called& called = called_[static_cast<size_t>(place)];
  if (!automaton_->states[static_cast<size_t>(call.to)].isReturn) called.frames.push_back({call.to, node});
  else if (node < 0) called.also.push_back(-1 - node);
  else if (node <= kUnknown) called.frames.push_back({-1, node});
  else called.frames.insert(called.frames.end(), framesOf(node).begin(), framesOf(node).end());
  if (rule.canBeEmpty) addItem({call.to, node});
}

bool Machine::resolveCalls() {
  std::vector<int32_t> order(called_.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<int32_t>(i);
  std::ranges::sort(order, {}, [&](int32_t i) { return automaton_->rules[static_cast<size_t>(called_[static_cast<size_t>(i)].rule)].rank; });
  for (int32_t i : order) {
    Called& called = called_[static_cast<size_t>(i)];
    for (Head& frame : called.frames)
      frame.node = resolved(frame.node);
    for (int32_t other : called.also) {
      const NodeId node = called_[static_cast<size_t>(other)].node;
      if (node <= kUnknown) called.frames.push_back({-1, node});
      else called.frames.insert(called.frames.end(), framesOf(node).begin(), framesOf(node).end());
    }
    called.node = nodeOf(called.frames);
    if (called.node < 0) return false;
  }
  return true;
}

/// Follows calls and returns from items_, and interns what is there before the next byte.
ConfigId Machine::close() {
  bool fits = true;
  for (size_t i = 0; i < items_.size() && fits; ++i) {
    const Head head = items_[i];
    const auto edges = automaton_->edgesOf(head.state);
    const auto calls = automaton_->callsOf(head.state);
    if (!edges.empty()) leaves_.push_back(head);
    for (const Nfa::Call& call : calls)
      this->call(call, head.node);
    if (automaton_->states[static_cast<size_t>(head.state)].isFinal) popTo(head.node);
    fits = count(1 + static_cast<int64_t>(calls.size()));
    if (items_.size() > static_cast<size_t>(automaton_->limits.stepStates)) {
      failure_ = resourceError("more than " + std::to_string(automaton_->limits.stepStates) + " possibilities are open at once (stepStates)");
      fits = false;
    }
  }
  for (const Called& called : called_)
    calledByRule_[static_cast<size_t>(called.rule)] = -1;
  if (!fits || !resolveCalls()) return kFailed;
  for (Head& head : leaves_)
    head.node = resolved(head.node);
  return intern(leaves_, isComplete_, leavesUnknown_);
}

Machine::NodeId Machine::nodeOf(std::vector<Head>& frames) {
  std::ranges::sort(frames);
  frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
  if (frames.size() == 1 && frames[0].state < 0) return frames[0].node;
  if (!count(static_cast<int64_t>(frames.size()))) return kFailed;
  if (frames.size() > static_cast<size_t>(automaton_->limits.stepStates)) {
    failure_ = resourceError("more than " + std::to_string(automaton_->limits.stepStates) + " stacks are open at once (stepStates)");
    return kFailed;
  }
  const uint64_t hash = hashOf(frames, 0x9E3779B97F4A7C15u);
  for (auto [it, end] = nodeByHash_.equal_range(hash); it != end; ++it)
    if (std::ranges::equal(framesOf(it->second), frames)) return it->second;
  if (nodeCount() >= 2 * automaton_->limits.configurations || frames_.size() > 16 * static_cast<size_t>(automaton_->limits.configurations)) {
    failure_ = resourceError("more than " + std::to_string(2 * automaton_->limits.configurations) + " stacks are kept (configurations)");
    return kFailed;
  }
  nodes_.push_back({static_cast<uint32_t>(frames_.size()), static_cast<uint32_t>(frames.size())});
  frames_.insert(frames_.end(), frames.begin(), frames.end());
  nodeByHash_.emplace(hash, nodeCount() - 1);
  return nodeCount() - 1;
}

ConfigId Machine::intern(std::vector<Head>& heads, bool isComplete, bool leavesUnknown) {
  std::ranges::sort(heads);
  heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
  // Heads of one state become one.
  size_t kept = 0;
  for (size_t i = 0; i < heads.size();) {
    size_t end = i + 1;
    while (end < heads.size() && heads[end].state == heads[i].state)
      ++end;
    Head merged = heads[i];
    if (end > i + 1) {
      scratch_.clear();
      for (size_t k = i; k < end; ++k) {
        const NodeId node = heads[k].node;
        if (node <= kUnknown) scratch_.push_back({-1, node});
        else scratch_.insert(scratch_.end(), framesOf(node).begin(), framesOf(node).end());
      }
      merged.node = nodeOf(scratch_);
      if (merged.node < 0) return kFailed;
    }
    heads[kept++] = merged;
    i = end;
  }
  heads.resize(kept);
  if (heads.empty() && !isComplete && !leavesUnknown) return kDead;
  const uint64_t hash = hashOf(heads, isComplete * 2u + leavesUnknown + 1u);
  for (auto [it, end] = configByHash_.equal_range(hash); it != end; ++it)
    if (std::ranges::equal(this->heads(it->second), heads) && this->isComplete(it->second) == isComplete && this->leavesUnknown(it->second) == leavesUnknown)
      return it->second;
  if (size() >= automaton_->limits.configurations) return fail(resourceError("more than " + std::to_string(automaton_->limits.configurations) + " configurations are kept (configurations)"));
  configs_.push_back({static_cast<uint32_t>(heads_.size()), static_cast<uint32_t>(heads.size()), isComplete, leavesUnknown});
  heads_.insert(heads_.end(), heads.begin(), heads.end());
  table_.resize(table_.size() + classes_, kUncomputed);
  configByHash_.emplace(hash, size() - 1);
  return size() - 1;
}

} // namespace jinx::grammar
