// Attention for sm_90a: persistent blocks of one producer and some consumer warpgroups (Shah et al. 2024, FlashAttention-3).
//
// A block walks tiles of query rows. Its producer thread fetches the tile's rows of Q once, and the keys and values of its head step by
// step, through three rings. A consumer has 64 rows: their scores of a step, the largest logit and the sum of weights of each row, and the
// rows of the output, all in registers. The softmax is online (Milakov & Gimelshein 2018, algorithm 3), in powers of two:
//
//   s = q·kᵀ   m' = max(m, max s)   c = 2^(a m - a m')   p = 2^(a s - a m')   l = l c + sum p   o = (o + p_before·v_before) c
//
// with a = scale * log2(e), or log2(e) where a hole stands between s and the rest. Where that pays (keepsReference), a row, or all rows of a
// warp together (votesBefore), keep their m until the greatest logit of one exceeds it by more than 8 / a: until then c is 1, weights are at
// most 2^8, and a warp none of whose rows has another c leaves its output alone. The weights p of one step wait in registers, rounded, as
// the first operand of the next step's second product. So both products of a step run together, and its softmax under the second.
//
// Keys are walked from right to left: only the first steps may hold columns that a row does not see, those past the last key and, when
// causal, past the diagonal. They are masked in a loop of their own, or in a branch of the main loop, which is one softmax less for NVRTC to
// compile. A row's sum lies in four lanes until the end.
//
// Order of tiles: heads in sections whose keys and values fit the second-level cache together. Causal tiles differ in length: in the last
// section the longest come first, in the one before it last, and so on in turn, so that lengths change slowly all the way; and they are dealt
// out to and fro. Of two neighbouring rounds each block then gets about the same (within 3 % over the shapes of the benchmark; with the longest
// first in every section, 24 to 30 % where rounds straddle sections).
//
// Keys in parts (AttentionParts): a tile has the rows of a tile and the keys of a part. The parts of a row are walked as any tiles are, so that
// the rings stay full from one part to the next. How long a part is depends on nothing that varies, so neither do the bits of a result.
// Sequences may have lengths of their own, and keys in pages: parts past a sequence's end are left out, pages past it are not looked
// up, and rows of values behind the last key are cleared before they are multiplied: a weight of 0 does not hide a NaN.
#include "codegen/schedules/cuda/AttentionTiles.h"

#include <cmath>
#include <limits>

#include "codegen/schedules/cuda/IndexBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {

namespace {

constexpr int64_t kSectionBytes = 32 << 20;  // of keys and values that the second-level cache keeps
constexpr double kSlack = 8;                 // weights may be up to 2^8 before the output is scaled
constexpr const char *kMainLoop = "Main loop: scores of a step run beside values of the step before, the softmax under the latter";
constexpr double kLog2e = 1.4426950408889634, kLn2 = 0.6931471805599453;

class AttentionProgram {
 public:
  AttentionProgram(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole)
      : kernel_(kernel), b_(b), loc_(kernel.getLoc()), ix_{b_, loc_}, p_(problem), t_(tile), hole_(hole) {}

  void run() {
    OpBuilder::InsertionGuard guard(b_);
    makeTypes();
    setGrid();
    makeMaps();
    makeConstants();
    ringQ_ = ring(t_.queryStages, t_.rows, "q");
    ringK_ = ring(t_.stages, t_.keys, "k");
    ringV_ = ring(t_.stages, t_.keys, "v");
    const int64_t consumers = t_.rows / 64;
    auto roles = tile::RolesOp::create(b_, loc_, consumers, consumers == 3 ? 32 : 24, consumers == 3 ? 160 : 240);
    b_.setInsertionPointToStart(&roles.getProducer().emplaceBlock());
    walkTiles([&](Value index) { produce(index); });
    b_.setInsertionPointToStart(&roles.getConsumer().emplaceBlock());
    firstRow_ = called(ix_.mul(tile::ConsumerIdOp::create(b_, loc_, b_.getIndexType()), 64), "first_row");
    walkTiles([&](Value index) { consume(index); });
  }

 private:
  // ---- what stands before the roles -------------------------------------------------------------------------------------------------
  void makeTypes() {
    element_ = cast<tile::PtrType>(p_.q.data.getType()).getElement();
    scoreType_ = VectorType::get({64, t_.keys}, b_.getF32Type());
    rowType_ = VectorType::get({64, 1}, b_.getF32Type());
    outType_ = VectorType::get({64, p_.headDim}, b_.getF32Type());
    scoreIndexType_ = VectorType::get({64, t_.keys}, b_.getI32Type());
    rowIndexType_ = VectorType::get({64, 1}, b_.getI32Type());
    slotType_ = tile::SlotType::get(b_.getContext());
  }

