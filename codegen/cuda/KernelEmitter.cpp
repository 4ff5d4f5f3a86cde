// The function's frame, its structure (loops, branches) and its scalars.
#include "codegen/cuda/KernelEmitter.h"

#include "codegen/cuda/DeviceLibrary.h"
#include "codegen/cuda/PipelineEmitter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/base/GpuArchitecture.h"
#include "runtime/base/SizeExpr.h"

using namespace mlir;

namespace jinx::cuda {

namespace {

constexpr int64_t kMaxThreads = 1024, kLanes = 32;
constexpr int64_t kSlotBytes = 2 * 32 * 8;  // block.cuh: two sets of kReduceSlots values of up to 8 bytes

/// For a division of counts that fit 32 bits, written as index_cast(divui i32 (index_cast a), (index_cast b)): its parts.
arith::DivUIOp smallDivision(Operation *op) {
  auto cast = dyn_cast<arith::IndexCastOp>(op);
  if (!cast || !cast.getType().isIndex()) return {};
  auto div = cast.getIn().getDefiningOp<arith::DivUIOp>();
  auto fromIndex = [](Value v) {
    auto inner = v.getDefiningOp<arith::IndexCastOp>();
    return getConstantIntValue(v).has_value() || (inner && inner.getIn().getType().isIndex());
  };
  return div && div->hasOneUse() && div.getType().isInteger(32) && fromIndex(div.getLhs()) && fromIndex(div.getRhs()) ? div : arith::DivUIOp();
}
/// True for the inner operations of such a division.
bool isPartOfSmallDivision(Operation *op) {
  if (!op->hasOneUse()) return false;
  Operation *user = *op->user_begin();
  if (isa<arith::DivUIOp>(op)) return smallDivision(user) == op;
  return isa<arith::IndexCastOp>(op) && isa<arith::DivUIOp>(user) && user->hasOneUse() && smallDivision(*user->user_begin()) == user;
}

/// Blocks of `count` programs each.
std::string perBlock(StringRef programs, int64_t count) {
  auto expr = SizeExpr::parse(programs.str());
  return expr ? ceilDiv(*expr, count).str() : "(" + programs.str() + ") ceildiv " + std::to_string(count);
}

/// The name that a location carries, if it is short and an identifier as it stands.
std::string nameOf(Location loc) {
  auto named = dyn_cast<NameLoc>(loc);
  if (!named) return "";
  StringRef name = named.getName();
  bool plain = !name.empty() && name.size() <= 32 && (isalpha(name[0]) || name[0] == '_') &&
               llvm::all_of(name, [](char c) { return isalnum(c) || c == '_'; });
  return plain ? name.str() : "";
}

}  // namespace

KernelEmitter::KernelEmitter(tile::KernelOp kernel, const EmitOptions &options)
    : kernel_(kernel), options_(options), sum_(tile::sumOfRanks(kernel)), pipeline_(std::make_unique<PipelineEmitter>(*this)) {}
KernelEmitter::~KernelEmitter() = default;

LogicalResult KernelEmitter::unsupported(Operation *op, const Twine &why) {
  return op->emitOpError("cannot be printed as CUDA: ") << why;
}

// ---- frame ------------------------------------------------------------------------------------------------------------------------

// A thread holds 16 bytes of the widest tile that moves through memory, counted in its narrowest element type.
void KernelEmitter::chooseThreads() {
  threads_ = options_.threads;
  if (auto attr = kernel_->getAttrOfType<IntegerAttr>("programs_per_block")) programsPerBlock_ = attr.getInt();
  if (auto attr = kernel_->getAttrOfType<IntegerAttr>("threads")) threads_ = attr.getInt();
  if (int64_t fixed = pipeline_->threads()) threads_ = fixed;
  if (threads_) return;
  int64_t width = 1, bytes = 4;
  kernel_.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto vector = dyn_cast<VectorType>(type); vector && vector.getRank() == 1) width = std::max(width, vector.getDimSize(0));
  });
  kernel_.walk([&](Operation *op) {
    Type type;
    if (auto load = dyn_cast<tile::LoadOp>(op)) type = load.getTile().getType();
    if (auto store = dyn_cast<tile::StoreOp>(op)) type = store.getTile().getType();
    auto vector = dyn_cast_or_null<VectorType>(type);
    if (vector && vector.getRank() == 1 && vector.getDimSize(0) == width) bytes = std::min(bytes, bytesOf(vector.getElementType()));
  });
  int64_t perThread = std::min<int64_t>(16 / bytes, 8);
  threads_ = llvm::divideCeil(width, perThread);
  threads_ = std::clamp<int64_t>(llvm::alignTo(threads_, kLanes), kLanes, kMaxThreads);
}

