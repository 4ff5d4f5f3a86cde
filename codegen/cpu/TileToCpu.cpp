// Tile programs on a CPU: rank-2 tiles become one vector a row, memory becomes LLVM loads and stores.
//
// The walk clones the kernel's body op by op. A tile of rank 1 stays one MLIR vector, however wide: LLVM splits it into registers.
// A tile of rank 2 becomes a list of rank-1 vectors, so `arith` on it is cloned once per row, and a loop that carries it carries
// every row. That is all the machinery there is; `tile.dot` adds the micro-kernel:
//
//   for k in 0..depth:                      // acc: M vectors of N lanes, all in registers
//     b  = load N lanes of the packed panel(s) at row k
//     for m in 0..M:  acc[m] = fma(broadcast(a[m*stride + k]), b, acc[m])
//
// Bytes go four k at a time: b = 64 bytes, a = four bytes spread, and one instruction multiplies and adds all four to each lane.
//
// With M*N/16 accumulators of 16 lanes there are N/16 loads of b and M scalar loads (which x86 folds into the multiply as a
// broadcast) for M*N/16 multiplications: M = 14, N = 32 uses 28 of 32 registers and is bound by the multipliers.
//
// One tile program serves every instruction set. Where the registers do not hold a dot's accumulators, the dot is cut into blocks of
// rows and panels that they do hold, each with a loop over k of its own. RowMemory.h has how rows are read and written.
#include "codegen/cpu/TileToCpu.h"

#include "codegen/cpu/ByteProducts.h"
#include "codegen/cpu/RowMemory.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::cpu {
namespace {

constexpr int64_t kPanel = 16;          // columns of a packed panel (tile.dot)
constexpr int64_t kByteInterleave = 4;  // rows of a panel of bytes that come together

class KernelLowering : RowMemory {
 public:
  KernelLowering(tile::KernelOp kernel, const Lanes &lanes, ModuleOp target)
      : RowMemory(kernel.getContext(), lanes), kernel_(kernel), target_(target) {}

  LogicalResult run() {
    Location loc = kernel_.getLoc();
    b_.setInsertionPointToEnd(target_.getBody());
    Type ptr = LLVM::LLVMPointerType::get(b_.getContext()), i64 = b_.getI64Type();
    auto type = b_.getFunctionType({ptr, ptr, i64, i64, ptr}, {});
    auto fn = func::FuncOp::create(b_, loc, kernel_.getSymName(), type);
    Block *entry = fn.addEntryBlock();
    entry_ = entry;
    b_.setInsertionPointToStart(entry);
    loadOperands(loc, entry);
    scratch_ = entry->getArgument(4);
    Value begin = toIndex(loc, entry->getArgument(2)), end = toIndex(loc, entry->getArgument(3));
    auto loop = scf::ForOp::create(b_, loc, begin, end, indexConstant(loc, 1));
    b_.setInsertionPointToStart(loop.getBody());
    program_ = loop.getInductionVar();
    for (Operation &op : kernel_.getBody().front())
      if (failed(lower(&op))) return failure();
    b_.setInsertionPointToEnd(entry);
    func::ReturnOp::create(b_, loc);
    return success();
  }

 private:
  using Rows = SmallVector<Value>;

  // ---- values -------------------------------------------------------------------------------------------------------------------
  static bool isRank2(Type type) {
    auto vector = dyn_cast<VectorType>(type);
    return vector && vector.getRank() == 2;
  }
  static int64_t rowsOf(Type type) { return isRank2(type) ? cast<VectorType>(type).getDimSize(0) : 1; }
  static Type rowType(Type type) {
    auto vector = dyn_cast<VectorType>(type);
    return vector && vector.getRank() == 2 ? VectorType::get(vector.getShape().drop_front(), vector.getElementType()) : type;
  }
  /// The rows of a rank-2 tile, or the one value of anything else.
  Rows get(Value v) const { return map_.lookup(v); }
  Value one(Value v) const { return map_.lookup(v)[0]; }
  void set(Value v, Rows rows) { map_[v] = std::move(rows); }

