#include "passes/Dist/ExchangeExperts.h"

#include "passes/Dist/ValueNames.h"
#include "passes/Remarks.h"

using namespace mlir;
using namespace jinx::dist;
using namespace jinx::graph;

namespace jinx::passes {

Expected<ExpertTokens> expertTokensNamed(StringRef name) {
  if (name.empty() || name == "auto") return ExpertTokens::kByCost;
  if (name == "gather") return ExpertTokens::kGather;
  if (name == "exchange") return ExpertTokens::kExchange;
  return invalidArgument("is \"" + name.str() + "\", expected \"auto\", \"gather\" or \"exchange\"");
}

namespace {

constexpr int64_t kMostExperts = 1 << 24; ///< whose numbers are f32, beside weights
constexpr double kSmallSteps = 14;        ///< more than with gathered tokens: who goes where, which row comes back

bool hasAll(ArrayRef<StringAttr> axes, ArrayRef<StringAttr> wanted) {
  return llvm::all_of(wanted, [&](StringAttr axis) { return llvm::is_contained(axes, axis); });
}
std::string quoted(ArrayRef<StringAttr> axes) {
  std::string text;
  for (StringAttr axis : axes)
    text += (text.empty() ? "\"" : ", \"") + axis.str() + "\"";
  return text;
}
bool isPartial(Type type) {
  return llvm::any_of(statesOf(type), [](const AxisState& state) { return state.kind == StateKind::partial; });
}

/// `type`, whose rows are split by these axes, and of which no axis of `summed` has parts of a sum.
RankedTensorType withRows(RankedTensorType type, ArrayRef<StringAttr> rows, ArrayRef<StringAttr> summed, MeshOp mesh) {
  States states;
  for (StringAttr axis : rows)
    states.push_back(AxisState::shard(axis, 0));
  for (const AxisState& state : statesOf(type))
    if (!(state.kind == StateKind::shard && state.dim == 0) && !llvm::is_contained(summed, state.axis))
      states.push_back(state);
  return withStates(type, inMeshOrder(states, mesh));
}

/// Of a token whose experts are `used` different ones of `experts`, each as likely as another: how likely is one of the
/// `own` that a rank has among them?
double likelihood(double experts, double own, int64_t used) {
  double none = 1;
  for (int64_t i = 0; i < used && none > 0; ++i)
    none *= std::max(0.0, experts - own - double(i)) / std::max(1.0, experts - double(i));
  return 1 - none;
}

class Finder {
 public:
  Finder(ExpertsOp op, MeshOp mesh, MeshCosts& costs) : op_(op), mesh_(mesh), costs_(costs) { found_.op = op; }

  Expected<Exchange> find() {
    auto gate = cast<RankedTensorType>(op_.getGate().getType());
    found_.over = axesOf(gate, 0);
    const auto experts = sizesOf(gate)[0].constant();
    if (!experts || *experts > kMostExperts)
      return unimplemented("there are " + sizesOf(gate)[0].str() + " experts, expected a number up to " +
                           std::to_string(kMostExperts));
    JINX_TRY(findTokens());
    JINX_TRY(findResults());
    const auto used = sizesOf(op_.getChosen().getType())[1].constant();
    const double own = double((*experts + ranks() - 1) / ranks());
    found_.share = likelihood(double(*experts), own, used.value_or(costs_.symbol()));
    JINX_TRY(compare());
    return found_;
  }

 private:
  int64_t ranks() const { return ranksOf(found_.over, mesh_); }

  /// Each of them is split in front of the reshard that gathers it, all in one way.
  Status findTokens() {
    Axes rows;
    for (auto [value, name] :
         {std::pair{op_.getX(), "x"}, std::pair{op_.getChosen(), "chosen"}, std::pair{op_.getWeights(), "weights"}}) {
      auto type = cast<RankedTensorType>(value.getType());
      auto gather = value.getDefiningOp<ReshardOp>();
      const Axes axes = gather ? Axes(axesOf(gather.getX().getType(), 0)) : Axes();
      if (!hasAll(axes, found_.over))
        return unimplemented(std::string(name) + " is the same on all ranks of " + quoted(found_.over) +
                             " from the start: there is nothing to send");
      if (isPartial(type))
        return unimplemented(std::string(name) + " is " + describe(statesOf(type)) +
                             ", expected a whole one: a weight that goes to an expert is no part of a sum");
      if (Axes inside(axesOf(type, 0)); !hasAll(axes, inside))
        return unimplemented("tokens are split by " + quoted(axes) + " in front of it and by " + quoted(inside) +
                             " in it, expected that they are gathered only");
      if (!found_.gathers.empty() && axes != rows)
        return unimplemented(std::string(name) + " is split by " + quoted(axes) + ", and x by " + quoted(rows) +
                             ": tokens are not beside each other");
      rows = axes;
      found_.gathers.push_back(gather);
      found_.tokens.push_back(withRows(type, rows, {}, mesh_));
    }
    found_.result = withRows(cast<RankedTensorType>(op_.getY().getType()), rows, found_.over, mesh_);
    return Status::ok();
  }

