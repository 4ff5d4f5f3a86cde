// The kernel that computes items of attention to pages (PagedTiles.h): persistent blocks of one producer thread and a
// consumer warpgroup (Shah et al. 2024, FlashAttention-3; WgmmaAttention.cpp is the form without pages, and explains
// the softmax).
//
// The producer fetches the queries of an item, [tokens, padded heads] as rows of a tile, once, and keys and values step
// by step, a page of one head at a time: it is 16 rows that lie together. Pages that nobody of the tile sees are not
// looked up: zeros come instead.
//
// The consumer walks the steps of a part from right to left, so that those past the diagonal, which are masked, come
// first; then it joins the part with those before (joinPart). Rows of values behind the tile's last token are cleared
// before they are multiplied: a weight of 0 does not hide a NaN. A step that a row does not see at all leaves its sums
// as they are, to the bit: weights are 0, and what was summed is multiplied by 1; before the first step that it sees,
// by 0, and it is 0.
#include <limits>

#include "codegen/schedules/cuda/PagedTiles.h"
#include "codegen/schedules/cuda/WarpProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 64; // columns of a swizzle span of 128 bytes
constexpr int64_t kMultiprocessors = 132, kProducerRegisters = 56, kConsumerRegisters = 200;
constexpr int64_t kFewProducerRegisters = 104; // it holds the numbers of a part's pages
constexpr double kToLog2 = 1.4426950408889634;
constexpr double kLowest = -std::numeric_limits<double>::infinity();

class ProductsProgram {
 public:
  ProductsProgram(OpBuilder& builder, GroupOp group, StringRef name, const PagedTiles& p)
      : p_(p), op_(p.op), inputs_(group.getInputs().size()),
        kb_(builder, group.getLoc(), name, group, operands(group, p), p.results()), ix_{builder, kb_.loc()} {}

  Scheduled run() {
    makeTypes();
    makeMaps();
    makeConstants();
    ringQ_ = ring(PagedTiles::kQueryStages, PagedTiles::kRows, "q"), ringK_ = ring(p_.stages, p_.steps, "k"),
    ringV_ = ring(p_.stages, p_.steps, "v");
    {
      OpBuilder::InsertionGuard guard(b());
      auto roles = tile::RolesOp::create(b(), loc(), 1, p_.isForFew ? kFewProducerRegisters : kProducerRegisters, kConsumerRegisters);
      b().setInsertionPointToStart(&roles.getProducer().emplaceBlock());
      walk([&](const Item& item) { produce(item); });
      b().setInsertionPointToStart(&roles.getConsumer().emplaceBlock());
      walk([&](const Item& item) { consume(item); });
    }
    if (p_.blocks > 1) kb_.kernel()->setAttr("blocks", b().getI64IntegerAttr(p_.blocks));
    const SizeExpr programs = min(p_.places() * SizeExpr(p_.heads), SizeExpr(kMultiprocessors * p_.blocks));
    return kb_.finish(programs, 0, p_.tokens * SizeExpr(p_.heads * p_.shared * p_.depth * 2) * p_.entries);
  }

 private:
  static SmallVector<Type> operands(GroupOp group, const PagedTiles& p) {
    SmallVector<Type> types(group.getInputs().getTypes());
    SmallVector<Type> lists = p.lists();
    types.append({lists[0], lists[2]});
    if (p.isBehind) types.append(p.results());
    return types;
  }

  // ---- what stands before the roles
  // -------------------------------------------------------------------------------------------------
  void makeTypes() {
    element_ = p_.element;
    scoreType_ = VectorType::get({PagedTiles::kRows, p_.steps}, b().getF32Type());
    rowType_ = VectorType::get({PagedTiles::kRows, 1}, b().getF32Type());
    outType_ = VectorType::get({PagedTiles::kRows, p_.depth}, b().getF32Type());
    slotType_ = tile::SlotType::get(b().getContext());
  }
  Value input(Value v) { return kb_.input(cast<BlockArgument>(v)); }
  Value items() { return kb_.kernel().buffer(inputs_); }

