// The automaton as it runs: which configurations are there, and where do bytes lead?
//
// A configuration is all that the text so far may mean: heads, each a state of the automaton with the stacks that it may have. A stack is a node: the frames
// that may be on top of it, each a state to go on at and the node below. Nodes and configurations are interned, so that equal ones have equal numbers, and a
// transition is worked out once:
//
//   {"a": "xyz      head: inside `string`; node: {behind the value of "a", node: {end of the text}}
//                   each further letter leads back to this configuration
//
// Heads with one state are one head, whose node is the union of theirs. So there are never more heads than states, however ambiguous a grammar is. A frame
// with nothing left to do but to return is replaced by what is below it: lists that are right recursive stay flat.
//
// Before a byte is read, calls are followed. Nodes that calls make depend on each other in the order of the rules' ranks (Automaton.h), because
// no rule begins with itself.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/grammar/Automaton.h"

namespace jinx::grammar {

using ConfigId = int32_t;
inline constexpr ConfigId kDead = 0; ///< nothing goes on, and the text is not complete

/// Not for two threads at once.
class Machine {
 public:
  using NodeId = int32_t;
  struct Head {
    int32_t state;
    NodeId node;
    bool operator==(const Head&) const = default;
    auto operator<=>(const Head&) const = default;
  };

  explicit Machine(std::shared_ptr<const Automaton> automaton);

  /// Before the first byte.
  ConfigId start() const { return start_; }
  /// A configuration of another machine of this automaton. kFailed when a limit is passed.
  ConfigId adopt(const Machine& other, ConfigId config);
  /// The configuration of one state above an unknown stack.
  ConfigId above(int32_t state);
  /// What a node's frames lead to.
  ConfigId below(NodeId node);

  /// Where the byte leads. kFailed when a limit is passed: then `failure` says which.
  ConfigId next(ConfigId config, uint8_t byte) {
    const int32_t known = table_[static_cast<size_t>(config) * classes_ + automaton_->classOf[byte]];
    return known >= 0 ? known : compute(config, automaton_->classOf[byte]);
  }
  static constexpr ConfigId kFailed = -2;

  bool isComplete(ConfigId config) const { return configs_[static_cast<size_t>(config)].isComplete; }    ///< the text may end
  bool leavesUnknown(ConfigId config) const { return configs_[static_cast<size_t>(config)].leavesUnknown; } ///< goes on in the unknown stack
  std::span<const Head> heads(ConfigId config) const {
    const Config& c = configs_[static_cast<size_t>(config)];
    return std::span(heads_).subspan(c.firstHead, c.heads);
  }
  bool goesOn(ConfigId config) const { return configs_[static_cast<size_t>(config)].heads > 0; }
  const Status& failure() const { return failure_; }
  const Automaton& automaton() const { return *automaton_; }
  const std::shared_ptr<const Automaton>& sharedAutomaton() const { return automaton_; }

  /// For one mask or one run of text: work counts from here.
  void beginStep() {
    work_ = 0;
    failure_ = Status::ok();
  }
  /// False, with a failure, past the limit.
  bool count(int64_t operations);
  /// Whether so much is kept that it is time for another machine.
  bool isFull() const { return static_cast<int32_t>(configs_.size()) > automaton_->limits.configurations / 2 || nodeCount() > automaton_->limits.configurations || frames_.size() > 8 * static_cast<size_t>(automaton_->limits.configurations); }
  int32_t size() const { return static_cast<int32_t>(configs_.size()); }

 private:
  struct Config {
    uint32_t firstHead = 0, heads = 0;
    bool isComplete = false, leavesUnknown = false;
  };
  struct Node {
    uint32_t firstFrame = 0, frames = 0;
  };
  static constexpr NodeId kBottom = 0, kUnknown = 1; ///< nodes without frames: the end of the text, and what is not known
  static constexpr int32_t kUncomputed = -1;

  // While a closure is made: a node below 0 is that of a rule that is called here.
  struct Called {
    int32_t rule;
    std::vector<Head> frames;
    std::vector<int32_t> also; ///< whose frames are frames of this one too: by place in called_
    NodeId node = 0;
  };

  int32_t nodeCount() const { return static_cast<int32_t>(nodes_.size()); }
  ConfigId compute(ConfigId config, uint8_t byteClass);
  void begin();
  ConfigId close();
  void addItem(Head head);
  void popTo(NodeId node);
  void call(const Nfa::Call& call, NodeId node);
  bool resolveCalls();
  NodeId resolved(NodeId node) const { return node >= 0 ? node : called_[static_cast<size_t>(-1 - node)].node; }
  NodeId nodeOf(std::vector<Head>& frames);
  ConfigId intern(std::vector<Head>& heads, bool isComplete, bool leavesUnknown);
  std::span<const Head> framesOf(NodeId node) const {
    const Node& n = nodes_[static_cast<size_t>(node)];
    return std::span(frames_).subspan(n.firstFrame, n.frames);
  }
  ConfigId fail(Status status) {
    failure_ = std::move(status);
    return kFailed;
  }

  const std::shared_ptr<const Automaton> automaton_;
  const size_t classes_;
  std::vector<Node> nodes_;
  std::vector<Head> frames_;
  std::vector<Config> configs_;
  std::vector<Head> heads_;
  std::vector<int32_t> table_; ///< [configs, classes]
  std::unordered_multimap<uint64_t, int32_t> nodeByHash_, configByHash_;
  std::unordered_map<NodeId, ConfigId> below_;
  std::unordered_map<int32_t, ConfigId> above_;
  ConfigId start_ = 0;
  int64_t work_ = 0;
  Status failure_;

  // Of the closure that is being made.
  std::vector<Head> items_;
  std::unordered_set<uint64_t> seen_; ///< once there are many
  std::vector<Called> called_;
  std::vector<int32_t> calledByRule_; ///< place in called_, or -1
  bool isComplete_ = false, leavesUnknown_ = false;
  std::vector<Head> leaves_, scratch_;
};

} // namespace jinx::grammar
