#include "tools/driver/PlanShards.h"

#include <algorithm>
#include <chrono>

#include "ir/Graph/Pages.h"
#include "passes/Dist/BuiltInRules.h"
#include "runtime/comm/model/Cheapest.h"
#include "runtime/comm/model/PipelineWorld.h"
#include "runtime/comm/model/Simulator.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {
namespace {

using comm::Op;
using passes::MeshAxis;

struct Split {
  int64_t dp = 1, pp = 1, ep = 1, tp = 1;
  bool isSequenceParallel = false;
  int64_t micro = 1, cp = 1;
  bool gathersKeys = false;
  std::string inside() const {
    auto axis = [](const char* name, int64_t ranks) { return ranks > 1 ? name + ("=" + std::to_string(ranks)) + "," : std::string(); };
    return axis("ep", ep) + axis("cp", cp) + "tp=" + std::to_string(tp) + (isSequenceParallel ? ",sp" : "") + (gathersKeys ? ",gather" : "");
  }
};

int64_t metadataNumber(ModelModule& model, const char* key) {
  auto metadata = (*model.module)->getAttrOfType<mlir::DictionaryAttr>("jinx.metadata");
  auto text = metadata ? metadata.getAs<mlir::StringAttr>(key) : mlir::StringAttr();
  int64_t number = 0;
  return text && !text.getValue().getAsInteger(10, number) ? number : 0;
}

/// By which paths between states are compared; a network of a file has no name that passes know.
std::string nameOrDefault(const comm::model::Network& network) {
  const auto& names = comm::model::networkNames();
  return std::find(names.begin(), names.end(), network.name) != names.end() ? network.name : PartitionOptions().network;
}

/// The fewest experts of any mixture; 1 where there is none.
int64_t expertsOf(ModelModule& model) {
  int64_t fewest = 1;
  for (auto op : model.main().getBody().front().getOps<graph::ExpertsOp>()) {
    const int64_t count = graph::sizesOf(op.getGate().getType())[0].constant().value_or(1);
    fewest = fewest == 1 ? count : std::min(fewest, count);
  }
  return fewest;
}

/// With keys that go round, and gathered.
void addWithTokens(std::vector<Split>& splits, Split split, int64_t cp) {
  split.cp = cp;
  split.dp /= cp;
  splits.push_back(split);
  split.gathersKeys = true;
  splits.push_back(split);
}

/// All products of the ranks; stages where they divide the layers, experts where each rank has one, tokens of models whose attention has all keys.
std::vector<Split> splitsOf(int64_t ranks, int64_t layers, int64_t experts, bool hasTokens) {
  std::vector<Split> splits;
  for (int64_t tp = 1; tp <= ranks; ++tp) {
    for (int64_t ep = 1; ranks % tp == 0 && ep <= std::min(experts, ranks / tp); ++ep) {
      for (int64_t pp = 1; ranks / tp % ep == 0 && pp <= ranks / tp / ep; ++pp) {
        if (ranks / tp / ep % pp != 0 || (pp > 1 && (layers == 0 || layers % pp != 0))) continue;
        splits.push_back({ranks / tp / ep / pp, pp, ep, tp, false});
        if (tp > 1 && layers > 0) splits.push_back({ranks / tp / ep / pp, pp, ep, tp, true});
        for (int64_t cp = 2; hasTokens && pp == 1 && cp <= ranks / tp / ep; ++cp)
          if (ranks / tp / ep % cp == 0) addWithTokens(splits, {ranks / tp / ep, 1, ep, tp, false}, cp);
      }
    }
  }
  return splits;
}

class Planner {
 public:
  Planner(std::shared_ptr<ModelModule> model, const PlanShardsOptions& options)
      : model_(std::move(model)), options_(options), layers_(metadataNumber(*model_, "llm.layers")) {}

  Expected<ShardPlans> run() {
    JINX_TRY_ASSIGN(std::vector<Split> splits, chooseSplits());
    for (size_t i = 0; i < splits.size(); ++i) {
      if (options_.progress) options_.progress(splits[i].inside(), double(i) / double(splits.size()));
      JINX_TRY_ASSIGN(ShardCandidate candidate, look(splits[i]));
      plans_.candidates.push_back(std::move(candidate));
    }
    order();
    return std::move(plans_);
  }