  Status findResults() {
    for (Operation* user : op_.getY().getUsers()) {
      auto scatter = dyn_cast<ReshardOp>(user);
      if (!scatter || !hasAll(axesOf(scatter.getY().getType(), 0), found_.over))
        return unimplemented("y is read whole by " + kindOf(user) + ", expected that ranks of " + quoted(found_.over) +
                             " read their own tokens");
      found_.scatters.push_back(scatter);
    }
    return Status::ok();
  }

  Expected<double> secondsBetween(Type from, Type to) { return passes::secondsBetween(from, to, mesh_, costs_); }
  double secondsOf(comm::Op op, double bytes) {
    return costs_.secondsOf(WireCall{op, ranks(), strideOf(found_.over, mesh_), bytes});
  }

  /// Both ways. What is gathered for others, too, costs an exchange nothing less.
  Status compare() {
    for (auto [gather, tokens, value] :
         llvm::zip_equal(found_.gathers, found_.tokens, op_->getOperands().take_front(3))) {
      if (gather.getY().hasOneUse()) {
        JINX_TRY_ASSIGN(const double seconds, secondsBetween(gather.getX().getType(), value.getType()));
        found_.gatherSeconds += seconds;
      }
      JINX_TRY_ASSIGN(const double seconds, secondsBetween(gather.getX().getType(), tokens));
      found_.seconds += seconds;
    }
    for (ReshardOp scatter : found_.scatters) {
      JINX_TRY_ASSIGN(const double gathered, secondsBetween(op_.getY().getType(), scatter.getY().getType()));
      JINX_TRY_ASSIGN(const double exchanged, secondsBetween(found_.result, scatter.getY().getType()));
      found_.gatherSeconds += gathered;
      found_.seconds += exchanged;
    }
    auto all = [&](RankedTensorType type) {
      return found_.share * double(ranks()) * ownBytes(type, mesh_, costs_.symbol());
    };
    const double pairs = 2 * all(found_.tokens[2]); // numbers beside weights, f32
    found_.seconds += secondsOf(comm::Op::kAllToAll, double(ranks()) * sizeof(int64_t)) +
                      secondsOf(comm::Op::kAllToAllV, all(found_.tokens[0])) + secondsOf(comm::Op::kAllToAllV, pairs) +
                      secondsOf(comm::Op::kAllToAllV, all(found_.result)) + costs_.secondsOfHostRead() +
                      kSmallSteps * costs_.secondsOfStep();
    return Status::ok();
  }

  ExpertsOp op_;
  MeshOp mesh_;
  MeshCosts& costs_;
  Exchange found_;
};

/// The operators, on the example in the header: b tokens, k choices of each, n ranks.
class Writer {
 public:
  Writer(const Exchange& exchange, const OwnOperands& in, OwnBuilder& own, MeshOp mesh)
      : exchange_(exchange), op_(exchange.op), in_(in), own_(own), mesh_(mesh), b_(own.builder()), loc_(op_.getLoc()),
        i32_(b_.getI32Type()), i64_(b_.getI64Type()), states_(statesOf(in.chosen.getType())) {
    Sizes chosen = sizesOf(in.chosen.getType());
    ranks_ = ranksOf(exchange.over, mesh);
    tokens_ = chosen[0], used_ = chosen[1];
    const auto used = used_.constant();
    rows_ = tokens_ * SizeExpr(used ? std::min(*used, ranks_) : ranks_); // that go out at most
    room_ = tokens_ * SizeExpr(ranks_);                                  // that come at most
    each_ = *sizesOf(in.gate.getType())[0].constant();
    SmallVector<Attribute> axes(exchange.over.begin(), exchange.over.end());
    axes_ = b_.getArrayAttr(axes);
  }

  Value run() {
    at(".route");
    Value numbers = numbersFromOne();
    Value is = whichRank(cast(reshape(numbers, {tokens_, used_, 1}), i32_));
    Value place = placeRows(is);
    at(".dispatch");
    Value x = exchanged(gather(in_.x, order_), sends_, receives_, room_);
    Type f32 = b_.getF32Type();
    Value pairs = concat(cast(numbers, f32), in_.weights);
    pairs = exchanged(gather(pairs, order_), sends_, receives_, room_);
    Value y = experts(x, pairs);
    at(".combine");
    Value back = exchanged(y, receives_, sends_, rows_ + SizeExpr(1));
    Value came = reshape(gather(back, reshape(rowOfChoice(is, place), {tokens_ * used_})), {tokens_, used_, width(y)});
    return reshape(sum(came, 1), {tokens_, width(y)});
  }

