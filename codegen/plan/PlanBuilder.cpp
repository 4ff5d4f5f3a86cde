// Every MLIR value becomes a plan value, every operator that does something a step.
//
//   argument of main       INPUT
//   jinx.constant          CONSTANT, its bytes in the "weights" segment, equal attributes once
//   jinx.reshape           ALIAS of its operand
//   jinx.launch            a Launch step, results in the ARENA; those `in_place` are an ALIAS of an operand
//   jinx.host_call, …      a HostCall step
//   dist.all_reduce, …      a Collective step; started: a Wait step where it is waited for, of the same operands and results
//   dist.rows              an ALIAS of its operand; where its bytes are not surely aligned, a copy of one
//   dist.join_rows         a Copy of each operand into an ALIAS of the result
//   jinx.if, loop, scan    a Control step, and a block per region
//   func.return            what it returns becomes OUTPUT; an input, a constant or an alias is copied into one
#include "codegen/plan/PlanBuilder.h"

#include <set>

#include "codegen/plan/HostForm.h"
#include "codegen/plan/RankedForm.h"
#include "ir/Graph/Constants.h"
#include "ir/Graph/PartAttr.h"
#include "ir/Graph/StackedConstants.h"
#include "ir/Tile/Tile.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Graph/Evaluate.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx {
namespace {

using MlirValue = mlir::Value;

class PlanBuilder {
 public:
  PlanBuilder(ModuleOp module, PlanWriter &writer, std::span<const ExternalFile> external) : module_(module), writer_(writer), plan_(writer.plan()), external_(external) {}

  Status run() {
    auto main = module_.lookupSymbol<func::FuncOp>("main");
    if (!main) return invalidArgument("the module has no function @main");
    addSymbols();
    addSizeChecks();
    addMetadata();
    addKernels();
    mesh_ = dist::meshOf(main, dist::kRanked);
    if (mesh_) setMesh(mesh_, main, *plan_.mutable_mesh());
    for (BlockArgument arg : main.getArguments()) {
      auto name = main.getArgAttrOfType<StringAttr>(arg.getArgNumber(), "jinx.name");
      uint32_t index = addValue(arg, name ? name.str() : "arg" + std::to_string(arg.getArgNumber()), plan::Value::INPUT);
      plan_.add_inputs(index);
      if (auto whole = main.getArgAttr(arg.getArgNumber(), dist::kWholeType)) JINX_TRY(addWhole(whole, index), "argument " + std::to_string(arg.getArgNumber()));
    }
    addSizeInputs();
    plan::Block *block = plan_.add_blocks();
    JINX_TRY(addSteps(main.getBody().front(), 0));
    (void)block;
    JINX_TRY(addOutputs(main));
    addSegments();
    declareMissingSymbols();
    return Status::ok();
  }

 private:
  void addSymbols() {
    auto symbols = module_->getAttrOfType<ArrayAttr>("jinx.symbols");
    if (!symbols) return;
    for (mlir::Attribute attr : symbols) {
      auto dict = cast<DictionaryAttr>(attr);
      plan::Symbol *s = plan_.add_symbols();
      auto integer = [&](StringRef key) -> int64_t {
        auto a = dict.getAs<IntegerAttr>(key);
        return a ? a.getInt() : 0;
      };
      s->set_name(dict.getAs<StringAttr>("name").str());
      s->set_min(integer("min"));
      s->set_max(integer("max"));
      s->set_multiple_of(integer("multiple_of"));
      if (auto flag = dict.getAs<BoolAttr>("defined_by_step")) s->set_defined_by_step(flag.getValue());
      if (dict.getAs<UnitAttr>("defined_by_step")) s->set_defined_by_step(true);
      known_.insert(s->name());
    }
  }
  void addSizeChecks() {
    auto checks = module_->getAttrOfType<ArrayAttr>("jinx.size_checks");
    if (!checks) return;
    for (auto check : checks.getAsRange<DictionaryAttr>()) {
      plan::SizeCheck *c = plan_.add_size_checks();
      c->set_left(check.getAs<StringAttr>("lhs").str());
      c->set_right(check.getAs<StringAttr>("rhs").str());
      if (auto node = check.getAs<StringAttr>("node")) c->set_node(node.str());
    }
  }
  void addMetadata() {
    if (auto dict = module_->getAttrOfType<DictionaryAttr>("jinx.metadata"))
      for (NamedAttribute entry : dict)
        if (auto text = dyn_cast<StringAttr>(entry.getValue())) (*plan_.mutable_metadata())[entry.getName().str()] = text.str();
  }
  void addKernels() {
    module_.walk([&](tile::KernelOp kernel) {
      kernels_[kernel.getSymName()] = plan_.kernels_size();
      plan::Kernel *k = plan_.add_kernels();
      k->set_symbol(kernel.getSymName().str());
      k->set_provenance(kernel.getProvenance().str());
      k->set_num_buffers(kernel.getNumBuffers());
      k->set_num_sizes(kernel.numSizes());
      k->set_products(productsOf(kernel));
    });
  }