 private:
  Expected<std::vector<Split>> chooseSplits() {
    if (options_.mesh.empty()) {
      std::vector<passes::RuleNote> notes;
      return splitsOf(options_.ranks, layers_, expertsOf(*model_), !passes::contextRules(*model_->module, 2, notes).empty());
    }
    Split split;
    for (const MeshAxis& axis : options_.mesh) {
      if (axis.name == "dp")
        split.dp = axis.ranks;
      else if (axis.name == "tp")
        split.tp = axis.ranks;
      else if (axis.name == "pp")
        split.pp = axis.ranks;
      else if (axis.name == "ep")
        split.ep = axis.ranks;
      else if (axis.name == "cp")
        split.cp = axis.ranks;
      else if (axis.name == passes::kMicrobatchAxis)
        split.micro = axis.ranks;
      else
        return invalidArgument("axis \"" + axis.name + "\" is not planned, expected dp, pp, ep, cp, tp or micro");
    }
    if (split.pp > 1 && layers_ > 0 && layers_ % split.pp != 0)
      return invalidArgument("pp=" + std::to_string(split.pp) + ": the model has " + std::to_string(layers_) + " layers, expected a divisor of them");
    std::vector<Split> splits = {split};
    if (split.tp > 1 && layers_ > 0) splits.push_back({split.dp, split.pp, split.ep, split.tp, true, split.micro, split.cp});
    if (split.cp > 1) {
      splits.push_back(split);
      splits.back().gathersKeys = true;
    }
    return splits;
  }

  /// Stages are counted one by one; those of language models are equal parts of the whole.
  bool hasStageFigures(const Split& split) const { return split.micro > 1 || (split.pp > 1 && layers_ == 0); }

  /// The model for one ep and tp, partitioned once. Replicas and stages do not change a rank's program.
  Expected<ShardedModel*> partitioned(const Split& split) {
    auto [entry, isNew] = sharded_.try_emplace({split.ep, split.cp, split.tp, split.isSequenceParallel, split.gathersKeys});
    if (!isNew) return &entry->second;
    const bool byStage = hasStageFigures(split);
    std::vector<MeshAxis> mesh;
    if (byStage) mesh.push_back({"pp", split.pp});
    if (split.ep > 1) mesh.push_back({"ep", split.ep});
    if (split.cp > 1) mesh.push_back({"cp", split.cp});
    mesh.push_back({"tp", split.tp});
    if (byStage) mesh.push_back({std::string(passes::kMicrobatchAxis), split.micro});
    ShardRequest request{{.mesh = std::move(mesh), .gathersKeys = split.gathersKeys}, /*isBuiltIn=*/true, split.isSequenceParallel};
    auto made = shardModel(model_->clone(), request, {.network = nameOrDefault(options_.network), .overlaps = false});
    if (!made) {
      sharded_.erase(entry);
      return made.status();
    }
    entry->second = std::move(*made);
    for (const auto& [stage, ms] : entry->second.times)
      plans_.times.emplace_back(split.inside() + ": " + stage, ms);
    return &entry->second;
  }

  /// What symbols are in one replica that has `sequences` of the batch.
  std::map<std::string, int64_t> sizesFor(int64_t sequences) {
    std::map<std::string, int64_t> sizes;
    if (layers_ > 0) {
      const int64_t pages = (options_.context + options_.tokens + graph::kPageRows - 1) / graph::kPageRows;
      sizes = {{"n", sequences * options_.tokens},
               {"s", sequences},
               {"e", pages},
               {"p", sequences * pages},
               {"r", sequences},
               {"h", sequences},
               {"d", sequences},
               {"q", sequences},
               {"l", 0}};
    } else if (model_->main().getNumArguments() > 0) {
      graph::Sizes first =
          mlir::isa<mlir::RankedTensorType>(model_->main().getArgumentTypes()[0]) ? graph::sizesOf(model_->main().getArgumentTypes()[0]) : graph::Sizes();
      if (!first.empty() && first[0].isSymbol()) sizes[first[0].str()] = sequences;
    }
    for (const auto& [name, size] : options_.sizes)
      sizes[name] = size;
    return sizes;
  }

