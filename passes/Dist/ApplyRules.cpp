#include "passes/Dist/ApplyRules.h"

#include <charconv>
#include <set>

#include "mlir/IR/Builders.h"
#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_APPLYSHARDRULES
#include "passes/Dist/DistPasses.h.inc"

namespace {

constexpr StringLiteral kMeshName = "mesh";

std::string quoted(StringRef text) { return "\"" + text.str() + "\""; }

SmallVector<StringRef> partsOf(StringRef text, char by) {
  SmallVector<StringRef> parts;
  text.split(parts, by, -1, /*KeepEmpty=*/true);
  return parts;
}

const MeshAxis *find(const std::vector<MeshAxis> &mesh, const std::string &name) {
  auto found = llvm::find_if(mesh, [&](const MeshAxis &axis) { return axis.name == name; });
  return found == mesh.end() ? nullptr : &*found;
}

/// What is wrong with a rule whatever it fits.
Status checkRule(const ShardRule &rule, const std::vector<MeshAxis> &mesh) {
  std::set<std::string> seen;
  for (const DimRule &dim : rule.dims)
    for (const std::string &axis : dim.axes) {
      if (!find(mesh, axis)) return invalidArgument("axis " + quoted(axis) + " is not one of the mesh, which has " + describe(mesh));
      if (axis == kStageAxis) return invalidArgument("axis " + quoted(axis) + " counts the stages of a pipeline, which have nodes and no parts of values: split by another axis");
      if (!seen.insert(axis).second) return invalidArgument("axis " + quoted(axis) + " is there twice, expected once");
    }
  if (rule.priority < 0 || rule.priority > 1000) return invalidArgument("priority is " + std::to_string(rule.priority) + ", expected 0 to 1000");
  return Status::ok();
}

/// What is wrong with it for one value.
Status checkFit(const ShardRule &rule, const NamedValue &value, const std::vector<MeshAxis> &mesh) {
  graph::Sizes sizes = graph::sizesOf(value.type);
  const std::string what = value.name + ", which is [" + graph::describe(sizes) + "]";
  if (rule.dims.size() != sizes.size())
    return invalidArgument("dims has " + std::to_string(rule.dims.size()) + " entries, expected " + std::to_string(sizes.size()) +
                           ", one for each dimension of " + what);
  for (auto [d, dim] : llvm::enumerate(rule.dims)) {
    int64_t parts = 1;
    for (const std::string &axis : dim.axes)
      parts *= find(mesh, axis)->ranks;
    if (auto size = sizes[d].constant(); size && *size < parts)
      return invalidArgument("dimension " + std::to_string(d) + " of " + what + ", cannot be split into " + std::to_string(parts) + " parts (" + describe(dim) +
                             "), expected " + std::to_string(*size) + " at most");
  }
  return Status::ok();
}

/// "\"blk.*\"", "output \"y\"".
std::string described(const ShardRule &rule) {
  constexpr StringLiteral kOf[] = {"", "input ", "output ", "node "};  // by RuleFor
  return kOf[int(rule.of)].str() + quoted(rule.values);
}

RuleFor kindOf(const NamedValue &value) { return value.output >= 0 ? RuleFor::kOutput : isa<BlockArgument>(value.value) ? RuleFor::kInput : RuleFor::kNode; }

class Applier {
 public:
  Applier(ModuleOp module, func::FuncOp main, const ShardRules &rules) : module_(module), main_(main), rules_(rules), builder_(module.getContext()) {}

  Expected<int64_t> run() {
    JINX_TRY(checkMesh(rules_.mesh), "mesh");
    const std::vector<NamedValue> values = namedValues(main_);
    std::vector<const ShardRule *> chosen(values.size());
    for (auto [i, rule] : llvm::enumerate(rules_.rules))
      JINX_TRY(choose(rule, values, chosen), "rule " + std::to_string(i) + ", " + described(rule));
    addMesh();
    int64_t wishes = 0;
    for (auto [value, rule] : llvm::zip_equal(values, chosen)) {
      if (!rule) continue;
      write(value, shardingOf(*rule));
      ++wishes;
    }
    return wishes;
  }

 private:
  Status choose(const ShardRule &rule, const std::vector<NamedValue> &values, std::vector<const ShardRule *> &chosen) {
    JINX_TRY(checkRule(rule, rules_.mesh));
    bool fits = false;
    for (auto [i, value] : llvm::enumerate(values)) {
      if (!passes::fits(rule, value)) continue;
      JINX_TRY(checkFit(rule, value, rules_.mesh));
      chosen[i] = &rule;
      fits = true;
    }
    if (fits) return Status::ok();
    if (rule.of != RuleFor::kPattern) {
      std::vector<NamedValue> others;
      llvm::copy_if(values, std::back_inserter(others), [&](const NamedValue &value) { return kindOf(value) == rule.of; });
      return notFound("the model has none of this name; names that are written like it: " + nearNames(rule.values, others));
    }
    return notFound("fits no input, output, constant or node of the model; names that are written like it: " + nearNames(rule.values, values));
  }