  /// What matrix instructions multiply: it lies in slots that bulk copies have filled, a buffer of one row aside, or that the block's warps have
  /// (`warps`). f32 in high and low parts is "f32x3": three products for one.
  static std::string productsOf(tile::KernelOp kernel) {
    std::string element;
    bool isSplit = false;
    kernel.getBody().walk([&](mlir::Operation *op) { isSplit |= isa<tile::MmaHighLowOp>(op); });
    kernel.getBody().walk([&](tile::RingOp ring) {
      for (auto buffer : ring.getBuffers().getAsValueRange<TypeAttr>())
        if (auto type = cast<VectorType>(buffer);
            element.empty() && (ring.getKind() == tile::RingKind::bulk || kernel->hasAttr("warps")) && type.getShape()[0] > 1)
          element = name(dtypeOf(type.getElementType()));
    });
    return isSplit ? element + "x3" : element;
  }

  // ---- values -------------------------------------------------------------------------------------------------------------------
  std::string uniqueName(const std::string &wanted) {
    std::string name = wanted.empty() ? "value" : wanted;
    for (int i = 1; !names_.insert(name).second; ++i) name = wanted + "#" + std::to_string(i);
    return name;
  }
  static std::string nameOf(MlirValue v) { return nameOf(v.getLoc()); }
  static std::string nameOf(mlir::Location loc) {
    while (auto fused = dyn_cast<FusedLoc>(loc)) loc = fused.getLocations().back();
    auto name = dyn_cast<NameLoc>(loc);
    return name ? name.getName().str() : "";
  }

  uint32_t addValue(MlirValue v, const std::string &name, plan::Value::Storage where) {
    uint32_t index = plan_.values_size();
    values_[v] = index;
    plan::Value *value = plan_.add_values();
    value->set_name(uniqueName(name));
    value->set_where(where);
    mlir::Type type = dist::startedType(v.getType());
    if (auto tensor = dyn_cast<RankedTensorType>(type)) {
      value->set_dtype(uint32_t(dtypeOf(tensor.getElementType())));
      for (const SizeExpr &size : sizesOf(tensor)) {
        value->add_dims(size.str());
        for (const std::string &s : size.symbols()) used_.insert(s);
      }
      if (isa<StringType>(tensor.getElementType()) && where == plan::Value::ARENA) value->set_where(plan::Value::HOST);
      return index;
    }
    if (where == plan::Value::ARENA) value->set_where(plan::Value::HOST);
    value->set_unranked(true);
    if (auto unranked = dyn_cast<UnrankedTensorType>(type)) value->set_dtype(uint32_t(dtypeOf(unranked.getElementType())));
    if (isa<SequenceType>(type)) value->set_kind(plan::Value::SEQUENCE);
    if (isa<OptionalType>(type)) value->set_kind(plan::Value::OPTIONAL);
    return index;
  }
  uint32_t indexOf(MlirValue v) {
    if (v.getDefiningOp<NoneOp>()) return kNoValue;
    return values_.lookup(v);
  }