  void setGrid() {
    auto text = [](int64_t v) { return std::to_string(v); };
    std::string parts = isSplit() ? "(" + p_.parts.count.text + ") * " : "";
    kernel_.setPrograms("min((" + p_.batch.text + ") * (" + p_.heads.text + ") * " + parts + "(((" + p_.queries.text + ") + " + text(t_.rows - 1) +
                        ") floordiv " + text(t_.rows) + "), " + text(p_.sms) + ")");
  }

  Value map(const AttentionTensor &x, const std::string &rows, const std::string &heads, const std::string &matrices, int64_t boxColumns, int64_t boxRows) {
    auto bytes = [](const AttentionSize &stride) { return "(" + stride.text + ") * 2"; };
    return tile::TensorMapOp::create(b_, loc_, tile::TensorMapType::get(b_.getContext()), x.data,
                                     b_.getStrArrayAttr({std::to_string(p_.headDim), rows, heads, matrices}),
                                     b_.getStrArrayAttr({bytes(x.rowStride), bytes(x.headStride), bytes(x.batchStride)}),
                                     DenseI64ArrayAttr::get(b_.getContext(), {boxColumns, boxRows, 1, 1}), b_.getI64IntegerAttr(boxColumns * 2),
                                     DenseI64ArrayAttr())
        .getMap();
  }
  void makeMaps() {
    std::string kvHeads = p_.group == 1 ? p_.heads.text : "(" + p_.heads.text + ") floordiv " + std::to_string(p_.group);
    const std::string &batch = p_.batch.text, keys = isPaged() ? std::to_string(p_.pages.keys) : p_.keys.text, &matrices = isPaged() ? p_.pages.count.text : batch;
    mapQ_ = map(p_.q, p_.queries.text, p_.heads.text, batch, kPanel, t_.rows);
    mapK_ = map(p_.k, keys, kvHeads, matrices, kPanel, boxKeys());
    mapV_ = map(p_.v, keys, kvHeads, matrices, kPanel, boxKeys());
    if (!isSplit() && storesBulk(t_, p_.headDim)) mapO_ = map(p_.o, p_.queries.text, p_.heads.text, batch, storeColumns(p_.headDim), 16);
  }

  void makeConstants() {
    // Where the scale may join the power of two: the largest score must stay the largest logit.
    folds_ = !hole_ && p_.scale > 0;
    if (!folds_) scale_ = number(p_.scale, "scale");
    toLog2_ = number(folds_ ? p_.scale * kLog2e : kLog2e, "toLog2");
    fromLog2_ = number(kLn2, "ln2");
    zero_ = number(0.0, "");
    minusInfinity_ = number(-std::numeric_limits<double>::infinity(), "");
    program_ = tile::ProgramIdOp::create(b_, loc_, b_.getIndexType());
    programs_ = tile::NumProgramsOp::create(b_, loc_, b_.getIndexType());
    rowTiles_ = called(ix_.tiles(p_.queries.value, t_.rows), "row_tiles");
    allHeads_ = called(ix_.mul(p_.batch.value, p_.heads.value), "all_heads");
    tiles_ = called(ix_.mul(allHeads_, rowTiles_), "tiles");
    if (isSplit()) {
      headTiles_ = called(ix_.mul(p_.parts.count.value, rowTiles_), "head_tiles");
      tiles_ = called(ix_.mul(allHeads_, headTiles_), "tiles");
      return;
    }
    Value fitting = called(ix_.mul(max(ix_.div(ix_.c(kSectionBytes / (p_.headDim * 4)), p_.keys.value), 1), p_.group), "fitting");
    section_ = called(ix_.min(fitting, allHeads_), "section");
    if (p_.causal) sections_ = called(ix_.div(ix_.add(allHeads_, ix_.sub(section_, ix_.c(1))), max(section_, 1)), "sections");
  }

  Value ring(int64_t stages, int64_t rows, StringRef name) {
    auto buffer = VectorType::get({rows, p_.headDim}, element_);
    return tile::RingOp::create(b_, loc_, tile::RingType::get(b_.getContext()), tile::RingKind::bulk, stages, b_.getTypeArrayAttr({buffer}),
                                b_.getStrArrayAttr({name}), DenseI64ArrayAttr::get(b_.getContext(), {}));
  }