  void addMesh() {
    SmallVector<StringRef> names;
    SmallVector<int64_t> sizes;
    for (const MeshAxis &axis : rules_.mesh) {
      names.push_back(axis.name);
      sizes.push_back(axis.ranks);
    }
    builder_.setInsertionPointToStart(module_.getBody());
    MeshOp::create(builder_, main_.getLoc(), builder_.getStringAttr(kMeshName), builder_.getStrArrayAttr(names), builder_.getDenseI64ArrayAttr(sizes));
    main_->setAttr(kAnnotated, FlatSymbolRefAttr::get(builder_.getContext(), kMeshName));
  }

  ShardingAttr shardingOf(const ShardRule &rule) {
    SmallVector<DimShardingAttr> dims;
    for (const DimRule &dim : rule.dims) {
      SmallVector<StringAttr> axes;
      for (const std::string &axis : dim.axes)
        axes.push_back(builder_.getStringAttr(axis));
      dims.push_back(DimShardingAttr::get(builder_.getContext(), axes, dim.isOpen, rule.priority));
    }
    return ShardingAttr::get(builder_.getContext(), dims);
  }

  void write(const NamedValue &value, ShardingAttr sharding) {
    if (value.output >= 0) return main_.setResultAttr(unsigned(value.output), kSharding, sharding);
    if (auto argument = dyn_cast<BlockArgument>(value.value)) return main_.setArgAttr(argument.getArgNumber(), kSharding, sharding);
    Value whole = value.value;
    builder_.setInsertionPointAfterValue(whole);
    auto wished = ConstrainOp::create(builder_, whole.getLoc(), whole, sharding);
    whole.replaceAllUsesExcept(wished.getY(), wished);
  }

  ModuleOp module_;
  func::FuncOp main_;
  const ShardRules &rules_;
  OpBuilder builder_;
};

/// "blk.*.weight:tp|:1": pattern, dimensions with a bar between them and '+' between axes, priority.
Expected<ShardRule> parseRule(StringRef text) {
  SmallVector<StringRef> parts = partsOf(text, ':');
  if (parts.size() < 2) return invalidArgument("rule is " + quoted(text) + ", expected PATTERN:DIM|DIM… or PATTERN:DIM|DIM…:PRIORITY");
  ShardRule rule{parts[0].str(), {}, 0};
  if (parts.size() > 2 && parts[2].getAsInteger(10, rule.priority)) return invalidArgument("priority is " + quoted(parts[2]) + ", expected a number");
  for (StringRef dim : partsOf(parts[1], '|')) {
    std::string words = dim.str();
    std::replace(words.begin(), words.end(), '+', ' ');
    JINX_TRY_ASSIGN(DimRule parsed, parseDimRule(words));
    rule.dims.push_back(parsed);
  }
  return rule;
}

struct ApplyShardRules : impl::ApplyShardRulesBase<ApplyShardRules> {
  using ApplyShardRulesBase::ApplyShardRulesBase;
  void runOnOperation() override {
    auto applied = apply();
    if (applied) {
      numWishes += *applied;
      return;
    }
    getOperation().emitError(applied.status().message());
    signalPassFailure();
  }

 private:
  Expected<int64_t> apply() {
    ShardRules all;
    JINX_TRY_ASSIGN(all.mesh, parseMesh(llvm::join(mesh.begin(), mesh.end(), ",")));
    for (const std::string &text : rules) {
      JINX_TRY_ASSIGN(ShardRule rule, parseRule(text));
      all.rules.push_back(std::move(rule));
    }
    return applyRules(getOperation(), all);
  }
};

}  // namespace

ShardRule ruleFor(const NamedValue &value, std::vector<DimRule> dims) { return {value.name, std::move(dims), 0, kindOf(value)}; }

bool fits(const ShardRule &rule, const NamedValue &value) {
  if (rule.of == RuleFor::kPattern) return matchesGlob(rule.values, value.name);
  return rule.of == kindOf(value) && rule.values == value.name;
}

Expected<int64_t> applyRules(ModuleOp module, const ShardRules &rules) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal()) return invalidArgument("the module has no function @main to split");
  if (meshOf(main)) return invalidArgument("@main has a mesh already, expected a model without one");
  return Applier(module, main, rules).run();
}

}  // namespace jinx::passes