void KernelEmitter::bindArguments() {
  int64_t inputs = kernel_.getNumInputs(), buffers = kernel_.getNumBuffers();
  for (BlockArgument arg : kernel_.getBody().getArguments()) {
    int64_t i = arg.getArgNumber();
    std::string name = nameOf(arg.getLoc());
    Bound bound;
    if (i < buffers) {
      if (name.empty()) name = i < inputs ? (inputs == 1 ? "x" : "x" + std::to_string(i)) : (buffers - inputs == 1 ? "y" : "y" + std::to_string(i - inputs) + "_");
      bound.kind = Bound::kPointer;
    } else {
      if (name.empty()) name = "a" + std::to_string(i - buffers);
      bound.kind = Bound::kUniform;
    }
    bound.expr = {out_.unique(name)};
    bound_[arg] = bound;
  }
}

void KernelEmitter::constant(const std::string &name, int64_t value, const std::string &comment) {
  std::string line = "constexpr int " + name + " = " + std::to_string(value) + ";";
  if (llvm::any_of(constants_, [&](const std::string &old) { return StringRef(old).starts_with("constexpr int " + name + " "); })) return;
  if (!comment.empty()) line += "  // " + comment;
  constants_.push_back(line);
}

bool KernelEmitter::startsEarly() const {
  const GpuArchitecture *gpu = gpuArchitecture(options_.arch);
  return options_.earlyLaunch && gpu && gpu->startsEarly();
}

FailureOr<CudaKernel> KernelEmitter::run() {
  for (const char *file : {"base.cuh", "math.cuh", "shared.cuh", "block.cuh"}) needLibrary(file);
  if (startsEarly()) needLibrary("grid.cuh");
  if (failed(pipeline_->prepare())) return failure();
  chooseThreads();
  const bool isThread = threads_ == 1 && programsPerBlock_ % kLanes == 0;
  if (threads_ < 1 || threads_ > kMaxThreads || (threads_ % kLanes && !isThread))
    return kernel_.emitOpError("asks for ") << threads_ << " threads a block; expected a multiple of 32, at most 1024", failure();
  if (programsPerBlock_ > 1 && ((threads_ != kLanes && !isThread) || pipeline_->hasAnything() || (!isThread && kernel_.getScratch() != "0")))
    return kernel_.emitOpError("has several programs a block; expected a warp each without shared memory, or a thread each"), failure();
  constant("kThreads", threads_ * programsPerBlock_, "of a block");
  if (programsPerBlock_ > 1) {
    constant("kPrograms", programsPerBlock_, isThread ? "of a block, a thread each" : "of a block, a warp each");
    if (!isThread) prologue("const int lane = threadIdx.x % 32;");
    out_.reserve("lane");
  }
  chooseRuns();
  outer_ = &kernel_.getBody().front();
  bindArguments();
  if (failed(pipeline_->declare()) || failed(emitBlock(kernel_.getBody().front()))) return failure();
  return assemble();
}