  Status addConstant(ConstantOp op) {
    if (!op->use_empty() && llvm::all_of(op->getUsers(), isStackedConstant)) return Status::ok();  // is part of another
    auto it = constants_.find(op.getValue());
    if (it != constants_.end()) {
      values_[op.getY()] = it->second;
      return Status::ok();
    }
    const uint32_t index = addValue(op.getY(), "const." + nameOf(op.getY()), plan::Value::CONSTANT);
    constants_[op.getValue()] = index;
    plan::ConstantData &data = *plan_.mutable_values(index)->mutable_constant();
    if (const uint64_t size = placeInRows(op.getValue(), data)) {
      data.set_size(size);
      return Status::ok();
    }
    JINX_TRY_ASSIGN(Tensor tensor, tensorOf(op.getValue()));
    fill(tensor, data);
    return Status::ok();
  }
  void fill(const Tensor &tensor, plan::ConstantData &data) {
    if (tensor.dtype() != DType::kString) return place(tensor, data);
    for (int64_t i = 0; i < tensor.size(); ++i) data.add_strings(tensor.getString(i));
  }

  /// A constant in pieces. One of them may be a constant by itself, too; then its bytes are in the plan twice.
  Status addStack(ConcatOp op) {
    const uint32_t index = addValue(op.getY(), "const." + nameOf(op.getY()), plan::Value::CONSTANT);
    plan::ConstantData *data = plan_.mutable_values(index)->mutable_constant();
    uint64_t size = 0;
    for (MlirValue x : op.getXs()) {
      const ElementsAttr elements = x.getDefiningOp<ConstantOp>().getValue();
      if (const uint64_t bytes = placeInRows(elements, *data)) {
        size += bytes;
        continue;
      }
      JINX_TRY_ASSIGN(Tensor tensor, tensorOf(elements));
      place(tensor, *data->add_pieces());
      size += tensor.sizeBytes();
    }
    data->set_size(size);
    return Status::ok();
  }

  /// The pieces of a part or a stack of constants that stay in their file, unless they lie together, behind those of `data`. \returns their bytes, or 0: it is to be placed as a tensor
  uint64_t placeInRows(ElementsAttr elements, plan::ConstantData &data) {
    constexpr size_t kFewPieces = 64;
    constexpr uint64_t kLeastBytes = 4096;  // a piece, where there are more: smaller ones are shorter in the plan
    const SmallVector<StridedBytes> pieces = piecesOf(elements);
    const bool isRun = pieces.size() == 1 && pieces[0].whole().data();
    auto isExternal = [&](const StridedBytes &piece) { return piece.rowBytes == 0 || externalOf(piece.first, (piece.rows - 1) * piece.stride + piece.rowBytes); };
    if (isRun || pieces.empty() || !llvm::all_of(pieces, isExternal)) return 0;
    uint64_t bytes = 0;
    for (const StridedBytes &piece : pieces) bytes += piece.size();
    if (pieces.size() > kFewPieces && bytes < pieces.size() * kLeastBytes) return 0;
    for (const StridedBytes &piece : pieces) {
      plan::ConstantPiece &to = *data.add_pieces();
      to.set_size(piece.size());
      to.set_zeros(piece.zeros);
      if (piece.rows > 1) to.set_rows(piece.rows), to.set_stride(piece.stride);
      if (piece.rowBytes) setExternal(piece.first, (piece.rows - 1) * piece.stride + piece.rowBytes, to);
    }
    return bytes;
  }
  /// The file that has the bytes; null: none does.
  const ExternalFile *externalOf(const std::byte *first, uint64_t size) const {
    auto at = llvm::find_if(external_, [&](const ExternalFile &file) { return first >= file.bytes.data() && first + size <= file.bytes.data() + file.bytes.size(); });
    return at == external_.end() ? nullptr : &*at;
  }
  /// \param to  a plan::ConstantData or a plan::ConstantPiece. \returns whether a file has the bytes
  template <typename Place> bool setExternal(const std::byte *first, uint64_t size, Place &to) const {
    const ExternalFile *file = externalOf(first, size);
    if (!file) return false;
    to.set_external_file(file->name);
    to.set_external_offset(uint64_t(first - file->bytes.data()));
    return true;
  }
  /// \param to  a plan::ConstantData or a plan::ConstantPiece, whose place is the tensor's in its file, or one in the plan
  template <typename Place> void place(const Tensor &tensor, Place &to) {
    to.set_size(tensor.sizeBytes());
    if (setExternal(static_cast<const std::byte *>(tensor.data()), uint64_t(tensor.sizeBytes()), to)) return;
    to.set_segment(0);
    to.set_offset(weightBytes_);
    weights_.push_back({weightBytes_, tensor});
    weightBytes_ = (weightBytes_ + tensor.sizeBytes() + 63) / 64 * 64;
  }