  /// \param dims  behind the columns; \param strides  of those, in elements
  Value map(Value data, ArrayRef<std::string> dims, ArrayRef<int64_t> strides, ArrayRef<int64_t> box) {
    SmallVector<std::string> allDims = {std::to_string(p_.depth)}, bytes;
    allDims.append(dims.begin(), dims.end());
    for (int64_t stride : strides)
      bytes.push_back(std::to_string(stride * 2));
    SmallVector<int64_t> allBox = {kPanel};
    allBox.append(box.begin(), box.end());
    auto texts = [&](ArrayRef<std::string> all) {
      return b().getStrArrayAttr(SmallVector<StringRef>(all.begin(), all.end()));
    };
    return tile::TensorMapOp::create(b(), loc(), tile::TensorMapType::get(b().getContext()), data, texts(allDims),
                                     texts(bytes), DenseI64ArrayAttr::get(b().getContext(), allBox),
                                     b().getI64IntegerAttr(kPanel * 2), DenseI64ArrayAttr())
        .getMap();
  }
  void makeMaps() {
    auto text = [](int64_t v) { return std::to_string(v); };
    const int64_t head = p_.shared * p_.depth, page = kPageRows * p_.depth;
    mapQ_ = map(input(op_.getQ()), {text(p_.shared), text(p_.heads), kb_.formula(p_.tokens)},
                {p_.depth, head, head * p_.heads}, {p_.padded, 1, p_.tileTokens()});
    auto pages = [&](Value pool) {
      return map(input(pool), {text(kPageRows), text(p_.heads), kb_.formula(p_.pages)},
                 {p_.depth, page, page * p_.heads}, {kPageRows, 1, 1});
    };
    mapK_ = pages(op_.getKeys()), mapV_ = pages(op_.getValues());
  }
  void makeConstants() {
    toLog2_ = number(op_.getScale().convertToDouble() * kToLog2, "toLog2");
    zero_ = number(0, ""), lowest_ = number(kLowest, "");
    program_ = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    programs_ = tile::NumProgramsOp::create(b(), loc(), b().getIndexType());
    entries_ = kb_.size(p_.entries);
  }
  Value ring(int64_t stages, int64_t rows, StringRef name) {
    return tile::RingOp::create(b(), loc(), tile::RingType::get(b().getContext()), tile::RingKind::bulk, stages,
                                b().getTypeArrayAttr({VectorType::get({rows, p_.depth}, element_)}),
                                b().getStrArrayAttr({name}), DenseI64ArrayAttr::get(b().getContext(), {}));
  }

