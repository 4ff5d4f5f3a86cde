// ai.onnx.ml: ensembles of decision trees, in the three encodings that ONNX has had. All are read into one form
// (`Forest`): nodes that compare one feature, leaves that carry votes; then every row of features walks down every
// tree.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/MlScores.h"
#include "runtime/hostops/Operands.h"

namespace jinx {

std::span<const HostOpEntry> mlTreeHostOps();

namespace {

enum class Mode { kLeq, kLt, kGte, kGt, kEq, kNeq, kMember }; // in the order of TreeEnsemble's numbers

struct Child {
  bool leaf = false;
  int64_t index = -1; ///< into leaves or nodes
};
struct TreeNode {
  Mode mode = Mode::kLeq;
  int64_t feature = 0;
  double split = 0;
  std::set<double> members; ///< kMember
  bool missingIsTrue = false;
  Child whenTrue, whenFalse;
};
struct Vote {
  int64_t target;
  double weight;
};
struct Forest {
  std::vector<TreeNode> nodes;
  std::vector<std::vector<Vote>> leaves;
  std::vector<Child> roots; ///< one a tree
};

bool decide(const TreeNode& node, double v) {
  if (std::isnan(v)) return node.missingIsTrue;
  switch (node.mode) {
  case Mode::kLeq:
    return v <= node.split;
  case Mode::kLt:
    return v < node.split;
  case Mode::kGte:
    return v >= node.split;
  case Mode::kGt:
    return v > node.split;
  case Mode::kEq:
    return v == node.split;
  case Mode::kNeq:
    return v != node.split;
  case Mode::kMember:
    return node.members.count(v) != 0;
  }
  return false;
}

/// Fails on a feature, child, or leaf that does not exist and on a path that never ends. After this, walking is safe.
Status checkForest(const HostOpCall& call, const Forest& forest, int64_t features, int64_t targets) {
  const auto exists = [&](const Child& child) {
    return child.index >= 0 &&
           child.index < static_cast<int64_t>(child.leaf ? forest.leaves.size() : forest.nodes.size());
  };
  for (size_t i = 0; i < forest.nodes.size(); ++i) {
    const TreeNode& node = forest.nodes[i];
    if (node.feature < 0 || node.feature >= features)
      return call.error("node " + std::to_string(i) + " reads feature " + std::to_string(node.feature) +
                        ", expected a value below " + std::to_string(features));
    if (!exists(node.whenTrue) || !exists(node.whenFalse))
      return call.error("node " + std::to_string(i) + " leads to " + std::to_string(node.whenTrue.index) + " and " +
                        std::to_string(node.whenFalse.index) + ", expected existing nodes or leaves");
  }
  for (const std::vector<Vote>& votes : forest.leaves)
    for (const Vote& vote : votes)
      if (vote.target < 0 || vote.target >= targets)
        return call.error("a leaf votes for target " + std::to_string(vote.target) + ", expected a value in [0, " +
                          std::to_string(targets) + ")");
  for (const Child& root : forest.roots)
    if (!exists(root))
      return call.error("a tree has the root " + std::to_string(root.index) + ", expected an existing node");
  return Status::ok();
}

/// The leaf that a row reaches in one tree; null when the nodes form a cycle.
const std::vector<Vote>* walk(const Forest& forest, Child at, const double* row) {
  for (size_t steps = 0; !at.leaf; ++steps) {
    if (steps > forest.nodes.size()) return nullptr;
    const TreeNode& node = forest.nodes[static_cast<size_t>(at.index)];
    at = decide(node, row[node.feature]) ? node.whenTrue : node.whenFalse;
  }
  return &forest.leaves[static_cast<size_t>(at.index)];
}

struct Score {
  double value = 0;
  bool voted = false;
};
enum class Aggregate { kAverage, kSum, kMin, kMax }; // in the order of TreeEnsemble's numbers

Expected<std::vector<Score>> scoresOf(const HostOpCall& call, const Forest& forest, Aggregate aggregate,
                                      int64_t targets, const double* row) {
  std::vector<Score> scores(static_cast<size_t>(targets));
  for (const Child& root : forest.roots) {
    const std::vector<Vote>* votes = walk(forest, root, row);
    if (!votes) return call.error("the nodes of a tree form a cycle, expected every path to end in a leaf");
    for (const Vote& vote : *votes) {
      Score& s = scores[static_cast<size_t>(vote.target)];
      if (aggregate == Aggregate::kMin)
        s.value = s.voted ? std::min(s.value, vote.weight) : vote.weight;
      else if (aggregate == Aggregate::kMax)
        s.value = s.voted ? std::max(s.value, vote.weight) : vote.weight;
      else
        s.value += vote.weight;
      s.voted = true;
    }
  }
  if (aggregate == Aggregate::kAverage)
    for (Score& s : scores)
      s.value /= static_cast<double>(forest.roots.size());
  return scores;
}

/// Element `i` of a list that may be absent.
int64_t at(const std::vector<int64_t>& list, size_t i, int64_t fallback) {
  return i < list.size() ? list[i] : fallback;
}

/// Fails unless the named lists have `count` entries.
Status checkLengths(const HostOpCall& call, size_t count, std::initializer_list<std::pair<const char*, size_t>> lists) {
  for (const auto& [name, length] : lists)
    if (length != count)
      return call.error("'" + std::string(name) + "' has " + std::to_string(length) + " entries, expected " +
                        std::to_string(count));
  return Status::ok();
}

/// Reads the attributes of TreeEnsemble (opset 5).
Expected<Forest> readForest5(const HostOpCall& call) {
  const Attributes& a = *call.attributes;
  const std::vector<int64_t> features = a.getInts("nodes_featureids"), trueIds = a.getInts("nodes_truenodeids"),
                             falseIds = a.getInts("nodes_falsenodeids"), trueLeafs = a.getInts("nodes_trueleafs"),
                             falseLeafs = a.getInts("nodes_falseleafs"),
                             missing = a.getInts("nodes_missing_value_tracks_true"),
                             targets = a.getInts("leaf_targetids");
  const Tensor modes = a.getTensor("nodes_modes"), splits = a.getTensor("nodes_splits"),
               weights = a.getTensor("leaf_weights"), members = a.getTensor("membership_values");
  JINX_TRY(operands::realNumbers(call, modes, "nodes_modes"));
  JINX_TRY(operands::realNumbers(call, splits, "nodes_splits"));
  JINX_TRY(operands::realNumbers(call, weights, "leaf_weights"));
  if (members.valid()) JINX_TRY(operands::realNumbers(call, members, "membership_values"));
  const size_t count = features.size();
  JINX_TRY(checkLengths(call, count,
                        {{"nodes_truenodeids", trueIds.size()},
                         {"nodes_falsenodeids", falseIds.size()},
                         {"nodes_trueleafs", trueLeafs.size()},
                         {"nodes_falseleafs", falseLeafs.size()},
                         {"nodes_modes", static_cast<size_t>(modes.size())},
                         {"nodes_splits", static_cast<size_t>(splits.size())}}));
  JINX_TRY(checkLengths(call, targets.size(), {{"leaf_weights", static_cast<size_t>(weights.size())}}));
  Forest forest;
  int64_t nextMember = 0;
  for (size_t i = 0; i < count; ++i) {
    const int64_t mode = modes.getInt(static_cast<int64_t>(i));
    if (mode < 0 || mode > static_cast<int64_t>(Mode::kMember))
      return call.error("'nodes_modes' holds " + std::to_string(mode) + ", expected a value in [0, 6]");
    TreeNode node{.mode = static_cast<Mode>(mode),
                  .feature = features[i],
                  .split = splits.getDouble(static_cast<int64_t>(i)),
                  .members = {},
                  .missingIsTrue = at(missing, i, 0) != 0,
                  .whenTrue = {trueLeafs[i] != 0, trueIds[i]},
                  .whenFalse = {falseLeafs[i] != 0, falseIds[i]}};
    if (node.mode == Mode::kMember) { // sets lie one after the other, each ended by a NaN
      const int64_t size = members.valid() ? members.size() : 0;
      if (nextMember >= size) return call.error("'membership_values' has too few sets, expected one a node of mode 6");
      for (; nextMember < size && !std::isnan(members.getDouble(nextMember)); ++nextMember)
        node.members.insert(members.getDouble(nextMember));
      ++nextMember;
    }
    forest.nodes.push_back(std::move(node));
  }
  for (size_t i = 0; i < targets.size(); ++i)
    forest.leaves.push_back({{targets[i], weights.getDouble(static_cast<int64_t>(i))}});
  for (int64_t root : a.getInts("tree_roots"))
    forest.roots.push_back({false, root});
  return forest;
}

/// Writes scores through the transform.
void writeRow(ml::Transform transform, const std::vector<Score>& scores, const std::vector<double>& base, Tensor* y,
              int64_t row) {
  std::vector<double> values;
  for (size_t t = 0; t < scores.size(); ++t)
    values.push_back(scores[t].value + (t < base.size() ? base[t] : 0));
  ml::apply(transform, &values);
  for (size_t t = 0; t < values.size(); ++t)
    y->setDouble(row * static_cast<int64_t>(values.size()) + static_cast<int64_t>(t), values[t]);
}

Status treeEnsemble(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(Forest forest, readForest5(call));
  const int64_t targets = call.attributes->getInt("n_targets", 1),
                aggregate = call.attributes->getInt("aggregate_function", 1),
                transform = call.attributes->getInt("post_transform", 0);
  if (targets < 1 || aggregate < 0 || aggregate > 3 || transform < 0 || transform > 4)
    return call.error("'n_targets', 'aggregate_function' and 'post_transform' are " + std::to_string(targets) + ", " +
                      std::to_string(aggregate) + " and " + std::to_string(transform) +
                      ", expected values >= 1, in [0, 3] and in [0, 4]");
  JINX_TRY(checkForest(call, forest, x.columns, targets));
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, tensorOrNull(call.inputs[0])->dtype(), {x.rows, targets}));
  for (int64_t n = 0; n < x.rows; ++n) {
    JINX_TRY_ASSIGN(std::vector<Score> scores,
                    scoresOf(call, forest, static_cast<Aggregate>(aggregate), targets, x.row(n)));
    writeRow(static_cast<ml::Transform>(transform), scores, {}, &y, n);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// Reads the attributes of TreeEnsembleRegressor ("target_…") or TreeEnsembleClassifier ("class_…"): nodes are named by
/// a tree and a number in it, and leaves are nodes of mode LEAF.
Expected<Forest> readForest1(const HostOpCall& call, const std::string& prefix) {
  const Attributes& a = *call.attributes;
  const std::vector<int64_t> trees = a.getInts("nodes_treeids"), ids = a.getInts("nodes_nodeids"),
                             features = a.getInts("nodes_featureids"), trueIds = a.getInts("nodes_truenodeids"),
                             falseIds = a.getInts("nodes_falsenodeids"),
                             missing = a.getInts("nodes_missing_value_tracks_true");
  const std::vector<std::string> modes = a.getStrings("nodes_modes");
  const std::vector<double> splits = ml::floatsOrTensor(a, "nodes_values");
  JINX_TRY(checkLengths(call, ids.size(),
                        {{"nodes_treeids", trees.size()},
                         {"nodes_featureids", features.size()},
                         {"nodes_truenodeids", trueIds.size()},
                         {"nodes_falsenodeids", falseIds.size()},
                         {"nodes_modes", modes.size()},
                         {"nodes_values", splits.size()}}));
  static const std::map<std::string_view, Mode> kModes = {{"BRANCH_LEQ", Mode::kLeq}, {"BRANCH_LT", Mode::kLt},
                                                          {"BRANCH_GTE", Mode::kGte}, {"BRANCH_GT", Mode::kGt},
                                                          {"BRANCH_EQ", Mode::kEq},   {"BRANCH_NEQ", Mode::kNeq}};
  Forest forest;
  std::map<std::pair<int64_t, int64_t>, Child> childOf; // (tree, node)
  int64_t nodes = 0, leaves = 0;
  std::set<int64_t> seen;
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool leaf = modes[i] == "LEAF";
    if (!leaf && !kModes.count(modes[i]))
      return call.error("'nodes_modes' holds '" + modes[i] +
                        "', expected LEAF or BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ");
    const Child self{leaf, leaf ? leaves++ : nodes++};
    if (!childOf.emplace(std::pair(trees[i], ids[i]), self).second)
      return call.error("node " + std::to_string(ids[i]) + " of tree " + std::to_string(trees[i]) +
                        " is there twice, expected it once");
    if (seen.insert(trees[i]).second) forest.roots.push_back(self); // the first node of a tree is its root
  }
  const auto childAt = [&](int64_t tree, int64_t id) {
    const auto found = childOf.find({tree, id});
    return found == childOf.end() ? Child{false, -1} : found->second;
  };
  for (size_t i = 0; i < ids.size(); ++i) {
    if (modes[i] == "LEAF") continue;
    forest.nodes.push_back({.mode = kModes.at(modes[i]),
                            .feature = features[i],
                            .split = splits[i],
                            .members = {},
                            .missingIsTrue = at(missing, i, 0) != 0,
                            .whenTrue = childAt(trees[i], trueIds[i]),
                            .whenFalse = childAt(trees[i], falseIds[i])});
  }
  forest.leaves.resize(static_cast<size_t>(leaves));
  const std::vector<int64_t> voteTrees = a.getInts(prefix + "_treeids"), voteNodes = a.getInts(prefix + "_nodeids"),
                             voteTargets = a.getInts(prefix + "_ids");
  const std::vector<double> weights = ml::floatsOrTensor(a, prefix + "_weights");
  JINX_TRY(checkLengths(call, voteTargets.size(),
                        {{"class/target_treeids", voteTrees.size()},
                         {"class/target_nodeids", voteNodes.size()},
                         {"class/target_weights", weights.size()}}));
  for (size_t i = 0; i < voteTargets.size(); ++i) {
    const Child leaf = childAt(voteTrees[i], voteNodes[i]);
    if (!leaf.leaf) // votes at inner nodes mean nothing
      continue;
    forest.leaves[static_cast<size_t>(leaf.index)].push_back({voteTargets[i], weights[i]});
  }
  return forest;
}

Status treeEnsembleRegressor(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(Forest forest, readForest1(call, "target"));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const int64_t targets = call.attributes->getInt("n_targets", 1);
  const std::string name = call.attributes->getString("aggregate_function", "SUM");
  const Aggregate aggregate = name == "AVERAGE" ? Aggregate::kAverage
                              : name == "MIN"   ? Aggregate::kMin
                              : name == "MAX"   ? Aggregate::kMax
                                                : Aggregate::kSum;
  if (aggregate == Aggregate::kSum && name != "SUM")
    return call.error("'aggregate_function' is '" + name + "', expected AVERAGE, SUM, MIN or MAX");
  if (targets < 1) return call.error("'n_targets' is " + std::to_string(targets) + ", expected a value >= 1");
  JINX_TRY(checkForest(call, forest, x.columns, targets));
  const std::vector<double> base = ml::floatsOrTensor(*call.attributes, "base_values");
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, DType::kF32, {x.rows, targets}));
  for (int64_t n = 0; n < x.rows; ++n) {
    JINX_TRY_ASSIGN(std::vector<Score> scores, scoresOf(call, forest, aggregate, targets, x.row(n)));
    writeRow(transform, scores, base, &y, n);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// What the votes of a classifier of at most two classes look like. When all are for one class they are evidence for
/// the second class against the first, and 0.5 (weights that add up to a probability) or 0 (a margin) separates. The
/// specification does not say so; onnxruntime does, and exporters rely on it.
struct VoteShape {
  bool onlyFirst = true, onlySecond = true;
  bool weightsPositive = true;
};

/// Turns the votes for two classes into final scores and returns the index of the label.
int64_t classifyTwo(const VoteShape& shape, ml::Transform transform, const std::vector<double>& votes,
                    std::vector<double>* scores) {
  const double threshold = shape.weightsPositive ? 0.5 : 0;
  if (shape.onlyFirst) {
    *scores = ml::twoScores(transform, shape.weightsPositive ? ml::SecondClass::kComplement : ml::SecondClass::kNegated,
                            votes[0]);
    return votes[0] > threshold;
  }
  *scores = votes;
  ml::apply(transform, scores);
  return shape.onlySecond ? votes[1] > threshold : votes[1] > votes[0];
}

Status treeEnsembleClassifier(HostOpCall& call) {
  JINX_TRY_ASSIGN(ml::Features x, ml::features(call, 0));
  JINX_TRY_ASSIGN(Forest forest, readForest1(call, "class"));
  JINX_TRY_ASSIGN(ml::Transform transform, ml::transformOf(call));
  const ml::Labels labels(call, "classlabels_int64s", "classlabels_strings");
  const int64_t classes = labels.size();
  if (classes < 1) return call.error("'classlabels_int64s' and 'classlabels_strings' are absent, expected one of them");
  JINX_TRY(checkForest(call, forest, x.columns, classes));
  const std::vector<double> base = ml::floatsOrTensor(*call.attributes, "base_values");
  VoteShape shape;
  for (const std::vector<Vote>& votes : forest.leaves)
    for (const Vote& vote : votes) {
      if (vote.target == 0)
        shape.onlySecond = false;
      else
        shape.onlyFirst = false;
      if (vote.weight < 0) shape.weightsPositive = false;
    }
  const int64_t columns = std::max<int64_t>(classes, 2);
  Tensor y = labels.make(x.rows), z = Tensor::make(DType::kF32, {x.rows, columns});
  for (int64_t n = 0; n < x.rows; ++n) {
    JINX_TRY_ASSIGN(std::vector<Score> raw, scoresOf(call, forest, Aggregate::kSum, classes, x.row(n)));
    std::vector<double> scores;
    for (size_t c = 0; c < raw.size(); ++c)
      scores.push_back(raw[c].value + (c < base.size() ? base[c] : 0));
    if (classes > 2) {
      labels.write(&y, n, ml::argMax(scores));
      ml::apply(transform, &scores);
    } else {
      const std::vector<double> votes = scores;
      const int64_t label = classifyTwo(shape, transform, votes, &scores);
      if (classes == 2)
        labels.write(&y, n, label);
      else if (labels.ofStrings())
        label ? labels.write(&y, n, 0) : y.setString(n, "");
      else
        y.setInt(n, label ? labels.number(0) : 0);
    }
    scores.resize(static_cast<size_t>(columns));
    for (int64_t c = 0; c < columns; ++c)
      z.setDouble(n * columns + c, scores[static_cast<size_t>(c)]);
  }
  operands::give(call, 0, y);
  operands::give(call, 1, z);
  return Status::ok();
}

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr HostOpEntry kRows[] = {
    {kMl, "TreeEnsemble", 5, treeEnsemble},
    {kMl, "TreeEnsembleClassifier", 1, treeEnsembleClassifier},
    {kMl, "TreeEnsembleRegressor", 1, treeEnsembleRegressor},
};

} // namespace

std::span<const HostOpEntry> mlTreeHostOps() { return kRows; }

} // namespace jinx