  void addSegments() {
    auto bytes = std::make_shared<std::vector<std::byte>>(std::max<uint64_t>(weightBytes_, 1));
    for (const auto &[offset, tensor] : weights_) memcpy(bytes->data() + offset, tensor.data(), tensor.sizeBytes());
    writer_.addSegment("weights", std::span<const std::byte>(*bytes), bytes);
  }

  // ---- steps --------------------------------------------------------------------------------------------------------------------
  plan::Step *addStep(mlir::Operation *op, uint32_t block, StringRef what) {
    plan::Step *step = plan_.mutable_blocks(block)->add_steps();
    std::string name = op->getNumResults() ? nameOf(op->getResult(0)) : "";
    step->set_name(uniqueStepName(name.empty() ? what.str() : name));
    return step;
  }
  std::string uniqueStepName(const std::string &wanted) {
    std::string name = wanted;
    for (int i = 1; !stepNames_.insert(name).second; ++i) name = wanted + "#" + std::to_string(i);
    return name;
  }
  void addResults(mlir::Operation *op, std::vector<uint32_t> &outputs) {
    for (OpResult r : op->getResults()) outputs.push_back(addValue(r, nameOf(r), plan::Value::ARENA));
  }
  void connect(plan::Step *step, ValueRange inputs, const std::vector<uint32_t> &outputs) {
    for (MlirValue v : inputs) step->add_inputs(indexOf(v));
    for (uint32_t o : outputs) step->add_outputs(o);
  }

  Status addSteps(mlir::Block &block, uint32_t index) {
    for (mlir::Operation &op : block.without_terminator()) JINX_TRY(addOp(&op, index));
    return Status::ok();
  }

  Status addOp(mlir::Operation *op, uint32_t block) {
    if (auto constant = dyn_cast<ConstantOp>(op)) return addConstant(constant);
    if (isStackedConstant(op)) return addStack(cast<ConcatOp>(op));
    if (isa<NoneOp>(op)) return Status::ok();
    if (auto reshape = dyn_cast<ReshapeOp>(op)) return addAlias(reshape);
    if (auto rows = dyn_cast<dist::RowsOp>(op)) return addRows(rows, block);
    if (auto join = dyn_cast<dist::JoinRowsOp>(op)) return addJoin(join, block);
    if (auto launch = dyn_cast<LaunchOp>(op)) return addLaunch(launch, block);
    if (isa<IfOp, LoopOp, ScanOp, SequenceMapOp>(op)) return addControl(op, block);
    if (auto wait = dyn_cast<dist::WaitOp>(op)) return addWait(wait, block);
    if (dist::isOnWire(op)) return addCollective(op, block);
    if (auto form = hostForm(op)) return addHostCall(op, *form, block);
    return unimplemented("operator " + op->getName().getStringRef().str() + " of node '" + (op->getNumResults() ? nameOf(op->getResult(0)) : "") +
                         "' has neither a kernel nor a host form");
  }

  Status addAlias(ReshapeOp op) {
    uint32_t source = indexOf(op.getX());
    uint32_t index = addValue(op.getY(), nameOf(op.getY()), plan::Value::ALIAS);
    plan_.mutable_values(index)->set_alias_of(source);
    return Status::ok();
  }