  // ---- items
  // ------------------------------------------------------------------------------------------------------------------------
  struct Item {
    Value head, token, count, sequence, position;
    Value firstPart, endPart, place, places;
    Value end;       ///< keys that its last token sees
    Value seenFirst; ///< the first key that any token sees; null: 0
  };
  void walk(const std::function<void(const Item&)>& body) { p_.isForFew ? walkFew(body) : walkItems(body); }
  Value itemCount() { return called(ix_.mul(loadNumber(kb_.kernel().buffer(inputs_ + 1), ix_.c(0)), p_.heads), "count"); }
  /// `body` for each of this block, the last ones first: of a prompt, those are the longest. Dealt out to and fro.
  void walkItems(const std::function<void(const Item&)>& body) {
    Value count = itemCount();
    auto loop = loopOver(ix_.c(0), count, programs_, program_, "round");
    loop.getRegionIterArg(0).setLoc(nameLoc(b(), loc(), "turn"));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value turn = loop.getRegionIterArg(0), index = called(ix_.add(loop.getInductionVar(), turn), "index");
    auto inside = scf::IfOp::create(b(), loc(), compare(arith::CmpIPredicate::slt, index, count), false);
    scf::YieldOp::create(b(), loc(), ix_.sub(ix_.sub(programs_, ix_.c(1)), turn));
    b().setInsertionPointToStart(inside.thenBlock());
    Value descending = called(ix_.sub(ix_.sub(count, ix_.c(1)), index), "descending");
    body(itemOf(descending, numbersAt(descending)));
  }
  /// `body` for each of this block in their order. The first one's numbers are asked for beside how many items there are, whether there is such a one or not; the
  /// place exists: there are at most as many blocks as places. The next one's numbers come while one is computed.
  void walkFew(const std::function<void(const Item&)>& body) {
    SmallVector<Value> first = numbersAt(program_);
    Value count = itemCount();
    auto loop = loopOver(program_, count, programs_, first, "index");
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), kNames)) arg.setLoc(nameLoc(b(), loc(), name));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value index = loop.getInductionVar();
    body(itemOf(index, SmallVector<Value>(loop.getRegionIterArgs())));
    SmallVector<Value> next = numbersAt(ix_.min(ix_.add(index, programs_), ix_.sub(count, ix_.c(1))));
    scf::YieldOp::create(b(), loc(), next);
  }
  static constexpr const char* kNames[] = {"token",      "tokens",   "sequence", "position",
                                           "first_part", "end_part", "place",    "places"};
  Value itemNumber(Value index) { return called(ix_.div(index, p_.heads), "item"); }
  SmallVector<Value> numbersAt(Value index) {
    Value from = called(ix_.mul(itemNumber(index), PagedTiles::kItemNumbers), "from");
    SmallVector<Value> numbers;
    for (int i = 0; i < PagedTiles::kItemNumbers; ++i)
      numbers.push_back(called(loadNumber(items(), ix_.add(from, i)), kNames[i]));
    return numbers;
  }
  Item itemOf(Value index, ArrayRef<Value> numbers) {
    Item at;
    at.head = called(ix_.sub(index, ix_.mul(itemNumber(index), p_.heads)), "head");
    Value* fields[] = {&at.token,     &at.count,   &at.sequence, &at.position,
                       &at.firstPart, &at.endPart, &at.place,    &at.places};
    for (auto [field, number] : llvm::zip(fields, numbers)) *field = number;
    at.end = called(ix_.add(at.position, at.count), "end");
    if (const int64_t window = op_.getWindow(); window > 0)
      at.seenFirst = called(max(ix_.add(at.position, 1 - window), 0), "seen_first");
    return at;
  }
  /// The steps [first, end) of a part, at least one; from its first key on.
  struct Steps {
    Value base, first, end;
  };
  Steps stepsOf(const Item& at, Value part) {
    Steps s;
    s.base = called(ix_.mul(part, p_.partKeys), "base");
    Value keys = max(ix_.min(ix_.sub(at.end, s.base), ix_.c(p_.partKeys)), 1);
    s.end = called(ix_.tiles(keys, p_.steps), "end_step");
    s.first = ix_.c(0);
    if (at.seenFirst)
      s.first = called(ix_.min(ix_.div(max(ix_.sub(at.seenFirst, s.base), 0), p_.steps), ix_.sub(s.end, ix_.c(1))),
                       "first_step");
    return s;
  }
  Value keyOf(const Steps& s, Value step) { return called(ix_.add(s.base, ix_.mul(step, p_.steps)), "key"); }

  // ---- producer
  // ---------------------------------------------------------------------------------------------------------------------
  void copy(Value map, ValueRange at, Value slot, IntegerAttr row = {}) {
    tile::CopyBulkOp::create(b(), loc(), map, at, ValueRange{}, slot, b().getI64IntegerAttr(0), IntegerAttr(), row);
  }
  void produce(const Item& at) {
    auto slot = tile::RingAcquireOp::create(b(), loc(), slotType_, ringQ_).getSlot();
    copy(mapQ_, ValueRange{ix_.c(0), ix_.c(0), at.head, at.token}, slot);
    tile::RingCommitOp::create(b(), loc(), slot);
    Value table = called(ix_.mul(at.sequence, entries_), "table_at");
    auto parts = loopOver(at.firstPart, at.endPart, ix_.c(1), {}, "part");
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(parts.getBody());
    Steps s = stepsOf(at, parts.getInductionVar());
    if (p_.isForFew) return fetchPart(at, table, s);
    auto loop = loopOver(s.first, s.end, ix_.c(1), {}, "forth");
    b().setInsertionPointToStart(loop.getBody());
    Value step = ix_.sub(ix_.sub(ix_.add(s.first, s.end), ix_.c(1)), loop.getInductionVar());
    Value key = keyOf(s, called(step, "step"));
    fetchStep(at, pagesOf(at, table, key));
  }
  /// All steps of a part, the last one first. All pages are looked up before the first is fetched.
  void fetchPart(const Item& at, Value table, const Steps& s) {
    const int64_t steps = p_.partKeys / p_.steps;
    SmallVector<SmallVector<Value>> pages;
    for (int64_t i = 0; i < steps; ++i) pages.push_back(pagesOf(at, table, keyOf(s, ix_.c(i))));
    for (int64_t i = steps; i-- > 0;) {
      Value isInside = compare(arith::CmpIPredicate::slt, ix_.c(i), s.end);
      if (at.seenFirst) isInside = arith::AndIOp::create(b(), loc(), isInside, compare(arith::CmpIPredicate::sge, ix_.c(i), s.first));
      auto branch = scf::IfOp::create(b(), loc(), isInside, false);
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(branch.thenBlock());
      fetchStep(at, pages[i]);
    }
  }
  /// The numbers of a step's pages, all asked for together: each is as far away as the keys. -1 where nobody sees one.
  SmallVector<Value> pagesOf(const Item& at, Value table, Value key) {
    SmallVector<Value> pages;
    Value entry = called(ix_.add(table, ix_.div(key, kPageRows)), "entry");
    for (int64_t i = 0; i < p_.steps; i += kPageRows) {
      Value left = ix_.sub(at.end, ix_.add(key, i)), isSeen = compare(arith::CmpIPredicate::sgt, left, ix_.c(0)),
            limit = left;
      if (at.seenFirst) {
        isSeen = arith::AndIOp::create(b(), loc(), isSeen,
                                       compare(arith::CmpIPredicate::sgt, ix_.add(key, i + kPageRows), at.seenFirst));
        limit = arith::SelectOp::create(b(), loc(), isSeen, left, ix_.c(0));
      }
      Value page = loadNumber(input(op_.getTable()), ix_.add(entry, i / kPageRows), limit);
      pages.push_back(called(arith::SelectOp::create(b(), loc(), isSeen, page, ix_.c(-1)), "page"));
    }
    return pages;
  }
  /// Keys and values of a step.
  void fetchStep(const Item& at, ArrayRef<Value> pages) {
    for (auto [ring, map] : {std::pair(ringK_, mapK_), std::pair(ringV_, mapV_)}) {
      auto slot = tile::RingAcquireOp::create(b(), loc(), slotType_, ring).getSlot();
      for (auto [i, page] : llvm::enumerate(pages))
        copy(map, ValueRange{ix_.c(0), ix_.c(0), at.head, page}, slot,
             pages.size() > 1 ? b().getI64IntegerAttr(int64_t(i) * kPageRows) : IntegerAttr());
      tile::RingCommitOp::create(b(), loc(), slot);
    }
  }

  // ---- consumer
  // ---------------------------------------------------------------------------------------------------------------------
  struct State {
    Value out, rounded, max, sum;
  };
  struct Softmax {
    Value weights, sum, max, shift;
  };

  void consume(const Item& at) {
    at_ = at;
    findLimits();
    slotQ_ = tile::RingWaitOp::create(b(), loc(), slotType_, ringQ_, 0).getSlot();
    phase(slotQ_.getDefiningOp(), "Parts of the keys, each a softmax of its own, joined to those before");
    auto loop = loopOver(at.firstPart, at.endPart, ix_.c(1),
                         ValueRange{splat(zero_, outType_), splat(lowest_, rowType_), splat(zero_, rowType_)}, "part");
    static constexpr const char* names[] = {"joined", "joined_largest", "joined_total"};
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), names))
      arg.setLoc(nameLoc(b(), loc(), name));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      auto args = loop.getRegionIterArgs();
      auto [out, logarithm] = attendPart(stepsOf(at, loop.getInductionVar()));
      JoinedParts joined = joinPart(b(), loc(), {args[1], args[2], args[0]}, out, logarithm,
                                    [&](Value v) { return splat(v, outType_); });
      scf::YieldOp::create(b(), loc(), ValueRange{joined.out, joined.largest, joined.total});
    }
    tile::RingReleaseOp::create(b(), loc(), ringQ_, 0);
    store(loop.getResult(0), loop.getResult(1), loop.getResult(2));
  }

  /// What each row sees: keys before `limits_`, from that less the window on.
  void findLimits() {
    VectorType rows = VectorType::get({PagedTiles::kRows, 1}, b().getI32Type());
    Value row = tile::IotaOp::create(b(), loc(), rows, 0);
    if (p_.padded > 1) row = arith::DivUIOp::create(b(), loc(), row, splat(narrow(ix_.c(p_.padded)), rows));
    limits_ = called(arith::AddIOp::create(b(), loc(), row, splat(narrow(ix_.add(at_.position, 1)), rows)), "limits");
  }

  /// A part's rows, divided by their sums, and the logarithms of those to base 2.
  std::pair<Value, Value> attendPart(const Steps& s) {
    Value last = ix_.sub(s.end, ix_.c(1));
    Value scores = tile::MmaWaitOp::create(b(), loc(), scoreType_, multiplyKeys(), 0);
    tile::RingReleaseOp::create(b(), loc(), ringK_, 0);
    Softmax first = softmax(mask(scores, keyOf(s, last)), {});
    State state{splat(zero_, outType_), rounded(first.weights), first.max, first.sum};
    auto loop =
        loopOver(ix_.c(1), ix_.sub(s.end, s.first), ix_.c(1), {state.out, state.rounded, state.max, state.sum}, "back");
    phase(loop, "Scores of a step run beside values of the step before, the softmax under the latter");
    static constexpr const char* names[] = {"out", "rounded", "largest", "sum"};
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), names))
      arg.setLoc(nameLoc(b(), loc(), name));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      auto args = loop.getRegionIterArgs();
      scf::YieldOp::create(b(), loc(),
                           step({args[0], args[1], args[2], args[3]}, s, ix_.sub(last, loop.getInductionVar())));
    }
    return finish({loop.getResult(0), loop.getResult(1), loop.getResult(2), loop.getResult(3)}, keyOf(s, s.first));
  }
  SmallVector<Value> step(const State& before, const Steps& s, Value at) {
    Value running = multiplyKeys(), key = keyOf(s, at);
    Value out = multiplyValues(before.out, before.rounded, ix_.add(key, p_.steps));
    Value scores = tile::MmaWaitOp::create(b(), loc(), scoreType_, running, 1);
    tile::RingReleaseOp::create(b(), loc(), ringK_, 0);
    Softmax next = softmax(maskWhereSeen(scores, key), before.max);
    out = tile::MmaWaitOp::create(b(), loc(), outType_, out, 0);
    tile::RingReleaseOp::create(b(), loc(), ringV_, 0);
    Value operand = rounded(next.weights), rescale = called(powerOfTwo(before.max, next.shift, rowType_), "rescale");
    out = arith::MulFOp::create(b(), loc(), out, splat(rescale, outType_));
    return {out, operand, next.max, called(math::FmaOp::create(b(), loc(), before.sum, rescale, next.sum), "sum")};
  }
  Value multiplyKeys() {
    auto slot = tile::RingWaitOp::create(b(), loc(), slotType_, ringK_, 0).getSlot();
    return tile::MmaSharedOp::create(b(), nameLoc(b(), loc(), "scores"), scoreType_, slotQ_, 0, ix_.c(0), slot, 0);
  }
  Value rounded(Value weights) {
    return tile::MmaOperandOp::create(b(), nameLoc(b(), loc(), "rounded"),
                                      VectorType::get(scoreType_.getShape(), element_), weights);
  }
  Value multiplyValues(Value out, Value rounded, Value key) {
    auto slot = tile::RingWaitOp::create(b(), loc(), slotType_, ringV_, 0);
    tile::ClearRowsOp::create(b(), loc(), slot, 0, called(ix_.sub(at_.end, key), "valid"));
    return tile::MmaRegistersOp::create(b(), loc(), outType_, out, rounded, slot, 0);
  }

  Softmax softmax(Value x, Value before) {
    Softmax next;
    next.max =
        tile::RowReduceOp::create(b(), nameLoc(b(), loc(), "largest"), rowType_, tile::ReduceKind::max, x, false);
    if (before) next.max = called(arith::MaxNumFOp::create(b(), loc(), before, next.max), "largest");
    // A row that has seen nothing is shifted by 0: its weights are 0, not NaN.
    Value nothing = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, next.max, splat(lowest_, rowType_));
    Value shift = arith::SelectOp::create(b(), loc(), nothing, splat(zero_, rowType_), next.max);
    next.shift = called(
        arith::MulFOp::create(b(), loc(), shift, arith::NegFOp::create(b(), loc(), splat(toLog2_, rowType_))), "shift");
    next.weights = called(powerOfTwo(x, splat(next.shift, scoreType_), scoreType_), "weights");
    next.sum =
        tile::RowReduceOp::create(b(), nameLoc(b(), loc(), "sum"), rowType_, tile::ReduceKind::sum, next.weights, true);
    return next;
  }
  /// 2^(a x + shift)
  Value powerOfTwo(Value x, Value shift, VectorType type) {
    Value exponent = math::FmaOp::create(b(), loc(), x, splat(toLog2_, type), shift);
    return math::Exp2Op::create(b(), loc(), exponent,
                                arith::FastMathFlagsAttr::get(b().getContext(), arith::FastMathFlags::afn));
  }

  /// Masked unless every row sees every key of the step.
  Value maskWhereSeen(Value x, Value key) {
    Value condition = compare(arith::CmpIPredicate::sgt, ix_.add(key, p_.steps - 1), at_.position);
    if (const int64_t window = op_.getWindow(); window > 0)
      condition = arith::OrIOp::create(b(), loc(), condition,
                                       compare(arith::CmpIPredicate::slt, key, ix_.sub(at_.end, ix_.c(window))));
    auto branch = scf::IfOp::create(b(), loc(), TypeRange{scoreType_}, condition, true);
    phase(branch, "Keys that some rows do not see");
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b(), loc(), x);
    b().setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b(), loc(), mask(x, key));
    return branch.getResult(0);
  }
  Value mask(Value x, Value key) {
    VectorType rows = VectorType::get({PagedTiles::kRows, 1}, b().getI32Type()),
               all = VectorType::get(scoreType_.getShape(), b().getI32Type());
    auto columns = [&] { return tile::IotaOp::create(b(), loc(), all, 1); };
    Value here = called(arith::SubIOp::create(b(), loc(), limits_, splat(narrow(key), rows)), "visible_here");
    Value seen = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, columns(), splat(here, all));
    if (const int64_t window = op_.getWindow(); window > 0) {
      Value from = called(arith::SubIOp::create(b(), loc(), here, splat(narrow(ix_.c(window)), rows)), "visible_from");
      seen = arith::AndIOp::create(
          b(), loc(), seen, arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, columns(), splat(from, all)));
    }
    return called(arith::SelectOp::create(b(), loc(), seen, x, splat(lowest_, scoreType_)), "logits");
  }

  std::pair<Value, Value> finish(const State& state, Value key) {
    Value running = multiplyValues(state.out, state.rounded, key);
    Value sum = tile::RowCombineOp::create(b(), nameLoc(b(), loc(), "sum"), rowType_, tile::ReduceKind::sum, state.sum);
    Value inverse = inverseOf(sum);
    Value logarithm = called(
        math::FmaOp::create(b(), loc(), state.max, splat(toLog2_, rowType_), math::Log2Op::create(b(), loc(), sum)),
        "logarithm");
    Value out = tile::MmaWaitOp::create(b(), loc(), outType_, running, 0);
    tile::RingReleaseOp::create(b(), loc(), ringV_, 0);
    return {arith::MulFOp::create(b(), loc(), out, splat(inverse, outType_)), logarithm};
  }
  /// 1 / sum; 0 for a row that sees nothing.
  /// \param flags  of the division: of joined parts it is the one that the third kernel would make, to the bit
  Value inverseOf(Value sum, arith::FastMathFlags flags = arith::FastMathFlags::none) {
    Value empty = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, sum, splat(zero_, rowType_));
    Value one = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(rowType_, 1.0f));
    Value inverse = arith::DivFOp::create(b(), loc(), one, sum, arith::FastMathFlagsAttr::get(b().getContext(), flags));
    return called(arith::SelectOp::create(b(), loc(), empty, splat(zero_, rowType_), inverse), "inverse");
  }

  void store(Value joined, Value largest, Value total) {
    Value out = called(arith::MulFOp::create(b(), loc(), joined, splat(inverseOf(total, arith::FastMathFlags::afn), outType_)), "rows_out");
    Value rows = called(ix_.mul(at_.count, p_.padded), "rows");
    if (!p_.writesWhole()) return storePart(out, largest, total, rows);
    Value isWhole = compare(arith::CmpIPredicate::eq, at_.places, ix_.c(1));
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), isWhole, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    storeWhole(out, rows);
    b().setInsertionPointToStart(branch.elseBlock());
    storePart(out, largest, total, rows);
  }
  /// What the third kernel joins with other items.
  void storePart(Value out, Value largest, Value total, Value rows) {
    Value logarithm =
        called(arith::AddFOp::create(b(), loc(), largest, math::Log2Op::create(b(), loc(), total)), "logarithm");
    Value place = called(ix_.add(ix_.mul(at_.place, p_.heads), at_.head), "at"),
          stride = called(ix_.mul(at_.places, p_.heads), "stride");
    auto stored =
        tile::StoreOp::create(b(), loc(), out, kb_.output(0), ix_.mul(place, p_.depth),
                              ValueRange{ix_.mul(stride, p_.depth), ix_.c(1)}, ValueRange{rows, ix_.c(p_.depth)});
    stored->setAttr("whole", b().getUnitAttr());
    phase(stored, "Rows, and the logarithms of their sums, by which items of a token are weighed");
    tile::StoreOp::create(b(), loc(), logarithm, kb_.output(1), place, ValueRange{stride, ix_.c(0)},
                          ValueRange{rows, ix_.c(1)});
  }
  /// The result: a token's rows are its heads, which lie together.
  void storeWhole(Value out, Value rows) {
    Value narrow = arith::TruncFOp::create(b(), loc(), VectorType::get(outType_.getShape(), element_), out);
    const int64_t token = p_.heads * p_.shared * p_.depth;
    Value offset = called(ix_.add(ix_.mul(at_.token, token), ix_.mul(at_.head, p_.shared * p_.depth)), "result_at");
    auto stored = tile::StoreOp::create(b(), loc(), narrow, kb_.output(2), offset, ValueRange{ix_.c(token), ix_.c(1)},
                                        ValueRange{rows, ix_.c(p_.depth)});
    stored->setAttr("whole", b().getUnitAttr());
    if (p_.padded > 1) stored->setAttr("row_groups", b().getDenseI64ArrayAttr({p_.padded, p_.depth}));
    phase(stored, "Rows that no other item has a part of");
  }

  // ---- short names
  // ------------------------------------------------------------------------------------------------------------------
  OpBuilder& b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value called(Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b(), loc(), name));
    return v;
  }
  Value number(double v, StringRef name) {
    return arith::ConstantOp::create(b(), name.empty() ? loc() : nameLoc(b(), loc(), name),
                                     b().getF32FloatAttr(static_cast<float>(v)));
  }
  Value splat(Value v, VectorType type) { return vector::BroadcastOp::create(b(), v.getLoc(), type, v); }
  Value narrow(Value v) { return b().createOrFold<arith::IndexCastOp>(loc(), b().getI32Type(), v); }
  Value max(Value v, int64_t least) { return b().createOrFold<arith::MaxSIOp>(loc(), v, ix_.c(least)); }
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) {
    return arith::CmpIOp::create(b(), loc(), predicate, x, y);
  }
  Value loadNumber(Value buffer, Value offset, Value limit = {}) {
    auto load = tile::LoadOp::create(b(), loc(), VectorType::get({1}, b().getI32Type()), buffer, offset,
                                     ValueRange{ix_.c(1)}, limit ? ValueRange(limit) : ValueRange());
    return arith::IndexCastOp::create(b(), loc(), b().getIndexType(),
                                      vector::ExtractOp::create(b(), loc(), load, ArrayRef<int64_t>{0}));
  }
  scf::ForOp loopOver(Value from, Value to, Value step, ValueRange inits, StringRef name) {
    auto loop = scf::ForOp::create(b(), loc(), from, to, step, inits);
    loop.getInductionVar().setLoc(nameLoc(b(), loc(), name));
    return loop;
  }

  const PagedTiles& p_;
  PagedAttentionOp op_;
  int64_t inputs_;
  KernelBuilder kb_;
  IndexBuilder ix_;
  Type element_, slotType_;
  VectorType scoreType_, rowType_, outType_;
  Value mapQ_, mapK_, mapV_, ringQ_, ringK_, ringV_, slotQ_;
  Value toLog2_, zero_, lowest_, program_, programs_, entries_;
  // Of the item at hand, in the consumer.
  Item at_;
  Value limits_;
};

} // namespace

Scheduled schedulePagedProducts(GroupOp group, StringRef name, const PagedTiles& tiles, OpBuilder& builder) {
  return ProductsProgram(builder, group, name, tiles).run();
}

} // namespace jinx::schedules