  Expected<ShardCandidate> look(const Split& split) {
    ShardCandidate candidate;
    for (auto [name, ranks] : {std::pair("dp", split.dp), std::pair("pp", split.pp), std::pair("ep", split.ep), std::pair("cp", split.cp), std::pair("tp", split.tp)})
      if (ranks > 1 || std::string(name) == "tp") candidate.mesh.push_back({name, ranks});
    if (split.micro > 1) candidate.mesh.push_back({std::string(passes::kMicrobatchAxis), split.micro});
    candidate.microbatches = split.micro;
    candidate.isSequenceParallel = split.isSequenceParallel;
    candidate.gathersKeys = split.gathersKeys;
    const int64_t sequences = (options_.batch + split.dp - 1) / split.dp;
    if (split.dp > options_.batch)
      candidate.problem = "there are " + std::to_string(split.dp) + " replicas and " + std::to_string(options_.batch) + " sequences";
    if (!candidate.problem.empty()) return candidate;
    auto sharded = partitioned(split);
    if (!sharded) {
      candidate.problem = sharded.status().message();
      if (sharded.status().code() == Code::kInternal) return sharded.status();
      return candidate;
    }
    const int64_t parts = std::min(split.pp, sequences), each = (sequences + parts - 1) / parts;
    if (hasStageFigures(split)) {
      JINX_TRY(measureStages(**sharded, split, sequences, candidate));
    } else {
      JINX_TRY(measure(**sharded, split, sequences, each, parts, candidate));
    }
    for (const passes::RuleNote& note : (*sharded)->notes)
      if (!note.isSplit) candidate.notes += (candidate.notes.empty() ? "" : "; ") + note.node + ": " + note.text;
    if (split.pp == 1) {
      candidate.rules = (*sharded)->rules;
      candidate.rules.mesh = candidate.mesh;
    }
    return candidate;
  }

  /// Memory is that of all sequences; time that of `parts` parts of them, one after the other through the stages.
  Status measure(ShardedModel& sharded, const Split& split, int64_t sequences, int64_t each, int64_t parts, ShardCandidate& candidate) {
    const RankFigures all = rankFigures(sharded, sizesFor(sequences));
    const RankFigures part = parts == 1 ? all : rankFigures(sharded, sizesFor(each));
    plans_.assumed.insert(all.assumed.begin(), all.assumed.end());
    const double stages = double(split.pp);
    candidate.weightBytes = all.weightBytes / stages;
    candidate.inputBytes = all.inputBytes / stages;
    candidate.outputBytes = all.outputBytes;
    candidate.activationBytes = part.activationBytes;
    candidate.flops = all.flops / stages;
    candidate.wireBytes = all.wireBytes / stages;
    JINX_TRY(simulate(part));
    double send = 0;
    if (split.pp > 1) {
      const double width = double(metadataNumber(*model_, "llm.heads")) * double(metadataNumber(*model_, "llm.depth"));
      JINX_TRY_ASSIGN(auto choice, comm::model::cheapest(options_.network, Op::kSend, comm::model::groupAlong(options_.network, int(split.ep * split.cp * split.tp), 2),
                                                         width * 2 * double(each * options_.tokens)));
      send = choice.best.seconds;
    }
    const double stage = makespan_ / stages + send, rounds = double(parts + split.pp - 1);
    candidate.seconds = rounds * stage;
    candidate.computeSeconds = busy_ / stages * double(parts);
    candidate.waitSeconds = exposed_ / stages * double(parts);
    candidate.bubbleSeconds = candidate.seconds - double(parts) * makespan_ / stages;
    candidate.fits = candidate.memoryBytes() <= options_.device.usableBytes();
    return Status::ok();
  }

  /// Each stage by its own program; then all as a pipeline.
  Status measureStages(ShardedModel& sharded, const Split& split, int64_t sequences, ShardCandidate& candidate) {
    JINX_TRY_ASSIGN(std::vector<RankFigures> stages, stageFigures(sharded, sizesFor(sequences)));
    comm::model::PipelineCosts costs;
    const double pieces = double(split.micro);
    for (RankFigures& stage : stages) {
      plans_.assumed.insert(stage.assumed.begin(), stage.assumed.end());
      JINX_TRY_ASSIGN(const double transfer, takeTransfers(stage));
      costs.transfer = std::max(costs.transfer, transfer / pieces);
      JINX_TRY(simulate(stage));
      candidate.stages.push_back({stage.weightBytes, stage.inputBytes, stage.activationBytes, stage.outputBytes, stage.flops, stage.wireBytes, makespan_ / pieces, busy_ / pieces, exposed_ / pieces});
      costs.forwards.push_back(makespan_ / pieces);
    }
    JINX_TRY_ASSIGN(const comm::model::Schedule schedule, comm::model::forwardOnly(int(stages.size()), int(split.micro)));
    JINX_TRY_ASSIGN(const comm::model::World world, comm::model::worldOf(schedule, costs));
    JINX_TRY_ASSIGN(const comm::model::Timeline timeline, comm::model::simulate(world), "simulating stages");
    auto largest = std::max_element(candidate.stages.begin(), candidate.stages.end(), [](const StageFigure& a, const StageFigure& b) { return a.memoryBytes() < b.memoryBytes(); });
    auto slowest = std::max_element(candidate.stages.begin(), candidate.stages.end(), [](const StageFigure& a, const StageFigure& b) { return a.seconds < b.seconds; });
    candidate.weightBytes = largest->weightBytes;
    candidate.inputBytes = largest->inputBytes;
    candidate.outputBytes = largest->outputBytes;
    candidate.activationBytes = largest->activationBytes;
    candidate.flops = slowest->flops;
    candidate.wireBytes = slowest->wireBytes;
    candidate.seconds = timeline.makespan;
    candidate.computeSeconds = slowest->computeSeconds * pieces;
    candidate.waitSeconds = slowest->waitSeconds * pieces;
    candidate.bubbleSeconds = std::max(0.0, timeline.makespan - slowest->seconds * pieces);
    candidate.fits = candidate.memoryBytes() <= options_.device.usableBytes();
    return Status::ok();
  }