  /// A value that is rows of another one, from `from` on.
  uint32_t addRowsOf(MlirValue rows, const std::string &name, uint32_t all, const SizeExpr &from) {
    uint32_t index = addValue(rows, name, plan::Value::ALIAS);
    plan_.mutable_values(index)->set_alias_of(all);
    plan_.mutable_values(index)->set_alias_offset(useFormula((from * elementsOfRow(rows)).str()));
    return index;
  }
  static SizeExpr elementsOfRow(MlirValue rows) {
    Sizes sizes = sizesOf(rows.getType());
    return volume(ArrayRef(sizes).drop_front());
  }
  void addCopy(mlir::Operation *op, uint32_t block, uint32_t from, uint32_t to) {
    plan::Step *step = addStep(op, block, op->getName().stripDialect());
    if (std::string node = nameOf(op->getLoc()); !node.empty()) step->add_nodes(node);
    step->add_inputs(from);
    step->add_outputs(to);
    step->mutable_copy();
  }
  /// Kernels read 64 bytes at a time where a buffer begins at such a place, as all others do.
  Status addRows(dist::RowsOp op, uint32_t block) {
    constexpr int64_t kAligned = 64;
    const SizeExpr from = *SizeExpr::parse(op.getFrom().str());
    const int64_t width = std::max(8u, op.getY().getType().getElementTypeBitWidth()) / 8;
    const SizeExpr offset = from * elementsOfRow(op.getY()) * SizeExpr(width);
    const std::string name = nameOf(op.getY());
    const uint32_t rows = addRowsOf(op.getY(), name, indexOf(op.getX()), from);
    if (offset.isConstant(0) || offset.knownDivisor() % kAligned == 0) return Status::ok();
    addCopy(op, block, rows, addValue(op.getY(), name, plan::Value::ARENA));
    return Status::ok();
  }
  Status addJoin(dist::JoinRowsOp op, uint32_t block) {
    const uint32_t all = addValue(op.getY(), nameOf(op.getY()), plan::Value::ARENA);
    SizeExpr from = 0;
    for (MlirValue x : op.getXs()) {
      const uint32_t source = indexOf(x);
      addCopy(op, block, source, addRowsOf(x, nameOf(op.getY()) + ".rows", all, from));
      values_[x] = source;
      from = from + sizesOf(x.getType())[0];
    }
    return Status::ok();
  }

  Status addLaunch(LaunchOp op, uint32_t block) {
    std::vector<uint32_t> outputs;
    for (auto [i, result] : llvm::enumerate(op.getResults())) {
      const int64_t memory = op.getInPlace() ? (*op.getInPlace())[i] : -1;
      outputs.push_back(addValue(result, nameOf(result), memory < 0 ? plan::Value::ARENA : plan::Value::ALIAS));
      if (memory >= 0) plan_.mutable_values(outputs.back())->set_alias_of(indexOf(op.getInputs()[memory]));
    }
    plan::Step *step = addStep(op, block, op.getKernel());
    for (mlir::Attribute node : op.getNodes()) step->add_nodes(cast<StringAttr>(node).str());
    connect(step, op.getInputs(), outputs);
    plan::Launch *launch = step->mutable_launch();
    launch->set_kernel(kernels_.lookup(op.getKernel()));
    if (const auto sum = tile::sumOfRanks(module_.lookupSymbol<tile::KernelOp>(op.getKernelAttr()))) {
      MlirValue summed = op.getInputs()[sum->buffer];
      while (auto reshape = summed.getDefiningOp<ReshapeOp>()) summed = reshape.getX();
      const auto position = positions_.find(summed.getDefiningOp());
      if (position == positions_.end()) return internalError("kernel " + op.getKernel().str() + " adds up what no collective of the main program does");
      launch->set_sum_of(position->second);
    }
    for (mlir::Attribute size : op.getSizes()) launch->add_sizes(useFormula(cast<StringAttr>(size).str()));
    launch->set_programs(useFormula(op.getPrograms().str()));
    launch->set_scratch_bytes(useFormula(op.getScratch().str()));
    launch->set_work(useFormula(op.getWork().str()));
    if (auto problem = op->getAttrOfType<StringAttr>("jinx.problem")) launch->set_problem(problem.str());
    if (auto choice = op->getAttrOfType<StringAttr>("jinx.choice")) launch->set_choice(choice.str());
    if (op.getFlops()) step->set_flops(useFormula(op.getFlops()->str()));
    if (op.getBytes()) step->set_bytes(useFormula(op.getBytes()->str()));
    return Status::ok();
  }
  std::string useFormula(const std::string &text) {
    if (auto expr = SizeExpr::parse(text))
      for (const std::string &s : expr->symbols()) used_.insert(s);
    return text;
  }