CudaKernel KernelEmitter::assemble() {
  CudaKernel result;
  result.name = kernel_.getSymName().str();
  result.threads = threads_ * programsPerBlock_;
  result.grid = programsPerBlock_ == 1 ? kernel_.getPrograms().str() : perBlock(kernel_.getPrograms(), programsPerBlock_);
  result.cluster = pipeline_->clusterSize();
  result.tensorMaps = tensorMaps_;
  result.waitsForGrid = startsEarly();
  result.sumRanks = sum_ ? sum_->ranks : 0;
  result.wrappers = wrappers_;
  result.libraries = libraries_;

  // Shared memory: what the pipeline needs, then the reduction's slots, the keys of sorts, scratch.
  int64_t fixed = pipeline_->sharedBytes();
  std::vector<std::string> shared;
  if (usesSlots_) {
    constant("kSlotsOffset", fixed, "shared memory: values that warps hand to each other");
    shared.push_back("u8* const slots = dynamic_shared() + kSlotsOffset;");
    shared.push_back("int turn = 0;  // which of the two sets of slots is next");
    fixed += kSlotBytes;
  }
  if (sortBytes_) {
    constant("kKeysOffset", fixed, "shared memory: what is sorted");
    shared.push_back("i64* const keys = reinterpret_cast<i64*>(dynamic_shared() + kKeysOffset);");
    fixed += sortBytes_;
  }
  if (usesScratch_) {
    constant("kScratchOffset", fixed, "shared memory: the program's scratch");
    shared.push_back("u8* const scratch = dynamic_shared() + kScratchOffset;");
  }
  std::string scratch = usesScratch_ ? kernel_.getScratch().str() : "0";
  result.sharedBytes = scratch == "0" ? std::to_string(fixed) : fixed ? std::to_string(fixed) + " + " + scratch : scratch;

  SourceWriter head;
  head.comment("jinx 0.1 | " + result.name + " | " + options_.arch);
  if (!kernel_.getProvenance().empty()) head.comment("from: " + kernel_.getProvenance());
  head.comment("grid = " + result.grid + (result.cluster > 1 ? " in clusters of " + std::to_string(result.cluster) : std::string()) +
               "; block = kThreads; dynamic shared memory = " + result.sharedBytes + " bytes");
  for (const std::string &line : constants_) head.line(line);
  head.blank();

  SmallVector<std::string> parameters;
  for (BlockArgument arg : kernel_.getBody().getArguments()) {
    const std::string &name = bound_[arg].expr.text;
    if (auto ptr = dyn_cast<tile::PtrType>(arg.getType())) {
      bool stored = isSum(arg) || llvm::any_of(arg.getUsers(), [&](Operation *user) { return pipeline_->writes(user, arg); });
      // Only what is stored is __restrict__: nothing overlaps it, which is all that a compiler needs to move loads past stores. What is read
      // must not be: its loads would go by the path for constants (LDG.CONSTANT), and could be moved over the wait for the launch before.
      parameters.push_back((stored ? "" : "const ") + cType(ptr.getElement()) + (stored ? "* __restrict__ " : "* ") + name);
    } else {
      parameters.push_back("i64 " + name);
    }
  }
  for (const std::string &map : pipeline_->mapParameters()) parameters.push_back(map);
  if (sum_) parameters.push_back("const __grid_constant__ PeerTable peers");
  std::string attributes = result.cluster > 1 ? "__cluster_dims__(" + std::to_string(result.cluster) + ", 1, 1) " : "";
  // One block a multiprocessor: without saying so, ptxas does not know the registers at entry and ignores their move (C7508).
  // So it does where a kernel wants registers rather than blocks beside it (`one_block`), for loads far ahead.
  bool isAlone = pipeline_->movesRegisters() || kernel_->hasAttr("one_block");
  auto blocks = kernel_->getAttrOfType<IntegerAttr>("blocks");  // that a multiprocessor is to have
  std::string bounds = blocks ? "__launch_bounds__(kThreads, " + std::to_string(blocks.getInt()) + ")" : isAlone ? "__launch_bounds__(kThreads, 1)" : "__launch_bounds__(kThreads)";
  head.line("extern \"C\" __global__ void " + attributes + bounds);
  std::string line = result.name + "(", indent(result.name.size() + 1, ' ');
  for (auto [i, parameter] : llvm::enumerate(parameters)) {
    bool last = i + 1 == parameters.size();
    std::string piece = parameter + (last ? ") {" : ",");
    if (line.size() + piece.size() > 118) {
      head.line(StringRef(line).rtrim());
      line = indent;
    }
    line += piece + (last ? "" : " ");
  }
  if (parameters.empty()) line += ") {";
  head.line(line);

  SourceWriter body(1);
  for (const std::string &text : shared) body.line(text);
  for (const std::string &text : prologue_) body.line(text);
  for (const std::string &text : ahead_) body.line(text);
  if (startsEarly() && !pipeline_->startsGrid()) {
    body.line("grid_release_next();");
    body.line("grid_wait_previous();");
  }
  result.text = head.take() + body.take() + out_.take() + "}\n";
  return result;
}