 private:
  /// Operators from here on are this part of the mixture's node.
  void at(StringRef part) {
    StringRef name = nodeName(op_.getLoc());
    if (!name.empty()) loc_ = NameLoc::get(b_.getStringAttr(name + part));
  }

  /// i64 [b, k]: of each choice the expert's number and one; 0 where it is no expert, or no token.
  Value numbersFromOne() {
    const SizeExpr whole = sizesOf(op_.getChosen().getType())[0];
    const Axes split = axesOf(exchange_.tokens[1], 0);
    Value chosen = cast(in_.chosen, i64_);
    if (!whole.exactDivide(ranksOf(split, mesh_)))
      chosen = own_.mask(loc_, chosen, 0, whole, split, b_.getI64IntegerAttr(-1));
    Value none = number(0, i64_), end = number(*sizesOf(op_.getGate().getType())[0].constant(), i64_);
    Value is = both(compare(ComparePredicate::ge, chosen, none), compare(ComparePredicate::lt, chosen, end));
    return SelectOp::create(b_, loc_, like(chosen), is, add(chosen, number(1, i64_)), none);
  }

  /// i32 [b, k, n]: 1 where the choice's expert is on the rank.
  Value whichRank(Value numbers) {
    auto steps = [&](int64_t from) {
      return IotaOp::create(b_, loc_, RankedTensorType::get({1, 1, ranks_}, i32_), 2, from, each_).getResult();
    };
    return cast(
        both(compare(ComparePredicate::gt, numbers, steps(0)), compare(ComparePredicate::le, numbers, steps(each_))),
        i32_);
  }

  /// i32 [b, n]: where a token's row lies among those that go out, if it goes to the rank. Makes `sends_`, `receives_`
  /// and `order_`.
  Value placeRows(Value is) {
    constexpr int64_t kNowhere = 1 << 30; // behind all rows: a scatter leaves it out
    Value goes =
        reshape(ReduceOp::create(b_, loc_, of({tokens_, 1, ranks_}, i32_), ReduceKind::max, is, ArrayRef<int64_t>{1}),
                {tokens_, ranks_});
    Value sizes = sum(goes, 0), ends = runningSum(sizes, 1);
    Value place = sub(add(runningSum(goes, 0), sub(ends, sizes)), number(1, i32_));
    sends_ = cast(reshape(sizes, {ranks_}), i64_);
    receives_ = AllToAllOp::create(b_, loc_, sends_.getType(), sends_, 0, 0, axes_);
    Value nowhere = number(kNowhere, i32_);
    Value to = reshape(add(mul(goes, sub(place, nowhere)), nowhere), {room_});
    Value token = div(iota({room_}, 1), number(ranks_, i32_));
    order_ = ScatterElementsOp::create(b_, loc_, of({rows_}, i32_), ScatterKind::set, iota({rows_}, 0), to, token, 0);
    return place;
  }

  /// y [n*b, o] of the rows that came: experts count from this rank's first one, and rows of zeros have none.
  Value experts(Value x, Value pairs) {
    SizeExpr first = SizeExpr(each_) * own_.place(exchange_.over) + SizeExpr(1);
    Value chosen = sub(cast(columns(pairs, 0), i64_), own_.number(loc_, first, 2)), weights = columns(pairs, used_);
    auto type = own_.ownType(cast<RankedTensorType>(exchange_.result));
    OperationState state(op_.getLoc(), op_->getName(), {x, chosen, weights, in_.gate, in_.up, in_.down},
                         resized(type, 0, room_), op_->getAttrs());
    state.propertiesAttr = op_->getPropertiesAsAttribute();
    return b_.create(state)->getResult(0);
  }

  /// i32 [b, k, 1]: the row that comes back for each choice. The first one of a rank takes it, the others the last row.
  Value rowOfChoice(Value is, Value place) {
    Value isFirst = cast(both(compare(ComparePredicate::gt, is, number(0, i32_)),
                              compare(ComparePredicate::eq, runningSum(is, 1), number(1, i32_))),
                         i32_);
    Value last = size(rows_);
    return add(sum(mul(isFirst, sub(reshape(place, {tokens_, 1, ranks_}), last)), 2), last);
  }

  Value exchanged(Value x, Value sends, Value receives, const SizeExpr& room) {
    auto type = resized(llvm::cast<RankedTensorType>(x.getType()), 0, room);
    return AllToAllVOp::create(b_, loc_, type, x, sends, receives, axes_, b_.getF64FloatAttr(exchange_.share));
  }

  // ---- types ----