  // ---- tiles ------------------------------------------------------------------------------------------------------------------------
  /// `body` for each tile of this block.
  void walkTiles(const std::function<void(Value)> &body) {
    OpBuilder::InsertionGuard guard(b_);
    if (!p_.causal || isSplit()) {
      auto loop = loopOver(program_, tiles_, programs_, {}, "tile");
      b_.setInsertionPointToStart(loop.getBody());
      body(loop.getInductionVar());
      return;
    }
    auto loop = loopOver(ix_.c(0), tiles_, programs_, program_, "round");
    loop.getRegionIterArg(0).setLoc(nameLoc(b_, loc_, "place"));
    b_.setInsertionPointToStart(loop.getBody());
    Value place = loop.getRegionIterArg(0), index = called(ix_.add(loop.getInductionVar(), place), "tile");
    Value back = ix_.sub(ix_.sub(programs_, ix_.c(1)), place);
    auto inside = scf::IfOp::create(b_, loc_, arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, index, tiles_), false);
    scf::YieldOp::create(b_, loc_, back);
    b_.setInsertionPointToStart(inside.thenBlock());
    body(index);
  }

  struct Place {
    Value batch, head, kvHead, allHead;
    Value rowTile, row;            ///< first row of the tile
    Value keys;                    ///< of the sequence
    Value part, firstKey, endKey;  ///< of keys in parts; else all of them
    Value blocks;                  ///< steps that any row of the tile needs, at least one
  };
  Place place(Value index) {
    Place at;
    isSplit() ? placePart(index, at) : placeTile(index, at);
    at.batch = called(ix_.div(at.allHead, p_.heads.value), "batch");
    at.head = called(ix_.sub(at.allHead, ix_.mul(at.batch, p_.heads.value)), "head");
    at.kvHead = p_.group == 1 ? at.head : called(ix_.div(at.head, p_.group), "kv_head");
    at.row = called(ix_.mul(at.rowTile, t_.rows), "row");
    at.keys = p_.pages.lengths ? called(loadNumber(p_.pages.lengths, at.batch), "length") : p_.keys.value;
    at.firstKey = isSplit() ? called(ix_.mul(at.part, p_.parts.keys), "first_key") : ix_.c(0);
    at.endKey = isSplit() ? called(ix_.min(ix_.add(at.firstKey, p_.parts.keys), at.keys), "end_key") : at.keys;
    at.blocks = called(stepsOf(at, at.row, t_.rows), "blocks");
    return at;
  }
  Value keysOf(const Place &at) { return ix_.sub(at.endKey, at.firstKey); }
  /// Of the keys that are walked, how many a row sees; below none where it sees none.
  Value seenBy(Value row, const Place &at) {
    Value seen = called(ix_.add(ix_.add(row, ix_.sub(at.keys, headQueries())), 1), "seen_by_first");
    return isSplit() ? called(ix_.sub(seen, at.firstKey), "seen_of_part") : seen;
  }
  /// Steps that any of so many rows from `row` on needs, at least one.
  Value stepsOf(const Place &at, Value row, int64_t rows) {
    Value seen = p_.causal ? called(ix_.min(keysOf(at), ix_.add(seenBy(row, at), rows - 1)), "seen") : keysOf(at);
    return ix_.tiles(max(seen, 1), t_.keys);
  }
  /// A part's row tiles come one after the other: they read the same keys.
  void placePart(Value index, Place &at) {
    at.allHead = called(ix_.div(index, headTiles_), "batch_head");
    Value within = called(ix_.sub(index, ix_.mul(at.allHead, headTiles_)), "within");
    at.part = called(ix_.div(within, rowTiles_), "part");
    at.rowTile = ix_.sub(within, ix_.mul(at.part, rowTiles_));
  }
  void placeTile(Value index, Place &at) {
    Value sectionTiles = called(ix_.mul(section_, rowTiles_), "section_tiles");
    Value section = called(ix_.div(index, sectionTiles), "section_index"), firstHead = called(ix_.mul(section, section_), "first_head");
    Value width = called(ix_.min(section_, ix_.sub(allHeads_, firstHead)), "width");
    Value within = called(ix_.sub(index, ix_.mul(firstHead, rowTiles_)), "within");
    Value advanced = called(ix_.div(within, width), "advanced");
    at.allHead = called(ix_.add(firstHead, ix_.sub(within, ix_.mul(advanced, width))), "batch_head");
    Value descending = ix_.sub(ix_.sub(rowTiles_, ix_.c(1)), advanced);
    at.rowTile = descending;
    if (!p_.causal) return;
    Value after = ix_.sub(ix_.sub(sections_, ix_.c(1)), section), isRising = ix_.sub(after, ix_.mul(ix_.div(after, 2), 2));
    Value rises = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::eq, isRising, ix_.c(1));
    at.rowTile = called(arith::SelectOp::create(b_, loc_, rises, advanced, descending), "row_tile");
  }

  /// `body` unless the part lies past the end of its sequence.
  void withPart(const Place &at, const std::function<void()> &body) {
    if (!p_.pages.lengths) return body();
    OpBuilder::InsertionGuard guard(b_);
    auto inside = scf::IfOp::create(b_, loc_, arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, at.firstKey, at.keys), false);
    b_.setInsertionPointToStart(inside.thenBlock());
    body();
  }
  /// An element of a buffer of i32.
  Value loadNumber(Value buffer, Value offset, Value limit = {}) {
    auto load = tile::LoadOp::create(b_, loc_, VectorType::get({1}, b_.getI32Type()), buffer, offset, ValueRange{ix_.c(1)}, limit ? ValueRange(limit) : ValueRange());
    Value number = vector::ExtractOp::create(b_, loc_, load, ArrayRef<int64_t>{0});
    return arith::IndexCastOp::create(b_, loc_, b_.getIndexType(), number);
  }
  Value firstKeyOf(Value block, const Place &at) {
    Value key = ix_.mul(block, t_.keys);
    return isSplit() ? ix_.add(at.firstKey, key) : key;
  }

  // ---- producer ---------------------------------------------------------------------------------------------------------------------
  /// A box into the slot, of keys or values or of queries.
  void copy(Value map, ValueRange at, Value slot, bool once, IntegerAttr row = {}) {
    auto copy = tile::CopyBulkOp::create(b_, loc_, map, at, ValueRange{}, slot, b_.getI64IntegerAttr(0), IntegerAttr(), row);
    if (once) copy->setAttr("once", b_.getUnitAttr());
  }
  void fetch(Value ring, Value map, Value row, Value head, Value batch, bool once = false) {
    auto slot = tile::RingAcquireOp::create(b_, loc_, slotType_, ring).getSlot();
    copy(map, ValueRange{ix_.c(0), row, head, batch}, slot, once);
    tile::RingCommitOp::create(b_, loc_, slot);
  }
  /// Keys or values of a step, from where they lie.
  void fetchKeys(Value ring, Value map, Value block, const Place &at) {
    Value key = firstKeyOf(block, at);
    if (!isPaged()) return fetch(ring, map, key, at.kvHead, at.batch, p_.readsOnce);
    // The numbers of all pages first: each is as far away as the keys. Past the end there is none: a page that does not exist is zeros.
    SmallVector<Value> pages;
    key = called(key, "key");
    Value first = called(ix_.add(ix_.mul(at.batch, p_.pages.tableStride.value), ix_.div(key, p_.pages.keys)), "entry");
    for (int64_t i = 0; i < t_.keys; i += boxKeys()) {
      Value left = ix_.sub(at.keys, ix_.add(key, i)), isThere = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::sgt, left, ix_.c(0));
      Value page = loadNumber(p_.pages.table, ix_.add(first, i / p_.pages.keys), left);
      pages.push_back(called(arith::SelectOp::create(b_, loc_, isThere, page, ix_.c(-1)), "page"));
    }
    Value row = boxKeys() < p_.pages.keys ? ix_.sub(key, ix_.mul(ix_.div(key, p_.pages.keys), p_.pages.keys)) : ix_.c(0);
    auto slot = tile::RingAcquireOp::create(b_, loc_, slotType_, ring).getSlot();
    for (auto [i, page] : llvm::enumerate(pages))
      copy(map, ValueRange{ix_.c(0), row, at.kvHead, page}, slot, p_.readsOnce, pages.size() > 1 ? b_.getI64IntegerAttr(int64_t(i) * boxKeys()) : IntegerAttr());
    tile::RingCommitOp::create(b_, loc_, slot);
  }
  /// In the order of use. The first keys come before the queries: their slot is free earlier.
  void produce(Value index) {
    Place at = place(index);
    withPart(at, [&] {
      auto keys = [&](Value block) { fetchKeys(ringK_, mapK_, block, at); };
      auto values = [&](Value block) { fetchKeys(ringV_, mapV_, block, at); };
      keys(ix_.sub(at.blocks, ix_.c(1)));
      fetch(ringQ_, mapQ_, at.row, at.head, at.batch);
      auto loop = loopOver(ix_.c(1), at.blocks, ix_.c(1), {}, "step");
      {
        OpBuilder::InsertionGuard guard(b_);
        b_.setInsertionPointToStart(loop.getBody());
        Value before = called(ix_.sub(at.blocks, loop.getInductionVar()), "before");
        keys(ix_.sub(before, ix_.c(1)));
        values(before);
      }
      values(ix_.c(0));
    });
  }

  // ---- consumers --------------------------------------------------------------------------------------------------------------------
  struct State {
    Value out, rounded, max, sum;
  };
  struct Softmax {
    Value weights, sum;  ///< of this step
    Value max, shift;    ///< what the weights refer to
    Value outgrown;      ///< rows whose maximum before was exceeded by more than weights may be; null: any more is too much
    Value grows;         ///< whether there is one in the warp, whose rows then all refer to more; null: those rows do
  };
  /// Whether a step may have columns that some rows do not see: never, where a condition holds, always.
  struct Masked {
    bool may = false;
    Value where;  ///< null: always
  };

  void consume(Value index) {
    at_ = place(index);
    withPart(at_, [&] { consumeKeys(); });
  }
  void consumeKeys() {
    myRow_ = called(ix_.add(at_.row, firstRow_), "my_row");
    if (p_.causal) limits_ = visibleColumns();
    auto wait = tile::RingWaitOp::create(b_, loc_, slotType_, ringQ_, 0);
    phase(wait, "First step: the rightmost keys, masked; nothing to overlap with");
    slotQ_ = wait.getSlot();

    Value last = ix_.sub(at_.blocks, ix_.c(1));
    Value scores = tile::MmaWaitOp::create(b_, loc_, scoreType_, multiplyKeys(), 0);
    tile::RingReleaseOp::create(b_, loc_, ringK_, 0);
    Softmax first = softmax(scores, last, Masked{true, {}}, {});
    State state{splat(zero_, outType_), roundedWeights(first.weights), first.max, first.sum};
    Value from = ix_.c(1);
    if (p_.causal) {
      Value seenByAll = called(ix_.min(keysOf(at_), seenBy(at_.row, at_)), "seen_by_all"), whole = called(ix_.div(max(seenByAll, 0), t_.keys), "whole");
      Value masked = called(ix_.sub(at_.blocks, whole), "masked");
      if (masksInMainLoop()) {
        state = steps(state, from, at_.blocks, masked, kMainLoop);
      } else {
        state = steps(state, from, masked, masked, "Steps with columns that some rows do not see");
        from = called(max(masked, 1), "unmasked");
      }
    }
    if (!p_.causal || !masksInMainLoop()) state = steps(state, from, at_.blocks, {}, kMainLoop);
    tile::RingReleaseOp::create(b_, loc_, ringQ_, 0);
    finish(state);
  }

  /// Columns that each row sees.
  Value visibleColumns() {
    Value first = ix_.add(ix_.add(myRow_, ix_.sub(at_.keys, headQueries())), 1);
    Value rows = tile::IotaOp::create(b_, loc_, rowIndexType_, 0);
    if (p_.rowsOfHead) rows = called(arith::RemUIOp::create(b_, loc_, rows, splat(narrow(ix_.c(p_.rowsOfHead)), rowIndexType_)), "query");
    Value limit = arith::AddIOp::create(b_, loc_, rows, splat(narrow(first), rowIndexType_));
    return called(arith::MinSIOp::create(b_, loc_, limit, splat(narrow(at_.keys), rowIndexType_)), "visible");
  }

  Value multiplyKeys() {
    auto slot = tile::RingWaitOp::create(b_, loc_, slotType_, ringK_, 0).getSlot();
    return tile::MmaSharedOp::create(b_, nameLoc(b_, loc_, "scores"), scoreType_, slotQ_, 0, firstRow_, slot, 0);
  }
  Value roundedWeights(Value weights) {
    return tile::MmaOperandOp::create(b_, nameLoc(b_, loc_, "rounded"), VectorType::get({64, t_.keys}, element_), weights);
  }
  Value multiplyValues(Value out, Value rounded, Value block, StringRef comment = "") {
    auto slot = tile::RingWaitOp::create(b_, loc_, slotType_, ringV_, 0);
    if (!comment.empty()) phase(slot, comment);
    if (p_.pages.lengths) tile::ClearRowsOp::create(b_, loc_, slot, 0, called(ix_.sub(at_.keys, firstKeyOf(block, at_)), "valid"));
    return tile::MmaRegistersOp::create(b_, loc_, outType_, out, rounded, slot, 0);
  }

  /// Steps from `first` to `end`; those before `masked` are masked.
  State steps(const State &from, Value first, Value end, Value masked, StringRef comment) {
    auto loop = loopOver(first, end, ix_.c(1), {from.out, from.rounded, from.max, from.sum}, "step");
    phase(loop, comment);
    const char *names[] = {"out", "rounded", "largest", "sum"};
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), names)) arg.setLoc(nameLoc(b_, loc_, name));
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    auto args = loop.getRegionIterArgs();
    Value running = multiplyKeys();
    Value out = multiplyValues(args[0], args[1], ix_.sub(at_.blocks, loop.getInductionVar()));
    Value scores = tile::MmaWaitOp::create(b_, loc_, scoreType_, running, 1);
    tile::RingReleaseOp::create(b_, loc_, ringK_, 0);
    Value block = ix_.sub(ix_.sub(at_.blocks, ix_.c(1)), loop.getInductionVar());
    Masked mask;
    if (masked) mask.may = true;
    if (masked && masked != end) mask.where = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, loop.getInductionVar(), masked);
    Softmax next = softmax(scores, block, mask, args[2]);
    out = tile::MmaWaitOp::create(b_, loc_, outType_, out, 0, waitsBehindWeights() ? next.sum : Value());
    tile::RingReleaseOp::create(b_, loc_, ringV_, 0);
    Value rounded = roundedWeights(next.weights);
    State after = joined({out, rounded, args[2], args[3]}, next);
    scf::YieldOp::create(b_, loc_, ValueRange{after.out, after.rounded, after.max, after.sum});
    return {loop.getResult(0), loop.getResult(1), loop.getResult(2), loop.getResult(3)};
  }

  /// Scores become weights, which refer to the maximum `before` where that may stay; without one they begin.
  Softmax softmax(Value x, Value block, const Masked &masked, Value before) {
    if (!folds_) x = arith::MulFOp::create(b_, loc_, x, splat(scale_, scoreType_));
    Value column = (hole_ || masked.may) ? called(firstKeyOf(block, at_), "column") : Value();
    if (hole_) x = hole_(b_, loc_, x, {at_.batch, at_.head, myRow_, column});
    if (masked.may) x = masked.where ? maskWhere(masked.where, x, column) : mask(x, column);
    Softmax next;
    next.max = tile::RowReduceOp::create(b_, nameLoc(b_, loc_, "largest"), rowType_, tile::ReduceKind::max, x, false);
    if (before) next.max = called(arith::MaxNumFOp::create(b_, loc_, before, next.max), keepsReference() ? "greatest" : "largest");
    if (before && keepsReference()) {
      Value growth = arith::MulFOp::create(b_, loc_, arith::SubFOp::create(b_, loc_, next.max, before), splat(toLog2_, rowType_));
      next.outgrown = called(arith::CmpFOp::create(b_, loc_, arith::CmpFPredicate::OGT, growth, splat(number(kSlack, "slack"), rowType_)), "outgrown");
      if (votesBefore()) next.grows = called(tile::WarpAnyOp::create(b_, loc_, b_.getI1Type(), next.outgrown), "grows");
      next.max = called(arith::SelectOp::create(b_, loc_, next.grows ? next.grows : next.outgrown, next.max, before), "reference");
    }
    // A row that has seen nothing is shifted by 0: its weights are 0, not NaN.
    Value nothing = arith::CmpFOp::create(b_, loc_, arith::CmpFPredicate::OEQ, next.max, splat(minusInfinity_, rowType_));
    Value shift = arith::SelectOp::create(b_, loc_, nothing, splat(zero_, rowType_), next.max);
    next.shift = called(arith::MulFOp::create(b_, loc_, shift, arith::NegFOp::create(b_, loc_, splat(toLog2_, rowType_))), "shift");
    next.weights = called(powerOfTwo(x, splat(next.shift, scoreType_), scoreType_), "weights");
    next.sum = tile::RowReduceOp::create(b_, nameLoc(b_, loc_, "sum"), rowType_, tile::ReduceKind::sum, next.weights, true);
    return next;
  }

  /// What came before a step and the step, in terms of what the step's weights refer to.
  State joined(const State &before, const Softmax &next) {
    State after = before;
    after.max = next.max;
    auto factor = [&](StringRef name) { return called(powerOfTwo(before.max, next.shift, rowType_), name); };
    auto scaled = [&](Value factor) -> Value { return arith::MulFOp::create(b_, loc_, before.out, splat(factor, outType_)); };
    if (next.grows) {
      auto both = where(next.grows, {before.out, before.sum}, [&] {
        Value rescale = factor("rescale");
        return SmallVector<Value>{scaled(rescale), arith::MulFOp::create(b_, loc_, before.sum, rescale)};
      });
      after.out = both[0];
      after.sum = called(arith::AddFOp::create(b_, loc_, both[1], next.sum), "sum");
      return after;
    }
    Value rescale = factor(next.outgrown ? "factor" : "rescale");
    if (next.outgrown) {
      Value one = splat(number(1.0, ""), rowType_);
      rescale = called(arith::SelectOp::create(b_, loc_, next.outgrown, rescale, one), "rescale");
      Value changes = called(arith::CmpFOp::create(b_, loc_, arith::CmpFPredicate::UNE, rescale, one), "changes");
      Value any = called(tile::WarpAnyOp::create(b_, loc_, b_.getI1Type(), changes), "any_changes");
      after.out = where(any, {before.out}, [&] { return SmallVector<Value>{scaled(rescale)}; })[0];
    } else {
      after.out = scaled(rescale);
    }
    after.sum = called(math::FmaOp::create(b_, loc_, before.sum, rescale, next.sum), "sum");
    return after;
  }
  /// `changed` where the condition holds, else `values`.
  ValueRange where(Value condition, ValueRange values, llvm::function_ref<SmallVector<Value>()> changed) {
    auto branch = scf::IfOp::create(b_, loc_, values.getTypes(), condition, true);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b_, loc_, values);
    b_.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b_, loc_, changed());
    return branch.getResults();
  }

  /// 2^(a x + shift)
  Value powerOfTwo(Value x, Value shift, VectorType type) {
    Value exponent = math::FmaOp::create(b_, loc_, x, splat(toLog2_, type), shift);
    return math::Exp2Op::create(b_, loc_, exponent, arith::FastMathFlagsAttr::get(b_.getContext(), arith::FastMathFlags::afn));
  }

  Value maskWhere(Value condition, Value x, Value column) {
    auto branch = scf::IfOp::create(b_, loc_, TypeRange{scoreType_}, condition, true);
    phase(branch, "Columns past the diagonal");
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b_, loc_, x);
    b_.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b_, loc_, mask(x, column));
    return branch.getResult(0);
  }
  Value mask(Value x, Value column) {
    Value here = narrow(column), visible;
    if (p_.causal) {
      visible = splat(called(arith::SubIOp::create(b_, loc_, limits_, splat(here, rowIndexType_)), "visible_here"), scoreIndexType_);
    } else {
      visible = splat(called(arith::SubIOp::create(b_, loc_, narrow(at_.keys), here), "visible_here"), scoreIndexType_);
    }
    Value columns = tile::IotaOp::create(b_, loc_, scoreIndexType_, 1);
    Value seen = arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, columns, visible);
    return called(arith::SelectOp::create(b_, loc_, seen, x, splat(minusInfinity_, scoreType_)), "logits");
  }

  void finish(const State &state) {
    Value running = multiplyValues(state.out, state.rounded, ix_.c(0), "The last values, then the rows divided by their sums");
    Value sum = tile::RowCombineOp::create(b_, nameLoc(b_, loc_, "sum"), rowType_, tile::ReduceKind::sum, state.sum);
    Value one = arith::ConstantOp::create(b_, loc_, b_.getF32FloatAttr(1.0f));
    Value empty = arith::CmpFOp::create(b_, loc_, arith::CmpFPredicate::OEQ, sum, splat(zero_, rowType_));
    Value inverse = arith::DivFOp::create(b_, loc_, splat(one, rowType_), sum);
    inverse = called(arith::SelectOp::create(b_, loc_, empty, splat(zero_, rowType_), inverse), "inverse");
    Value scale = splat(inverse, outType_);
    Value out = tile::MmaWaitOp::create(b_, loc_, outType_, running, 0);
    tile::RingReleaseOp::create(b_, loc_, ringV_, 0);
    out = arith::MulFOp::create(b_, loc_, out, scale);
    if (isSplit()) return storePart(out, logSumExp(state.max, sum));
    out = arith::TruncFOp::create(b_, loc_, VectorType::get(outType_.getShape(), element_), out);
    store(out);
    if (p_.logSumExp) storeLogSumExp(logSumExp(state.max, sum));
  }

  /// What a part leaves for the merge.
  void storePart(Value out, Value logarithm) {
    Value place = ix_.add(ix_.mul(at_.batch, p_.parts.batchStride.value), ix_.mul(at_.head, p_.parts.headStride.value));
    place = ix_.add(ix_.add(place, ix_.mul(myRow_, p_.parts.rowStride.value)), at_.part);
    place = called(p_.parts.before.value ? ix_.add(place, p_.parts.before.value) : place, "place");
    Value rows = called(ix_.sub(p_.queries.value, myRow_), "rows_left"), stride = p_.parts.rowStride.value;
    Value offset = called(ix_.mul(place, p_.headDim), "offset");
    tile::StoreOp::create(b_, loc_, out, p_.parts.out, offset, ValueRange{ix_.mul(stride, p_.headDim), ix_.c(1)}, ValueRange{rows, ix_.c(p_.headDim)})
        ->setAttr("whole", b_.getUnitAttr());
    phase(tile::StoreOp::create(b_, loc_, logarithm, p_.parts.logSumExp, place, ValueRange{stride, ix_.c(0)}, ValueRange{rows, ix_.c(1)}),
          "Logarithm of each row's sum of exponentials, by which parts are weighed");
  }

  void store(Value out) {
    if (mapO_) {
      phase(tile::StoreBulkOp::create(b_, loc_, out, mapO_, ValueRange{ix_.c(0), myRow_, at_.head, at_.batch}),
            "Patches of a warp's rows through swizzled shared memory");
      return;
    }
    Value offset = ix_.add(ix_.mul(at_.batch, p_.o.batchStride.value), ix_.mul(at_.head, p_.o.headStride.value));
    offset = called(ix_.add(offset, ix_.mul(myRow_, p_.o.rowStride.value)), "offset");
    Value rows = called(ix_.sub(p_.queries.value, myRow_), "rows_left");
    tile::StoreOp::create(b_, loc_, out, p_.o.data, offset, ValueRange{p_.o.rowStride.value, ix_.c(1)}, ValueRange{rows, ix_.c(p_.headDim)})
        ->setAttr("whole", b_.getUnitAttr());
  }

  Value logSumExp(Value max, Value sum) {
    Value log = math::Log2Op::create(b_, loc_, sum);
    log = math::FmaOp::create(b_, loc_, max, splat(toLog2_, rowType_), log);
    return called(arith::MulFOp::create(b_, loc_, log, splat(fromLog2_, rowType_)), "log_sum");
  }
  void storeLogSumExp(Value log) {
    Value offset = called(ix_.add(ix_.mul(at_.allHead, p_.queries.value), myRow_), "lse_at");
    Value rows = called(ix_.sub(p_.queries.value, myRow_), "rows_left");
    phase(tile::StoreOp::create(b_, loc_, log, p_.logSumExp, offset, ValueRange{ix_.c(1), ix_.c(0)}, ValueRange{rows, ix_.c(1)}),
          "Logarithm of each row's sum of exponentials");
  }

  // Measured (decision 0017).
  /// Gains up to 5 %. Not where a hole or short parts leave too little of it.
  bool keepsReference() const { return !hole_ && !isSplit(); }
  /// One choice for a warp is 1 to 3 % faster than one for each row, with a vote when the output is scaled; above head dimension 128 it is not.
  bool votesBefore() const { return p_.headDim <= 128; }
  /// ptxas puts the wait between the first weights and the rest, which suits most; three consumers that mask in the main loop would wait before any
  /// weight, which loses 2 to 8 %.
  bool waitsBehindWeights() const { return keepsReference() && p_.causal && p_.headDim <= 64; }
  /// The branch costs 2 to 4 % at head dimension 128; but a hole that is printed three times costs NVRTC more than a second.
  bool masksInMainLoop() const { return hole_ || p_.headDim <= 64 || p_.headDim > 128; }
  bool isSplit() const { return p_.parts.keys > 0; }
  Value headQueries() { return p_.rowsOfHead ? ix_.c(p_.rowsOfHead) : p_.queries.value; }
  bool isPaged() const { return bool(p_.pages.table); }
  /// Keys that one copy brings.
  int64_t boxKeys() const { return isPaged() ? std::min(p_.pages.keys, t_.keys) : t_.keys; }

  // ---- short names ------------------------------------------------------------------------------------------------------------------
  Value called(Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b_, loc_, name));
    return v;
  }
  Value number(double v, StringRef name) {
    Location loc = name.empty() ? loc_ : nameLoc(b_, loc_, name);
    return arith::ConstantOp::create(b_, loc, b_.getF32FloatAttr(static_cast<float>(v)));
  }
  Value splat(Value v, VectorType type) { return vector::BroadcastOp::create(b_, v.getLoc(), type, v); }
  Value narrow(Value v) { return b_.createOrFold<arith::IndexCastOp>(loc_, b_.getI32Type(), v); }
  Value max(Value v, int64_t least) { return b_.createOrFold<arith::MaxSIOp>(loc_, v, ix_.c(least)); }
  scf::ForOp loopOver(Value from, Value to, Value step, ValueRange inits, StringRef name) {
    auto loop = scf::ForOp::create(b_, loc_, from, to, step, inits);
    loop.getInductionVar().setLoc(nameLoc(b_, loc_, name));
    return loop;
  }

  tile::KernelOp kernel_;
  OpBuilder &b_;
  Location loc_;
  IndexBuilder ix_;
  const WgmmaAttention &p_;
  WgmmaAttentionTile t_;
  const ScoreHole &hole_;
  Type element_, slotType_;
  VectorType scoreType_, rowType_, outType_, scoreIndexType_, rowIndexType_;
  Value mapQ_, mapK_, mapV_, mapO_, ringQ_, ringK_, ringV_, slotQ_;
  Value scale_, toLog2_, fromLog2_, zero_, minusInfinity_;
  Value program_, programs_, rowTiles_, allHeads_, tiles_, section_, sections_, headTiles_, firstRow_;
  bool folds_ = false;
  // Of the tile at hand, in the consumer.
  Place at_;
  Value myRow_, limits_;
};

}  // namespace

void emitWgmmaAttention(OpBuilder &b, tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole) {
  AttentionProgram(b, kernel, problem, tile, hole).run();
}
void emitWgmmaAttention(tile::KernelOp kernel, const WgmmaAttention &problem, const WgmmaAttentionTile &tile, const ScoreHole &hole) {
  OpBuilder b = OpBuilder::atBlockEnd(&kernel.getBody().front());
  emitWgmmaAttention(b, kernel, problem, tile, hole);
}

}  // namespace jinx::schedules