  /// Between stages: takes sends and broadcasts out of a stage's program, and returns the seconds of its sends.
  Expected<double> takeTransfers(RankFigures& stage) {
    double seconds = 0;
    for (OperatorFigure& op : stage.operators) {
      if (op.collective < 0) continue;
      const CollectiveFigure& collective = stage.collectives[size_t(op.collective)];
      if (collective.op != Op::kSend && collective.op != Op::kBroadcast) continue;
      op.collective = -1;
      if (collective.op == Op::kBroadcast) continue;
      const comm::model::Group group = comm::model::groupAlong(options_.network, int(collective.stride), 2);
      JINX_TRY_ASSIGN(auto choice, comm::model::cheapest(options_.network, Op::kSend, group, collective.bytes));
      seconds += choice.best.seconds;
    }
    return seconds;
  }

  Expected<double> secondsOf(const CollectiveFigure& collective) {
    auto [entry, isNew] = costs_.try_emplace({int64_t(collective.op), collective.stride, collective.ranks, collective.bytes}, 0);
    if (isNew) {
      const comm::model::Group group = comm::model::groupAlong(options_.network, int(collective.stride), int(collective.ranks));
      JINX_TRY_ASSIGN(auto choice, comm::model::cheapest(options_.network, collective.op, group, collective.bytes));
      entry->second = choice.best.seconds;
    }
    return entry->second;
  }

  /// All ranks do the same at the same times: one stands for all.
  Status simulate(const RankFigures& figures) {
    comm::model::World world;
    world.groups = {"all"};
    world.ranks = {{.program = 0, .groups = {0}}};
    world.programs.resize(1);
    for (const OperatorFigure& op : figures.operators) {
      comm::model::Task task;
      task.after = op.after;
      task.seconds = options_.device.secondsOf(op.flops, op.bytes, op.isHalf);
      if (op.collective >= 0) {
        const CollectiveFigure& collective = figures.collectives[size_t(op.collective)];
        task.use = collective.op;
        task.slot = 0;
        task.stream = 1;
        JINX_TRY_ASSIGN(task.seconds, secondsOf(collective));
      }
      world.programs[0].tasks.push_back(std::move(task));
    }
    JINX_TRY_ASSIGN(comm::model::Timeline timeline, comm::model::simulate(world), "simulating a rank");
    makespan_ = timeline.makespan;
    busy_ = timeline.of(0).busy;
    exposed_ = timeline.of(0).exposed;
    return Status::ok();
  }

  void order() {
    auto rank = [](const ShardCandidate& c) { return !c.problem.empty() ? 2 : c.fits ? 0 : 1; };
    std::sort(plans_.candidates.begin(), plans_.candidates.end(), [&](const ShardCandidate& a, const ShardCandidate& b) {
      if (rank(a) != rank(b)) return rank(a) < rank(b);
      const double first = rank(a) == 1 ? a.memoryBytes() : a.seconds, second = rank(b) == 1 ? b.memoryBytes() : b.seconds;
      return first != second ? first < second : a.name() < b.name();
    });
  }

  std::shared_ptr<ModelModule> model_;
  const PlanShardsOptions& options_;
  int64_t layers_;
  std::map<std::tuple<int64_t, int64_t, int64_t, bool, bool>, ShardedModel> sharded_;
  std::map<std::tuple<int64_t, int64_t, int64_t, double>, double> costs_;
  double makespan_ = 0, busy_ = 0, exposed_ = 0;
  ShardPlans plans_;
};

} // namespace

std::string ShardCandidate::name() const { return passes::describe(mesh) + (isSequenceParallel ? ",sp" : "") + (gathersKeys ? ",gather" : ""); }

Expected<ShardPlans> planShards(std::shared_ptr<ModelModule> model, const PlanShardsOptions& options) { return Planner(std::move(model), options).run(); }

} // namespace jinx::driver