// ---- structure --------------------------------------------------------------------------------------------------------------------

/// What the operations below `op` touch, in a few words.
std::string KernelEmitter::summary(Operation *op) {
  llvm::SetVector<StringRef> reads, writes, reduces;
  std::vector<std::string> names;
  names.reserve(64);
  auto pointerName = [&](Value pointer) -> StringRef {
    auto it = bound_.find(pointer);
    names.push_back(it != bound_.end() && !it->second.shared ? it->second.expr.text : "scratch");
    return names.back();
  };
  op->walk([&](Operation *o) {
    if (names.size() >= 60) return;
    if (auto load = dyn_cast<tile::LoadOp>(o)) reads.insert(pointerName(load.getPtr()));
    if (auto gather = dyn_cast<tile::GatherOp>(o)) reads.insert(pointerName(gather.getPtr()));
    if (auto store = dyn_cast<tile::StoreOp>(o)) writes.insert(pointerName(store.getPtr()));
    if (auto scatter = dyn_cast<tile::ScatterOp>(o)) writes.insert(pointerName(scatter.getPtr()));
    if (auto reduce = dyn_cast<tile::ReduceOp>(o)) reduces.insert(tile::stringifyReduceKind(reduce.getKind()));
  });
  std::string text;
  auto part = [&](const char *verb, const llvm::SetVector<StringRef> &what) {
    if (what.empty()) return;
    text += text.empty() ? "" : ", ";
    text += verb + llvm::join(what.getArrayRef(), ", ");
  };
  part("read ", reads);
  part("reduce by ", reduces);
  part("write ", writes);
  return text;
}

/// A comment where a new phase begins: an operation that carries the attribute `phase`, else a loop or access at the outer level.
void KernelEmitter::phase(Operation *op) {
  std::string text;
  if (auto attr = op->getAttrOfType<StringAttr>("phase")) {
    text = attr.str();
  } else if (auto load = dyn_cast<tile::LoadOp>(op); load && isSum(load.getPtr())) {
    text = "read " + bound_[load.getPtr()].expr.text + ", the sum of what each rank has in " + bound_[kernel_.buffer(sum_->part)].expr.text;
  } else if (op->getBlock() == outer_ && isa<scf::ForOp, tile::LoadOp, tile::StoreOp, tile::GatherOp>(op)) {
    text = summary(op);
    if (isa<scf::ForOp>(op) && !text.empty()) text = "loop: " + text;
  }
  if (text.empty() || text == lastPhase_) return;
  lastPhase_ = text;
  out_.blank();
  text[0] = static_cast<char>(toupper(static_cast<unsigned char>(text[0])));
  out_.comment(text + ".");
}

LogicalResult KernelEmitter::emitBlock(Block &block) {
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>() || PipelineEmitter::isAside(&op)) continue;
    if (failed(emitOp(&op))) return failure();
  }
  return success();
}