  static RankedTensorType typeOf(Value v) { return llvm::cast<RankedTensorType>(v.getType()); }
  static SizeExpr width(Value v) { return sizesOf(v.getType())[1]; }
  /// What is computed of the numbers of experts varies as they do.
  RankedTensorType of(ArrayRef<SizeExpr> sizes, Type element) { return withStates(tensorOf(sizes, element), states_); }
  RankedTensorType like(Value v) { return of(sizesOf(v.getType()), typeOf(v).getElementType()); }
  /// With the states of `v`, which may be parts of a sum.
  static RankedTensorType sized(Value v, ArrayRef<SizeExpr> sizes) {
    return withStates(tensorOf(sizes, typeOf(v).getElementType()), statesOf(v.getType()));
  }
  RankedTensorType broadcast(Value x, Value y, Type element) {
    Sizes a = sizesOf(x.getType()), b = sizesOf(y.getType());
    if (a.size() < b.size()) std::swap(a, b);
    for (size_t i = 0; i < b.size(); ++i)
      if (SizeExpr& size = a[a.size() - b.size() + i]; size.isConstant(1)) size = b[i];
    return of(a, element);
  }

  // ---- operators ----

  Value cast(Value x, Type element) {
    if (typeOf(x).getElementType() == element) return x;
    return CastOp::create(b_, loc_, of(sizesOf(x.getType()), element), x);
  }
  Value reshape(Value x, ArrayRef<SizeExpr> sizes) { return ReshapeOp::create(b_, loc_, sized(x, sizes), x); }
  Value sum(Value x, int64_t axis) {
    return ReduceOp::create(b_, loc_, resized(typeOf(x), axis, 1), ReduceKind::sum, x, ArrayRef<int64_t>{axis});
  }
  Value runningSum(Value x, int64_t axis) {
    return CumsumOp::create(b_, loc_, like(x), x, axis, /*exclusive=*/false, /*reverse=*/false);
  }
  Value iota(ArrayRef<SizeExpr> sizes, int64_t step) {
    return IotaOp::create(b_, loc_, tensorOf(sizes, i32_), 0, 0, step);
  }
  Value gather(Value x, Value rows) {
    return GatherOp::create(b_, loc_, resized(typeOf(x), 0, sizesOf(rows.getType())[0]), x, rows, 0);
  }
  Value concat(Value x, Value y) {
    return ConcatOp::create(b_, loc_, of({tokens_, used_ * SizeExpr(2)}, typeOf(x).getElementType()), ValueRange{x, y},
                            1);
  }
  /// The half of the columns that begins there.
  Value columns(Value x, const SizeExpr& from) { return own_.slice(loc_, x, 1, from, used_, {}); }
  Value compare(ComparePredicate is, Value x, Value y) {
    return CompareOp::create(b_, loc_, broadcast(x, y, b_.getI1Type()), is, x, y);
  }
  Value both(Value x, Value y) { return AndOp::create(b_, loc_, like(x), x, y); }
  Value add(Value x, Value y) { return AddOp::create(b_, loc_, broadcast(x, y, typeOf(x).getElementType()), x, y); }
  Value sub(Value x, Value y) { return SubOp::create(b_, loc_, broadcast(x, y, typeOf(x).getElementType()), x, y); }
  Value mul(Value x, Value y) { return MulOp::create(b_, loc_, broadcast(x, y, typeOf(x).getElementType()), x, y); }
  Value div(Value x, Value y) { return DivOp::create(b_, loc_, typeOf(x), x, y); }
  Value number(int64_t value, Type element) { return own_.scalar(loc_, b_.getIntegerAttr(element, value), element); }
  /// A formula, i32 [1, 1, 1].
  Value size(const SizeExpr& formula) {
    return formula.constant()
               ? number(*formula.constant(), i32_)
               : CastOp::create(b_, loc_, RankedTensorType::get({1, 1, 1}, i32_), own_.number(loc_, formula, 3))
                     .getResult();
  }

  const Exchange& exchange_;
  ExpertsOp op_;
  const OwnOperands& in_;
  OwnBuilder& own_;
  MeshOp mesh_;
  OpBuilder& b_;
  Location loc_;
  Type i32_, i64_;
  States states_;                ///< of the chosen experts: they vary with the tokens
  int64_t ranks_ = 1, each_ = 1; ///< of the group; experts of a rank
  SizeExpr tokens_, used_, rows_, room_;
  ArrayAttr axes_;
  Value sends_, receives_; ///< i64 [n]
  Value order_;            ///< i32 [rows]: whose row it is that goes out
};

} // namespace

Expected<Exchange> findExchange(ExpertsOp op, MeshOp mesh, MeshCosts& costs) { return Finder(op, mesh, costs).find(); }

Value writeExchange(const Exchange& exchange, const OwnOperands& operands, OwnBuilder& own, MeshOp mesh) {
  return Writer(exchange, operands, own, mesh).run();
}

} // namespace jinx::passes