  void setAttributes(const Attributes &attributes, google::protobuf::Map<std::string, plan::Attr> &out) {
    for (const auto &[name, value] : attributes.entries()) {
      plan::Attr &attr = out[name];
      if (auto *i = std::get_if<int64_t>(&value)) attr.set_i(*i);
      if (auto *f = std::get_if<double>(&value)) attr.set_f(*f);
      if (auto *s = std::get_if<std::string>(&value)) attr.set_s(*s);
      if (auto *v = std::get_if<std::vector<int64_t>>(&value)) attr.mutable_ints()->mutable_v()->Assign(v->begin(), v->end());
      if (auto *v = std::get_if<std::vector<double>>(&value)) attr.mutable_floats()->mutable_v()->Assign(v->begin(), v->end());
      if (auto *v = std::get_if<std::vector<std::string>>(&value)) {
        auto *strings = attr.mutable_strings();
        for (const std::string &s : *v) strings->add_v(s);
      }
      if (auto *t = std::get_if<Tensor>(&value)) attr.set_tensor(addTensorConstant(*t));
    }
  }
  uint32_t addTensorConstant(const Tensor &tensor) {
    uint32_t index = plan_.values_size();
    plan::Value *value = plan_.add_values();
    value->set_name(uniqueName("const.attribute"));
    value->set_where(plan::Value::CONSTANT);
    value->set_dtype(uint32_t(tensor.dtype()));
    for (int64_t d : tensor.shape()) value->add_dims(std::to_string(d));
    fill(tensor, *value->mutable_constant());
    return index;
  }

  Status addHostCall(mlir::Operation *op, const HostForm &form, uint32_t block) {
    std::vector<uint32_t> outputs;
    addResults(op, outputs);
    plan::Step *step = addStep(op, block, form.op);
    if (op->getNumResults()) step->add_nodes(nameOf(op->getResult(0)));
    connect(step, op->getOperands(), outputs);
    plan::HostCall *call = step->mutable_host();
    call->set_domain(form.domain);
    call->set_op(form.op);
    call->set_opset(form.opset);
    google::protobuf::Map<std::string, plan::Attr> attributes;
    setAttributes(form.attributes, attributes);
    *call->mutable_attributes() = std::move(attributes);
    return Status::ok();
  }

  Status addCollective(mlir::Operation *op, uint32_t block) {
    const std::string what = op->getName().stripDialect().str(), node = nameOf(op->getLoc());
    if (block != 0 || !mesh_) return unimplemented("dist." + what + " of node '" + node + "' is in a body of control flow, expected the main program of a rank");
    std::vector<uint32_t> outputs;
    if (isa<dist::SendOp>(op) && op->getNumResults())
      values_[op->getResult(0)] = indexOf(op->getOperand(0));  // what was sent
    else
      addResults(op, outputs);
    plan::Step *step = addStep(op, block, what);
    if (!node.empty()) step->add_nodes(node);
    connect(step, op->getOperands(), outputs);
    JINX_TRY(setCollective(op, mesh_, *step->mutable_collective()), "node '" + node + "'");
    step->set_bytes(useFormula(bytesOf(op).str()));
    positions_[op] = uint32_t(plan_.blocks(int(block)).steps_size() - 1);
    if (op->getNumResults() && isa<dist::PendingType>(op->getResult(0).getType())) step->mutable_collective()->set_starts(true);
    return Status::ok();
  }
  /// Of operands and results, in memory.
  static SizeExpr bytesOf(mlir::Operation *op) {
    SizeExpr bytes = 0;
    auto add = [&](mlir::Type type) {
      type = dist::startedType(type);
      bytes = bytes + volume(sizesOf(type)) * SizeExpr(int64_t(std::max(8u, cast<RankedTensorType>(type).getElementTypeBitWidth()) / 8));
    };
    llvm::for_each(op->getOperandTypes(), add);
    llvm::for_each(op->getResultTypes(), add);
    return bytes;
  }
  /// The value is there from the start on; from the wait on it may be read.
  Status addWait(dist::WaitOp op, uint32_t block) {
    mlir::Operation *start = op.getPending().getDefiningOp();
    auto position = positions_.find(start);
    if (block != 0 || position == positions_.end()) return unimplemented("a dist.wait does not wait for a collective of the main program");
    plan::Block *steps = plan_.mutable_blocks(int(block));
    plan::Step *step = steps->add_steps();
    const plan::Step &started = steps->steps(int(position->second));
    step->set_name(uniqueStepName("wait for " + started.name()));
    *step->mutable_nodes() = started.nodes();
    values_[op.getY()] = indexOf(op.getPending());
    std::vector<uint32_t> outputs;
    if (!isa<dist::SendOp>(start)) outputs.push_back(indexOf(op.getPending()));
    connect(step, start->getOperands(), outputs);
    step->mutable_wait()->set_start(position->second);
    return Status::ok();
  }