LogicalResult KernelEmitter::emitOp(Operation *op) {
  phase(op);
  if (pipeline_->handles(op)) return pipeline_->emit(op);
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](scf::ForOp o) { return emitFor(o); })
      .Case([&](scf::IfOp o) { return emitIf(o); })
      .Case([&](tile::LoadOp o) { return emitLoad(o); })
      .Case([&](tile::StoreOp o) { return emitStore(o); })
      .Case([&](tile::GatherOp o) { return emitGather(o); })
      .Case([&](tile::ReduceOp o) { return emitReduce(o); })
      .Case([&](tile::ScanOp o) { return emitScan(o); })
      .Case([&](tile::SortOp o) { return emitSort(o); })
      .Case([&](tile::ScatterOp o) { return emitScatter(o); })
      .Case([&](tile::ProgramIdOp o) {
        define(o.getId(), {programsPerBlock_ > 1 ? "i64(blockIdx.x) * kPrograms + threadIdx.x" + std::string(threads_ == 1 ? "" : " / 32") : "blockIdx.x"}, /*keep=*/true);
        return success();
      })
      .Case([&](tile::ScratchOp o) {
        usesScratch_ = true;
        Expr at = ::jinx::cuda::add({"scratch"}, scalar(o.getByteOffset()));
        std::string type = cType(cast<tile::PtrType>(o.getPtr().getType()).getElement()), name = out_.unique("held");
        out_.line(type + "* const " + name + " = reinterpret_cast<" + type + "*>(" + at.text + ");");
        Bound bound;
        bound.kind = Bound::kPointer;
        bound.expr = {name};
        bound.shared = true;
        bound_[o.getPtr()] = bound;
        return success();
      })
      .Case([&](arith::ConstantOp o) { return emitConstant(o, o.getValue()); })
      .Case<vector::BroadcastOp>([&](auto o) { return emitBroadcast(o); })
      .Case<vector::ExtractOp>([&](auto o) { return emitExtract(o); })
      .Case<vector::FromElementsOp>([&](auto o) { return emitFromElements(o); })
      .Case<vector::StepOp>([&](auto o) {
        Bound bound;
        bound.kind = Bound::kStep;
        bound_[o.getResult()] = bound;
        return success();
      })
      .Default([&](Operation *o) -> LogicalResult {
        if (!isElementwise(o)) return unsupported(o, "no schedule for CUDA makes this operation");
        if (isa<arith::DivFOp>(o) && emitDivision(o).succeeded()) return success();
        if (isa<arith::CmpIOp>(o) && emitLaneCompare(o).succeeded()) return success();
        return isTile(o->getResult(0).getType()) && !isUniform(o->getResult(0)) ? addPending(o) : emitScalar(o);
      });
}

Bound KernelEmitter::declareCarried(Value like, Value init, StringRef name) {
  Bound bound;
  Type type = like.getType();
  if (isTile(type)) {
    TileLayout &layout = layoutOf(shapeOf(type));
    bound.kind = Bound::kArray;
    bound.expr = {out_.unique(name)};
    out_.line(cType(getElementTypeOrSelf(type)) + " " + layout.declare(bound.expr.text) + ";");
  } else {
    bound.kind = Bound::kUniform;
    bound.expr = {out_.unique(name)};
    out_.line(cType(getElementTypeOrSelf(type)) + " " + bound.expr.text + (init ? " = " + scalar(init).text : std::string()) + ";");
  }
  return bound;
}