  void loadOperands(Location loc, Block *entry) {
    Type ptr = LLVM::LLVMPointerType::get(b_.getContext());
    auto load = [&](Value base, int64_t i, Type type) -> Value {
      Value at = LLVM::GEPOp::create(b_, loc, ptr, type, base, ArrayRef<LLVM::GEPArg>{int32_t(i)});
      return LLVM::LoadOp::create(b_, loc, type, at);
    };
    for (int64_t i = 0; i < int64_t(kernel_.getNumBuffers()); ++i) set(kernel_.buffer(i), {load(entry->getArgument(0), i, ptr)});
    for (int64_t i = 0; i < kernel_.numSizes(); ++i)
      set(kernel_.size(i), {toIndex(loc, load(entry->getArgument(1), i, b_.getI64Type()))});
  }

  // ---- ops ----------------------------------------------------------------------------------------------------------------------
  LogicalResult lower(Operation *op) {
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](tile::ProgramIdOp o) { return set(o.getId(), {program_}), success(); })
        .Case([&](tile::ScratchOp o) { return lowerScratch(o); })
        .Case([&](tile::LoadOp o) { return lowerLoad(o); })
        .Case([&](tile::StoreOp o) { return lowerStore(o); })
        .Case([&](tile::GatherOp o) { return lowerGather(o); })
        .Case([&](tile::ReduceOp o) { return lowerReduce(o); })
        .Case([&](tile::ScanOp o) { return lowerScan(o); })
        .Case([&](tile::DotOp o) { return lowerDot(o); })
        .Case([&](tile::DecodeOp o) { return set(o.getTile(), {decodeCodes(b_, o, lanes_, one(o.getWords()))}), success(); })
        .Case([&](tile::LookupOp o) { return set(o.getTile(), {lookUp(b_, o, lanes_, one(o.getWords()))}), success(); })
        .Case([&](tile::Dp4aOp o) { return set(o.getResult(), {addByteProducts(b_, o.getLoc(), lanes_, one(o.getAcc()), one(o.getA()), one(o.getB()))}), success(); })
        .Case([&](vector::ExtractOp o) { return lowerExtract(o); })
        .Case([&](scf::ForOp o) { return lowerFor(o); })
        .Case([&](scf::IfOp o) { return lowerIf(o); })
        .Default([&](Operation *o) { return cloneByRows(o); });
  }

  LogicalResult lowerScratch(tile::ScratchOp op) {
    Value at = address(op.getLoc(), scratch_, b_.getI8Type(), one(op.getByteOffset()));
    set(op.getPtr(), {at});
    return success();
  }

  LogicalResult lowerLoad(tile::LoadOp op) {
    Location loc = op.getLoc();
    auto type = cast<VectorType>(op.getTile().getType());
    bool rank2 = type.getRank() == 2;
    auto row = cast<VectorType>(rowType(type));
    SmallVector<Value> strides, limits;
    for (Value s : op.getStrides()) strides.push_back(one(s));
    for (Value l : op.getLimits()) limits.push_back(one(l));
    Value offset = one(op.getOffset()), ptr = one(op.getPtr());
    Rows rows;
    Value laneStride = strides.back(), laneLimit = limits.empty() ? Value() : limits.back();
    if (!rank2) {
      set(op.getTile(), {loadRow(loc, row, ptr, offset, laneStride, laneLimit)});
      if (auto ahead = op->getAttrOfType<IntegerAttr>("ahead")) fetch(loc, row.getElementType(), ptr, add(loc, offset, indexConstant(loc, ahead.getInt())));
      return success();
    }
    if (getConstantIntValue(strides[0]) == 0) {  // one row serves all
      rows.assign(type.getDimSize(0), loadRow(loc, row, ptr, offset, laneStride, laneLimit));
      set(op.getTile(), rows);
      return success();
    }
    for (int64_t i = 0; i < type.getDimSize(0); ++i) {
      Value at = add(loc, offset, mul(loc, strides[0], indexConstant(loc, i)));
      if (limits.empty() || rowSurelyValid(limits[0], i)) {
        rows.push_back(loadRow(loc, row, ptr, at, laneStride, laneLimit));
        continue;
      }
      Value valid = arith::CmpIOp::create(b_, loc, arith::CmpIPredicate::slt, indexConstant(loc, i), limits[0]);
      auto branch = scf::IfOp::create(b_, loc, TypeRange{row}, valid, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(branch.thenBlock());
      scf::YieldOp::create(b_, loc, loadRow(loc, row, ptr, at, laneStride, laneLimit));
      b_.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b_, loc, zero(loc, row));
      rows.push_back(branch.getResult(0));
    }
    set(op.getTile(), rows);
    return success();
  }
  static bool rowSurelyValid(Value limit, int64_t row) {
    auto constant = getConstantIntValue(limit);
    return constant && *constant > row;
  }

  LogicalResult lowerStore(tile::StoreOp op) {
    Location loc = op.getLoc();
    Rows rows = get(op.getTile());
    SmallVector<Value> strides, limits;
    for (Value s : op.getStrides()) strides.push_back(one(s));
    for (Value l : op.getLimits()) limits.push_back(one(l));
    Value offset = one(op.getOffset()), ptr = one(op.getPtr()), laneLimit = limits.empty() ? Value() : limits.back();
    if (!isRank2(op.getTile().getType())) {
      storeRow(loc, rows[0], ptr, offset, strides.back(), laneLimit);
      return success();
    }
    for (auto [i, row] : llvm::enumerate(rows)) {
      OpBuilder::InsertionGuard guard(b_);
      if (!limits.empty() && !rowSurelyValid(limits[0], i)) {
        Value valid = arith::CmpIOp::create(b_, loc, arith::CmpIPredicate::slt, indexConstant(loc, i), limits[0]);
        b_.setInsertionPointToStart(scf::IfOp::create(b_, loc, valid, /*withElse=*/false).thenBlock());
      }
      Value at = add(loc, offset, mul(loc, strides[0], indexConstant(loc, i)));
      storeRow(loc, row, ptr, at, strides[1], laneLimit);
    }
    return success();
  }

  LogicalResult lowerGather(tile::GatherOp op) {
    auto type = cast<VectorType>(op.getTile().getType());
    set(op.getTile(), {gather(op.getLoc(), type, one(op.getPtr()), one(op.getOffsets()), one(op.getMask()))});
    return success();
  }
  /// Halves are combined until one lane is left: a tree whose shape depends only on the tile's width.
  LogicalResult lowerReduce(tile::ReduceOp op) {
    Location loc = op.getLoc();
    Value v = one(op.getTile());
    int64_t width = cast<VectorType>(v.getType()).getDimSize(0);
    while (width > 1) {
      int64_t half = width / 2;
      Value low = vector::ExtractStridedSliceOp::create(b_, loc, v, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{half}, ArrayRef<int64_t>{1});
      Value high = vector::ExtractStridedSliceOp::create(b_, loc, v, ArrayRef<int64_t>{half}, ArrayRef<int64_t>{half}, ArrayRef<int64_t>{1});
      v = combine(loc, op.getKind(), low, high);
      width = half;
    }
    set(op.getScalar(), {vector::ExtractOp::create(b_, loc, v, 0)});
    return success();
  }
  /// log2(width) additions of the tile shifted by 1, 2, 4, … lanes:
  ///
  ///   [1 2 3 4]   + shifted by 1: [1 3 5 7]    + shifted by 2: [1 3 6 10]    total 10
  LogicalResult lowerScan(tile::ScanOp op) {
    Location loc = op.getLoc();
    Value sums = one(op.getTile()), none = zero(loc, sums.getType());
    int64_t width = cast<VectorType>(sums.getType()).getDimSize(0);
    auto shifted = [&](int64_t by) -> Value {  // in the direction of the scan, zeros behind
      SmallVector<int64_t> from;
      for (int64_t lane = 0; lane < width; ++lane) {
        int64_t source = op.getReverse() ? lane + by : lane - by;
        from.push_back(source >= 0 && source < width ? source : width);  // lane 0 of the zeros
      }
      return vector::ShuffleOp::create(b_, loc, sums, none, from);
    };
    for (int64_t by = 1; by < width; by *= 2) sums = combine(loc, tile::ReduceKind::sum, sums, shifted(by));
    set(op.getTotal(), {vector::ExtractOp::create(b_, loc, sums, op.getReverse() ? 0 : width - 1)});
    set(op.getSums(), {op.getExclusive() ? shifted(1) : sums});
    return success();
  }
  Value combine(Location loc, tile::ReduceKind kind, Value a, Value b) {
    bool isFloat = isa<FloatType>(getElementTypeOrSelf(a.getType()));
    switch (kind) {
      case tile::ReduceKind::sum: return isFloat ? Value(arith::AddFOp::create(b_, loc, a, b)) : arith::AddIOp::create(b_, loc, a, b);
      case tile::ReduceKind::prod: return isFloat ? Value(arith::MulFOp::create(b_, loc, a, b)) : arith::MulIOp::create(b_, loc, a, b);
      case tile::ReduceKind::max: return isFloat ? Value(arith::MaximumFOp::create(b_, loc, a, b)) : arith::MaxSIOp::create(b_, loc, a, b);
      case tile::ReduceKind::min: return isFloat ? Value(arith::MinimumFOp::create(b_, loc, a, b)) : arith::MinSIOp::create(b_, loc, a, b);
    }
    llvm_unreachable("every kind is handled");
  }

  LogicalResult lowerDot(tile::DotOp op) {
    Location loc = op.getLoc();
    Rows acc = get(op.getAcc());
    auto row = cast<VectorType>(acc[0].getType());
    Type element = row.getElementType();
    int64_t panels = (row.getDimSize(0) + kPanel - 1) / kPanel;
    // One address a row: constants when the stride is constant, so that x86 folds them into displacements.
    Value aOffset = one(op.getAOffset()), aStride = one(op.getAStride());
    SmallVector<Value> rowBase;
    for (size_t m = 0; m < acc.size(); ++m) {
      Value index = indexConstant(loc, m);
      if (op.getRows() && m > 0)
        index = arith::MinSIOp::create(b_, loc, index, arith::SubIOp::create(b_, loc, one(op.getRows()), indexConstant(loc, 1)));
      rowBase.push_back(add(loc, aOffset, mul(loc, index, aStride)));
    }
    SmallVector<Value> panelBase;
    for (int64_t p = 0; p < panels; ++p)
      panelBase.push_back(add(loc, one(op.getBOffset()), mul(loc, one(op.getBPanel()), indexConstant(loc, p))));
    // Of the last panel only the first lanes may be wanted.
    SmallVector<VectorType> panelTypes;
    for (int64_t p = 0; p < panels; ++p) panelTypes.push_back(VectorType::get({std::min(row.getDimSize(0) - p * kPanel, kPanel)}, element));

    // Registers: acc is carried as panels of 16 lanes; wider rows are split here and joined after the loop.
    SmallVector<Value> carried;
    for (Value r : acc)
      for (int64_t p = 0; p < panels; ++p)
        carried.push_back(panels == 1 ? r
                                      : Value(vector::ExtractStridedSliceOp::create(b_, loc, r, ArrayRef<int64_t>{p * kPanel},
                                                                                    panelTypes[p].getShape(), ArrayRef<int64_t>{1})));
    // Blocks of accumulators that the registers hold beside a row of b and a spread element of a.
    int64_t panelBytes = panelTypes[0].getDimSize(0) * element.getIntOrFloatBitWidth() / 8;
    int64_t split = std::max<int64_t>(1, panelBytes / lanes_.vectorBytes);  // registers of a whole panel
    int64_t rows = acc.size(), blockPanels = split == 1 ? panels : 1;
    int64_t blockRows = std::clamp<int64_t>((lanes_.registers - 1 - split * blockPanels) / (split * blockPanels), 1, rows);
    SmallVector<Value> sums(carried.size());
    for (int64_t m = 0; m < rows; m += blockRows) {
      for (int64_t p = 0; p < panels; p += blockPanels) {
        DotBlock block{m, std::min(m + blockRows, rows), p, std::min(p + blockPanels, panels)};
        dotBlock(op, block, rowBase, panelBase, panelTypes, carried, sums);
        if (byteTail(op)) dotTail(op, block, *getConstantIntValue(op.getDepth()), rowBase, panelBase, panelTypes, sums);
      }
    }
    Rows result;
    for (size_t m = 0; m < acc.size(); ++m) {
      if (panels == 1) {
        result.push_back(sums[m]);
        continue;
      }
      Value joined = zero(loc, row);
      for (int64_t p = 0; p < panels; ++p)
        joined = vector::InsertStridedSliceOp::create(b_, loc, sums[m * panels + p], joined, ArrayRef<int64_t>{p * kPanel},
                                                      ArrayRef<int64_t>{1});
      result.push_back(joined);
    }
    set(op.getResult(), result);
    return success();
  }

  /// A row of a panel of b (of bytes: four); bytes among floats are widened on the way.
  Value loadPanelRow(tile::DotOp op, VectorType type, Value offset) {
    Location loc = op.getLoc();
    Type stored = op.getB().getType().getElement();
    if (op.ofBytes()) {
      auto bytes = VectorType::get({type.getDimSize(0) * kByteInterleave}, stored);
      return LLVM::LoadOp::create(b_, loc, bytes, address(loc, one(op.getB()), stored, offset), 1);
    }
    Value row = LLVM::LoadOp::create(b_, loc, type.clone(stored), address(loc, one(op.getB()), stored, offset), alignmentOf(stored));
    return stored == type.getElementType() ? row : Value(arith::SIToFPOp::create(b_, loc, type, row));
  }

  /// acc + the four products of each lane with four bytes of a.
  Value addBytes(Location loc, Value acc, Value four, Value row) {
    Value words = vector::BitCastOp::create(b_, loc, cast<VectorType>(acc.getType()), row);
    return addByteProducts(b_, loc, lanes_, acc, vector::BroadcastOp::create(b_, loc, acc.getType(), four), words);
  }

  /// Bytes of a past the last four.
  static int64_t byteTail(tile::DotOp op) {
    auto depth = op.ofBytes() ? getConstantIntValue(op.getDepth()) : std::nullopt;
    return depth ? *depth % kByteInterleave : 0;
  }

  struct DotBlock {
    int64_t rowBegin, rowEnd, panelBegin, panelEnd;
  };
  /// The sums of a block of rows and panels over all of k.
  void dotBlock(tile::DotOp op, const DotBlock &block, ArrayRef<Value> rowBase, ArrayRef<Value> panelBase,
                ArrayRef<VectorType> panelTypes, ArrayRef<Value> carried, MutableArrayRef<Value> sums) {
    Location loc = op.getLoc();
    Type element = panelTypes[0].getElementType(), stored = op.getA().getType().getElement();
    int64_t panels = panelTypes.size();
    Value a = one(op.getA());
    SmallVector<Value> inits;
    SmallVector<int64_t> slots;
    for (int64_t m = block.rowBegin; m < block.rowEnd; ++m)
      for (int64_t p = block.panelBegin; p < block.panelEnd; ++p) {
        slots.push_back(m * panels + p);
        inits.push_back(carried[slots.back()]);
      }
    Value step = indexConstant(loc, op.ofBytes() ? kByteInterleave : 1);
    Value depth = one(op.getDepth());
    if (int64_t tail = byteTail(op)) depth = indexConstant(loc, *getConstantIntValue(op.getDepth()) - tail);
    auto loop = scf::ForOp::create(b_, loc, indexConstant(loc, 0), depth, step, inits);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    Value k = loop.getInductionVar(), k16 = mul(loc, k, indexConstant(loc, kPanel));
    SmallVector<Value> bRow, next;
    for (int64_t p = block.panelBegin; p < block.panelEnd; ++p) bRow.push_back(loadPanelRow(op, panelTypes[p], add(loc, panelBase[p], k16)));
    size_t slot = 0;
    for (int64_t m = block.rowBegin; m < block.rowEnd; ++m) {
      Value scalar = LLVM::LoadOp::create(b_, loc, element, address(loc, a, stored, add(loc, rowBase[m], k)), alignmentOf(stored));
      for (Value row : bRow) {
        Value c = loop.getRegionIterArg(slot++);
        if (op.ofBytes()) {
          next.push_back(addBytes(loc, c, scalar, row));
          continue;
        }
        Value spread = vector::BroadcastOp::create(b_, loc, row.getType(), scalar);
        next.push_back(isa<FloatType>(element) ? Value(vector::FMAOp::create(b_, loc, spread, row, c)) : add(loc, c, mul(loc, spread, row)));
      }
    }
    scf::YieldOp::create(b_, loc, next);
    for (auto [i, s] : llvm::enumerate(slots)) sums[s] = loop.getResult(i);
  }

  /// The last one to three bytes of a depth that is no multiple of four: a's are read one by one, b has zeros beside what is missing.
  void dotTail(tile::DotOp op, const DotBlock &block, int64_t depth, ArrayRef<Value> rowBase, ArrayRef<Value> panelBase, ArrayRef<VectorType> panelTypes,
               MutableArrayRef<Value> sums) {
    Location loc = op.getLoc();
    Type element = panelTypes[0].getElementType(), stored = op.getA().getType().getElement();
    const int64_t first = depth / kByteInterleave * kByteInterleave, panels = panelTypes.size();
    SmallVector<Value> bRow;
    for (int64_t p = block.panelBegin; p < block.panelEnd; ++p)
      bRow.push_back(loadPanelRow(op, panelTypes[p], add(loc, panelBase[p], indexConstant(loc, first * kPanel))));
    for (int64_t m = block.rowBegin; m < block.rowEnd; ++m) {
      Value four;
      for (int64_t k = first; k < depth; ++k) {
        Value byte = LLVM::LoadOp::create(b_, loc, stored, address(loc, one(op.getA()), stored, add(loc, rowBase[m], indexConstant(loc, k))), 1);
        Value placed = arith::ShLIOp::create(b_, loc, arith::ExtUIOp::create(b_, loc, element, byte),
                                             arith::ConstantOp::create(b_, loc, b_.getI32IntegerAttr(8 * (k - first))));
        four = four ? Value(arith::OrIOp::create(b_, loc, four, placed)) : placed;
      }
      for (int64_t p = block.panelBegin; p < block.panelEnd; ++p) {
        Value &sum = sums[m * panels + p];
        sum = addBytes(loc, sum, four, bRow[p - block.panelBegin]);
      }
    }
  }

  /// A row of a rank-2 tile is at hand already; a lane of a rank-1 tile is extracted.
  LogicalResult lowerExtract(vector::ExtractOp op) {
    if (!isRank2(op.getSource().getType())) return cloneByRows(op);
    set(op.getResult(), {get(op.getSource())[op.getStaticPosition()[0]]});
    return success();
  }

  // ---- structure ----------------------------------------------------------------------------------------------------------------
  LogicalResult lowerFor(scf::ForOp op) {
    Location loc = op.getLoc();
    SmallVector<Value> inits;
    for (Value init : op.getInitArgs()) llvm::append_range(inits, get(init));
    auto loop = scf::ForOp::create(b_, loc, one(op.getLowerBound()), one(op.getUpperBound()), one(op.getStep()), inits);
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    set(op.getInductionVar(), {loop.getInductionVar()});
    regroup(op.getRegionIterArgs(), loop.getRegionIterArgs());
    if (failed(lowerBody(*op.getBody()))) return failure();
    if (!inits.empty() || !loop.getBody()->mightHaveTerminator()) scf::YieldOp::create(b_, loc, yielded(*op.getBody()));
    regroup(op.getResults(), loop.getResults());
    return success();
  }

  LogicalResult lowerIf(scf::IfOp op) {
    Location loc = op.getLoc();
    SmallVector<Type> types;
    for (Type type : op.getResultTypes()) types.append(rowsOf(type), rowType(type));
    bool withElse = !op.getElseRegion().empty();
    auto branch = scf::IfOp::create(b_, loc, types, one(op.getCondition()), withElse);
    OpBuilder::InsertionGuard guard(b_);
    auto lowerRegion = [&](Block &from, Block *to) {
      if (types.empty()) {
        b_.setInsertionPoint(to->getTerminator());
      } else {
        b_.setInsertionPointToEnd(to);
      }
      if (failed(lowerBody(from))) return failure();
      if (!types.empty()) scf::YieldOp::create(b_, loc, yielded(from));
      return success();
    };
    if (failed(lowerRegion(*op.thenBlock(), branch.thenBlock()))) return failure();
    if (withElse && failed(lowerRegion(*op.elseBlock(), branch.elseBlock()))) return failure();
    regroup(op.getResults(), branch.getResults());
    return success();
  }

  LogicalResult lowerBody(Block &block) {
    for (Operation &op : block.without_terminator())
      if (failed(lower(&op))) return failure();
    return success();
  }
  SmallVector<Value> yielded(Block &block) {
    SmallVector<Value> values;
    for (Value v : block.getTerminator()->getOperands()) llvm::append_range(values, get(v));
    return values;
  }
  void regroup(ValueRange original, ValueRange flat) {
    for (Value v : original) {
      int64_t n = rowsOf(v.getType());
      set(v, Rows(flat.begin(), flat.begin() + n));
      flat = flat.drop_front(n);
    }
  }

  /// An op without regions: cloned once per row of its rank-2 results, with row i of each rank-2 operand.
  LogicalResult cloneByRows(Operation *op) {
    if (op->getNumRegions() != 0) return op->emitOpError("cannot be lowered to the CPU inside a tile kernel");
    int64_t rows = 1;
    for (Type type : op->getResultTypes()) rows = std::max(rows, rowsOf(type));
    for (Type type : op->getOperandTypes()) rows = std::max(rows, rowsOf(type));
    SmallVector<Rows> results(op->getNumResults());
    for (int64_t i = 0; i < rows; ++i) {
      IRMapping mapping;
      for (Value operand : op->getOperands()) {
        Rows values = get(operand);
        mapping.map(operand, values[values.size() == 1 ? 0 : i]);
      }
      Operation *clone = b_.clone(*op, mapping);
      for (auto [j, result] : llvm::enumerate(clone->getResults())) {
        Type type = op->getResult(j).getType();
        result.setType(rowType(type));
        if (auto constant = dyn_cast<arith::ConstantOp>(clone))
          if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()); dense && isRank2(type)) {
            if (!dense.isSplat()) return op->emitOpError("rank-2 constants must be splats");
            constant.setValueAttr(cast<TypedAttr>(dense.resizeSplat(cast<ShapedType>(rowType(type)))));
          }
        results[j].push_back(result);
      }
      if (llvm::none_of(op->getResultTypes(), isRank2) && llvm::none_of(op->getOperandTypes(), isRank2)) break;
    }
    for (auto [j, values] : llvm::enumerate(results)) set(op->getResult(j), values);
    return success();
  }

  tile::KernelOp kernel_;
  ModuleOp target_;
  llvm::DenseMap<Value, Rows> map_;
  Value program_, scratch_;
};

}  // namespace

LogicalResult lowerKernel(tile::KernelOp kernel, const Lanes &lanes, ModuleOp target) { return KernelLowering(kernel, lanes, target).run(); }

}  // namespace jinx::cpu