  Status addControl(mlir::Operation *op, uint32_t block) {
    std::vector<uint32_t> outputs, blocks;
    for (Region &region : op->getRegions()) {
      uint32_t index = plan_.blocks_size();
      plan_.add_blocks();
      blocks.push_back(index);
      mlir::Block &body = region.front();
      for (BlockArgument arg : body.getArguments()) {
        uint32_t param = addValue(arg, nameOf(arg), plan::Value::ARENA);  // HOST where it can be nothing else
        plan_.mutable_blocks(index)->add_params(param);
      }
      JINX_TRY(addSteps(body, index));
      for (MlirValue v : body.getTerminator()->getOperands()) plan_.mutable_blocks(index)->add_results(indexOf(v));
    }
    addResults(op, outputs);
    plan::Step *step = addStep(op, block, op->getName().stripDialect());
    if (op->getNumResults()) step->add_nodes(nameOf(op->getResult(0)));
    connect(step, op->getOperands(), outputs);
    plan::Control *control = step->mutable_control();
    control->set_kind(isa<IfOp>(op) ? plan::Control::IF : isa<LoopOp>(op) ? plan::Control::LOOP : isa<ScanOp>(op) ? plan::Control::SCAN : plan::Control::SEQUENCE_MAP);
    for (uint32_t b : blocks) control->add_blocks(b);
    if (auto scan = dyn_cast<ScanOp>(op)) {
      google::protobuf::Map<std::string, plan::Attr> attributes;
      setAttributes(passes::attributesOf(scan.getAttrs()), attributes);
      control->set_opset(scan.getOpset());
      *control->mutable_attributes() = std::move(attributes);
    }
    return Status::ok();
  }

  // ---- what this is a part of -----------------------------------------------------------------------------------------------------
  Status addWhole(mlir::Attribute wholeType, uint32_t index) {
    plan::Whole *whole = plan_.mutable_values(int(index))->mutable_whole();
    JINX_TRY(setWhole(wholeType, mesh_, *whole));
    for (const plan::WholeDim &dim : whole->dims()) useFormula(dim.size());
    return Status::ok();
  }
  /// A size of which every input has a part only: ceildiv(n, 4) does not tell n. An input without elements does.
  void addSizeInputs() {
    std::set<std::string> bound, asked;
    for (uint32_t i : plan_.inputs()) {
      for (const std::string &dim : plan_.values(int(i)).dims()) bound.insert(dim);
      for (const plan::WholeDim &dim : plan_.values(int(i)).whole().dims())
        if (auto size = SizeExpr::parse(dim.size()))
          for (const std::string &symbol : size->symbols()) asked.insert(symbol);
    }
    for (const std::string &symbol : asked) {
      if (bound.count(symbol)) continue;
      plan_.add_inputs(uint32_t(plan_.values_size()));
      plan::Value *value = plan_.add_values();
      value->set_name(uniqueName("size." + symbol));
      value->set_dtype(uint32_t(DType::kU8));
      value->set_where(plan::Value::INPUT);
      value->add_dims(symbol);
      value->add_dims("0");
      value->set_only_size(true);
    }
  }