LogicalResult KernelEmitter::emitFor(scf::ForOp op) {
  if (failed(flushAll())) return failure();
  SmallVector<Bound> carried;
  for (auto [init, arg] : llvm::zip(op.getInitArgs(), op.getRegionIterArgs())) {
    std::string name = nameOf(arg.getLoc());
    if (name.empty()) name = isTile(arg.getType()) ? "acc" : "carried";
    Bound bound = takesOver(init, op) ? Bound(bound_[init]) : declareCarried(arg, init, name);
    carried.push_back(bound);
    bound_[arg] = bound;
  }
  // Tiles start from their initial values in one loop.
  SmallVector<Value> tiles;
  SmallVector<Bound> targets;
  for (auto [init, bound] : llvm::zip(op.getInitArgs(), carried))
    if (bound.kind == Bound::kArray && !(pipeline_ && pipeline_->beginsAnew(op, init))) tiles.push_back(init), targets.push_back(bound);
  if (failed(assignYielded(tiles, targets, op))) return failure();

  std::string variable = nameOf(op.getInductionVar().getLoc());
  variable = out_.unique(variable.empty() ? "step" : variable);
  Bound induction;
  induction.kind = Bound::kUniform;
  induction.expr = {variable};
  bound_[op.getInductionVar()] = induction;
  Expr lower = scalar(op.getLowerBound()), upper = scalar(op.getUpperBound()), step = scalar(op.getStep());
  // A loop that only reads, or only writes, meets a barrier once.
  MemoryState inside = accessesIn(op.getRegion());
  if (inside.read != inside.written && (inside.read ? memory_.written : memory_.read)) {
    out_.line("block_sync();");
    memory_ = {};
  }
  auto isConstant = [](Value v) { return getConstantIntValue(v).has_value(); };
  bool window = op->getParentOfType<scf::ForOp>() && !(isConstant(op.getLowerBound()) && isConstant(op.getUpperBound())) && !pipeline_->hasAnything();
  if (auto unroll = op->getAttrOfType<IntegerAttr>("unroll")) {
    out_.directive("#pragma unroll " + std::to_string(unroll.getInt()));
  } else if (window) {
    // A window that is cut at edges: four at a time, as NVRTC would, spill; so do two of a window in a window.
    scf::ForOp around = op->getParentOfType<scf::ForOp>();
    bool alone = !around->getParentOfType<scf::ForOp>() && op.getBody()->getOps<scf::ForOp>().empty();
    out_.directive(alone ? "#pragma unroll 2" : "#pragma unroll 1");
  }
  out_.open("for (i64 " + variable + " = " + lower.text + "; " + variable + " < " + upper.in(Expr::kShift) + "; " +
            (step.text == "1" ? "++" + variable : variable + " += " + step.text) + ")");
  // The second round meets what the first one left in memory.
  MemoryState before = memory_;
  memory_.join(inside);
  if (failed(emitBlock(*op.getBody()))) return failure();
  if (auto yield = dyn_cast<scf::YieldOp>(op.getBody()->getTerminator()))
    if (failed(assignYielded(yield.getResults(), carried, yield))) return failure();
  memory_.join(before);
  pending_.clear();
  out_.close();
  for (auto [result, bound] : llvm::zip(op.getResults(), carried)) bound_[result] = bound;
  return success();
}

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  if (failed(flushAll())) return failure();
  // All that a program does, if there is such a program: the last block's warps may be too many.
  auto compare = op.getCondition().getDefiningOp<arith::CmpIOp>();
  if (programsPerBlock_ > 1 && op->getBlock() == outer_ && op.getNumResults() == 0 && !op.elseBlock() && op->getNextNode() == nullptr && compare &&
      compare.getPredicate() == arith::CmpIPredicate::slt) {
    out_.line("if (" + scalar(compare.getLhs()).in(Expr::kShift) + " >= " + scalar(compare.getRhs()).in(Expr::kShift) + ") return;");
    outer_ = op.thenBlock();
    return emitBlock(*op.thenBlock());
  }
  SmallVector<Bound> results;
  bool changes = false;  // whether the else branch has something to assign
  for (OpResult result : op.getResults()) {
    Value inPlace = changedInPlace(op, result.getResultNumber());
    results.push_back(inPlace ? Bound(bound_[inPlace]) : declareCarried(result, {}, "chosen"));
    changes |= !inPlace;
    bound_[result] = results.back();
  }
  out_.open("if (" + scalar(op.getCondition()).text + ")");
  MemoryState before = memory_, after;
  auto branch = [&](Block &block) {
    memory_ = before;
    if (failed(emitBlock(block))) return failure();
    if (failed(assignYielded(block.getTerminator()->getOperands(), results, block.getTerminator()))) return failure();
    after.join(memory_);
    pending_.clear();
    return success();
  };
  if (failed(branch(*op.thenBlock()))) return failure();
  if (op.elseBlock() && (changes || !op.elseBlock()->without_terminator().empty())) {
    out_.reopen("else");
    if (failed(branch(*op.elseBlock()))) return failure();
  } else {
    after.join(before);
  }
  memory_ = after;
  out_.close();
  return success();
}

/// targets = values, all at once: what is assigned may depend on the old contents.
LogicalResult KernelEmitter::assignYielded(ValueRange values, ArrayRef<Bound> targets, Operation *at) {
  SmallVector<Shape> shapes;
  SmallVector<std::pair<std::string, std::string>> scalars;
  for (auto [value, target] : llvm::zip(values, targets)) {
    if (target.kind == Bound::kOperand) {
      if (failed(pipeline_->moveOperand(value, target.expr.text))) return failure();
    } else if (isTile(value.getType())) {
      if (!llvm::is_contained(shapes, shapeOf(value.getType()))) shapes.push_back(shapeOf(value.getType()));
    } else if (std::string text = scalar(value).text; text != target.expr.text) {
      scalars.push_back({target.expr.text, text});
    }
  }
  for (const Shape &shape : shapes) {
    SmallVector<std::pair<Value, std::string>> moves;
    for (auto [value, target] : llvm::zip(values, targets)) {
      if (!isTile(value.getType()) || shapeOf(value.getType()) != shape || target.kind == Bound::kOperand) continue;
      auto it = bound_.find(value);
      if (it != bound_.end() && it->second.kind == Bound::kArray && it->second.expr.text == target.expr.text) continue;
      moves.push_back({value, target.expr.text});
    }
    if (moves.empty()) continue;
    TileLayout &layout = layoutOf(shape);
    SmallVector<Value> wanted;
    for (auto &[value, name] : moves) wanted.push_back(value);
    Sink sink;
    sink.op = at;
    sink.body = [&](Lane &lane) {
      SmallVector<std::string> texts;
      for (auto &[value, name] : moves) {
        auto expr = laneExpr(value, lane, layout);
        texts.push_back(succeeded(expr) ? expr->text : "?");
      }
      if (moves.size() > 1)
        for (auto [i, text] : llvm::enumerate(texts)) {
          std::string name = out_.unique("next");
          out_.line("const " + cType(getElementTypeOrSelf(moves[i].first.getType())) + " " + name + " = " + text + ";");
          text = name;
        }
      for (auto [move, text] : llvm::zip(moves, texts)) out_.line(layout.element(move.second) + " = " + text + ";");
    };
    if (failed(flush(shape, wanted, sink))) return failure();
  }
  if (scalars.size() == 1) {
    out_.line(scalars[0].first + " = " + scalars[0].second + ";");
  } else {
    SmallVector<std::string> names;
    for (auto &[target, text] : scalars) {
      names.push_back(out_.unique("next"));
      out_.line("const auto " + names.back() + " = " + text + ";");
    }
    for (auto [pair, name] : llvm::zip(scalars, names)) out_.line(pair.first + " = " + name + ";");
  }
  return success();
}

// ---- scalars ----------------------------------------------------------------------------------------------------------------------

std::string KernelEmitter::hint(Value value) const {
  if (std::string name = nameOf(value.getLoc()); !name.empty()) return name;
  Operation *op = value.getDefiningOp();
  if (!op) return "v";
  StringRef name = op->getName().stripDialect();
  if (auto load = dyn_cast<tile::LoadOp>(op)) return bound_.lookup(load.getPtr()).expr.text + "_value";
  if (isa<tile::NumProgramsOp>(op)) return "programs";
  if (value.getType().isIndex()) {
    if (isa<arith::SubIOp>(op)) return "rest";
    return isa<arith::AddIOp, arith::MulIOp>(op) ? "offset" : isa<arith::RemUIOp, arith::RemSIOp>(op) ? "within" : "count";
  }
  if (isa<arith::CmpFOp, arith::CmpIOp>(op)) return "is";
  if (isa<arith::SelectOp>(op)) return "pick";
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp, arith::FPToSIOp, arith::IndexCastOp>(op)) return "as_" + cType(getElementTypeOrSelf(value.getType()));
  if (op->getDialect()->getNamespace() == "arith") {
    name.consume_back("si") || name.consume_back("ui") || name.consume_back("f") || name.consume_back("i");
    if (name == "add") return "sum";
    if (name == "sub") return "difference";
    if (name == "mul") return "product";
    if (name == "div") return "quotient";
  }
  return name.str() + "_";
}