  // ---- outputs ------------------------------------------------------------------------------------------------------------------
  /// The value whose memory launches handed on, in place, until it was `v`'s: as long as nobody else has it, it may be the output.
  static MlirValue firstInPlace(MlirValue v) {
    while (auto launch = v.getDefiningOp<LaunchOp>()) {
      const int64_t memory = launch.getInPlace() ? (*launch.getInPlace())[cast<OpResult>(v).getResultNumber()] : -1;
      if (memory < 0) break;
      v = launch.getInputs()[memory];
    }
    return v;
  }
  Status addOutputs(func::FuncOp main) {
    for (auto [i, v] : llvm::enumerate(main.getBody().front().getTerminator()->getOperands())) {
      auto attr = main.getResultAttrOfType<StringAttr>(i, "jinx.name");
      std::string name = attr ? attr.str() : "out" + std::to_string(i);
      uint32_t index = indexOf(v);
      if (index == kNoValue) return invalidArgument("output '" + name + "' is omitted");
      if (const MlirValue first = firstInPlace(v); first != v && first.getType() == v.getType() && plan_.values(indexOf(first)).where() == plan::Value::ARENA) index = indexOf(first);
      plan::Value *value = plan_.mutable_values(index);
      bool direct = value->where() == plan::Value::ARENA || (value->where() == plan::Value::HOST && !isa<BlockArgument>(v));
      if (direct && !outputs_.count(index)) {
        if (value->where() == plan::Value::ARENA) value->set_where(plan::Value::OUTPUT);
      } else {
        uint32_t copy = plan_.values_size();
        plan::Value *out = plan_.add_values();
        *out = plan_.values(index);
        out->clear_constant();
        out->clear_whole();
        out->set_alias_of(0);
        out->set_name(uniqueName(name + ".copy"));
        bool host = out->unranked() || DType(out->dtype()) == DType::kString || out->kind() != plan::Value::TENSOR;
        out->set_where(host ? plan::Value::HOST : plan::Value::OUTPUT);
        plan::Step *step = plan_.mutable_blocks(0)->add_steps();
        step->set_name(uniqueStepName("output " + name));
        step->add_inputs(index);
        step->add_outputs(copy);
        step->mutable_copy();
        index = copy;
      }
      outputs_.insert(index);
      // The output's own name is what the caller asks for; a value of that name elsewhere gives way.
      renameTo(index, name);
      plan_.add_outputs(index);
      if (auto whole = main.getResultAttr(i, dist::kWholeType)) JINX_TRY(addWhole(whole, index), "output '" + name + "'");
    }
    return Status::ok();
  }
  void renameTo(uint32_t index, const std::string &name) {
    if (plan_.values(index).name() == name) return;
    for (int i = 0; i < plan_.values_size(); ++i)
      if (plan_.values(i).name() == name && plan_.values(i).where() != plan::Value::INPUT) {
        std::string other = uniqueName(name + ".inner");
        plan_.mutable_values(i)->set_name(other);
      }
    bool taken = llvm::any_of(plan_.inputs(), [&](uint32_t i) { return plan_.values(i).name() == name; });
    plan_.mutable_values(index)->set_name(taken ? uniqueName(name + ".out") : name);
    names_.insert(name);
  }

  /// Symbols that types use and nobody declared (native IR without jinx.symbols).
  void declareMissingSymbols() {
    std::set<std::string> bound;
    for (uint32_t i : plan_.inputs())
      for (const std::string &d : plan_.values(i).dims()) bound.insert(d);
    for (const std::string &name : used_) {
      if (known_.count(name)) continue;
      plan::Symbol *s = plan_.add_symbols();
      s->set_name(name);
      s->set_defined_by_step(!bound.count(name));
    }
  }

  ModuleOp module_;
  dist::MeshOp mesh_;  ///< of a rank's program
  llvm::DenseMap<mlir::Operation *, uint32_t> positions_;  ///< of collectives among the steps
  PlanWriter &writer_;
  plan::Plan &plan_;
  std::span<const ExternalFile> external_;
  llvm::DenseMap<MlirValue, uint32_t> values_;
  llvm::DenseMap<mlir::Attribute, uint32_t> constants_;
  llvm::StringMap<uint32_t> kernels_;
  std::set<std::string> names_, stepNames_, known_, used_;
  std::set<uint32_t> outputs_;
  std::vector<std::pair<uint64_t, Tensor>> weights_;
  uint64_t weightBytes_ = 0;
};

}  // namespace

Status buildPlan(ModuleOp module, PlanWriter &writer, std::span<const ExternalFile> external) { return PlanBuilder(module, writer, external).run(); }

}  // namespace jinx