Expr KernelEmitter::scalar(Value value) {
  auto it = bound_.find(value);
  if (it == bound_.end() || it->second.expr.text.empty()) return {"/* unbound */ 0"};
  return it->second.expr;
}

/// Binds a scalar: to its expression where that is short and used once nearby, else to a constant that is printed.
void KernelEmitter::define(Value value, const Expr &expr, bool keep) {
  Bound bound;
  bound.kind = Bound::kUniform;
  bool nearby = value.hasOneUse() && value.use_begin()->getOwner()->getBlock() == value.getDefiningOp()->getBlock();
  if (expr.isSimple() && !keep) {
    bound.expr = expr;
  } else if (!keep && nearby && expr.text.size() <= 40 && !isa<FloatType>(value.getType())) {
    bound.expr = expr;
  } else if (!value.use_empty()) {
    std::string name = isa<tile::ProgramIdOp>(value.getDefiningOp()) ? "program" : hint(value);
    if (value.getType().isIndex() && name.empty()) name = "at";
    bound.expr = {out_.unique(name)};
    out_.line("const " + cType(getElementTypeOrSelf(value.getType())) + " " + bound.expr.text + " = " + expr.text + ";");
  }
  bound_[value] = bound;
}

LogicalResult KernelEmitter::emitConstant(Operation *op, TypedAttr value) {
  Bound bound;
  bound.kind = Bound::kUniform;
  TypedAttr scalarValue = value;
  if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
    if (!dense.isSplat()) return unsupported(op, "a tile of different constants");
    scalarValue = cast<TypedAttr>(dense.getSplatValue<Attribute>());
  }
  std::string text = literal(scalarValue), name = nameOf(op->getLoc());
  bound.expr = {text, text[0] == '-' ? Expr::kUnary : Expr::kPrimary};
  auto number = dyn_cast<FloatAttr>(scalarValue);
  if (!name.empty() && number && number.getValue().isFinite() && !isHalf(scalarValue.getType())) {
    std::string constantName = out_.unique("k" + std::string(1, char(toupper(name[0]))) + name.substr(1));
    constants_.push_back("constexpr " + cType(scalarValue.getType()) + " " + constantName + " = " + text + ";");
    bound.expr = {constantName};
  }
  bound_[op->getResult(0)] = bound;
  return success();
}

LogicalResult KernelEmitter::emitScalar(Operation *op) {
  if (isPartOfSmallDivision(op)) return success();
  if (auto div = smallDivision(op)) {
    auto index = [&](Value v) {
      auto cast = v.getDefiningOp<arith::IndexCastOp>();
      return scalar(cast ? cast.getIn() : v).text;
    };
    define(op->getResult(0), call("divide_small", index(div.getLhs()) + ", " + index(div.getRhs())));
    return success();
  }
  SmallVector<Expr> operands;
  for (Value operand : op->getOperands()) operands.push_back(scalar(operand));
  auto expr = elementExpr(op, operands);
  if (!expr) return unsupported(op, "no C++ expression for it");
  define(op->getResult(0), *expr);
  return success();
}

FailureOr<CudaKernel> emitCuda(tile::KernelOp kernel, const EmitOptions &options) { return KernelEmitter(kernel, options).run(); }

std::string CudaKernel::source() const {
  std::string text;
  for (const std::string &file : libraries) text += std::string(deviceFile(file)) + "\n";
  if (!wrappers.empty()) text += wrappers + "\n";
  return text + this->text;
}

}  // namespace jinx::cuda
