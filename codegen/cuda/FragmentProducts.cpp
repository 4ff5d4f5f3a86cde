// Products whose operands lie in different rings or in registers (tile.mma_shared, mma_operand, mma_registers, mma_high_low). A whole product is
// one wrapper with one asm statement: a statement for each 16 elements of k costs NVRTC much more time where several products are in flight.
#include "codegen/cuda/DeviceLibrary.h"
#include "codegen/cuda/PipelineEmitter.h"

using namespace mlir;

namespace jinx::cuda {

namespace {

std::string str(int64_t v) { return std::to_string(v); }

constexpr int64_t kStep = 16;           // halves of k in one instruction
constexpr int64_t kStepBytes = 32;
constexpr int64_t kStepsPerPanel = 4;   // in a panel of 128 bytes
constexpr int64_t kUnit = 16;           // bytes that descriptors count in
constexpr int64_t kRowBytes = 128;

/// d[64 x n] = or += a[64 x k] * b.
struct Product {
  int64_t n, k;
  WgmmaTypes types;
  bool registers;                      ///< a in registers, b stored [k, n]; else a in shared memory and b stored [n, k]
  int64_t panelA = 0, panelB = 0;      ///< bytes from one panel of 128 bytes a row to the next

  int64_t steps() const { return k / types.k(); }
  std::string name() const { return "wgmma_m64n" + str(n) + "k" + str(k) + "_" + types.name() + (registers ? "_registers" : ""); }
  std::string arguments() const {
    std::string a = registers ? "const u32 (&a)[" + str(k / 4) + "], " : "u64 desc_a, ";
    return "float (&d)[" + str(n / 2) + "], " + a + "u64 desc_b JINX_AT";
  }
  std::string comment() const {
    std::string size = "a[64 x " + str(k) + "] * ";
    std::string b = registers ? "b[" + str(k) + " x " + str(n) + "], a in registers" : "b[" + str(n) + " x " + str(k) + "]^T";
    return "/// d[64 x " + str(n) + (registers ? "] += " : "] = ") + size + b + "; the four warps of a warpgroup together.\n";
  }
  /// How far step `i` lies behind the operand's beginning, in units of descriptors.
  int64_t offset(int64_t i, int64_t panelBytes) const {
    return i / kStepsPerPanel * (panelBytes / kUnit) + i % kStepsPerPanel * (kStepBytes / kUnit);
  }
  static constexpr int64_t kRowsOffset = kStep * 128 / kUnit;  // b stored by rows of k: 16 rows
  std::string emulated() const;
  std::string device() const;
};

std::string Product::emulated() const {
  std::string head = "  for (int i = 0; i < " + str(steps()) + "; ++i) ", all = types.emulated(), common = "d, " + str(n) + ", ";
  if (registers) return head + "emu->wgmma_registers(" + common + all.substr(0, all.find(',')) + ", a + 4 * i, desc_b + " + str(kRowsOffset) + " * i, 1, line);\n";
  auto at = [&](const char *desc, int64_t panel) {
    return std::string(desc) + " + i / 4 * " + str(panel / kUnit) + " + i % 4 * 2";
  };
  return head + "emu->wgmma(" + common + all + ", " + at("desc_a", panelA) + ", " + at("desc_b", panelB) + ", i > 0, line);\n";
}

/// `count` times "prefix…suffix" with the numbers from `first` on, 16 a line.
std::string listed(int64_t count, const std::string &indent, const std::string &open, const std::string &close, const auto &item) {
  std::string text;
  for (int64_t i = 0; i < count; i += 16) {
    text += (i ? indent : "") + open;
    for (int64_t j = i; j < std::min(i + 16, count); ++j) text += (j > i ? ", " : "") + item(j);
    text += (i + 16 < count ? ", " : "") + close + (i + 16 < count ? "\n" : "");
  }
  return text;
}

std::string Product::device() const {
  int64_t count = n / 2, pairs = registers ? k / 4 : 0;
  auto operand = [](int64_t i) { return "%" + str(i); };
  std::string d = "\"{" + listed(count, "      ", "", "", operand) + "}\"", text;
  std::string descA = operand(count), descB = operand(count + (registers ? pairs : 1));
  text += "  asm volatile(\"{\\n .reg .b64 a, b;\\n\"\n";
  const char *stored = registers ? "1, 1, 1, 1" : types.bytes() == 2 ? "1, 1, 0, 0" : "1, 1";
  for (int64_t i = 0; i < steps(); ++i) {
    std::string a = "a";
    if (registers) {
      a = "{";
      for (int64_t r = 0; r < 4; ++r) a += (r ? ", " : "") + operand(count + 4 * i + r);
      a += "}";
    } else {
      text += "      \" add.s64 a, " + descA + ", " + str(offset(i, panelA)) + ";\\n\"\n";
    }
    text += "      \" add.s64 b, " + descB + ", " + str(registers ? i * kRowsOffset : offset(i, panelB)) + ";\\n\"\n";
    text += "      \" wgmma.mma_async.sync.aligned.m64n" + str(n) + types.instruction() + " \" JINX_D" + str(count) + " \", " + a + ", b, " +
            (registers ? "" : i ? "1, " : "0, ") + stored + ";\\n\"\n";
  }
  auto out = [&](int64_t i) { return std::string(registers ? "\"+f\"(d[" : "\"=f\"(d[") + str(i) + "])"; };
  auto in = [](int64_t i) { return "\"r\"(a[" + str(i) + "])"; };
  text += "      \"}\"\n      : " + listed(count, "        ", "", "", out) + "\n      : ";
  text += (registers ? listed(pairs, "        ", "", "", in) + ", " : "\"l\"(desc_a), ") + "\"l\"(desc_b));\n";
  return text;
}

std::string accumulatorList(int64_t count) {
  auto operand = [](int64_t i) { return "%" + str(i); };
  std::string items;
  for (int64_t i = 0; i < count; ++i) items += (i ? ", " : "") + operand(i);
  return "#define JINX_D" + str(count) + " \"{" + items + "}\"\n";
}

}  // namespace

/// Prints the wrapper where it is new; its name.
static std::string need(const Product &product, std::string &wrappers) {
  std::string list = accumulatorList(product.n / 2);
  std::string text = product.comment() + "JINX_DEVICE void " + product.name() + "(" + product.arguments() + ") {\n#ifdef JINX_EMULATED\n" +
                     product.emulated() + "#else\n" + product.device() + "#endif\n}\n";
  if (wrappers.find(list) == std::string::npos) wrappers += list;
  if (wrappers.find(text) == std::string::npos) wrappers += text;
  return product.name();
}

/// The pin of a whole fragment, as one statement.
void PipelineEmitter::needPin(int64_t count) {
  auto operand = [](int64_t i) { return "\"+f\"(d[" + str(i) + "])"; };
  std::string text = "JINX_DEVICE void wgmma_pin(float (&d)[" + str(count) + "] JINX_AT) {\n#ifdef JINX_EMULATED\n" +
                     "  for (int i = 0; i < " + str(count) + "; ++i) emu->wgmma_pin(d + i, line);\n#else\n  asm volatile(\"\"\n      : " +
                     listed(count, "        ", "", "", operand) + " :: \"memory\");\n#endif\n}\n";
  if (e_.wrappers_.find(text) == std::string::npos) e_.wrappers_ += text;
}

std::string PipelineEmitter::slotAddress(const RingInfo &ring, const Buffer &b, int64_t lag, llvm::StringRef from) {
  std::string suffix = b.suffix + ring.suffix, slot = lag ? named(ring, "held") : named(ring, "take") + ".slot";
  return (from + " + kOffset").str() + suffix + " + " + slot + " * kStageBytes" + suffix;
}

LogicalResult PipelineEmitter::emitMmaShared(tile::MmaSharedOp op) {
  RingInfo &ringA = ringOf(op.getASlot()), &ringB = ringOf(op.getBSlot());
  const Buffer &a = ringA.buffers[op.getA()], &b = ringB.buffers[op.getB()];
  auto type = cast<VectorType>(op.getResult().getType());
  WgmmaTypes types{tensorCoreType(elementOf(ringA, op.getA())), tensorCoreType(elementOf(ringB, op.getB()))};
  if (!ringA.bulk || !ringB.bulk || type.getShape() != ArrayRef<int64_t>{64, b.rows} || b.rows % 8 || b.rows > 256 || a.columns != b.columns ||
      !types.areMultiplied() || types.ofBytes() || types.bytes() > 2 || a.columns % types.k() || !type.getElementType().isF32())
    return op.emitOpError("expects buffers m x k and n x k of 16-bit or 8-bit floats in bulk rings, k a multiple of 32 bytes and n of 8 up to 256, and a "
                          "result of 64 x n");
  SourceWriter &out = e_.out_;
  TileLayout layout = e_.layoutOf(Shape(type.getShape()));
  std::string wrapper = need({type.getDimSize(1), a.columns, types, false, a.panelBytes(), b.panelBytes()}, e_.wrappers_);
  std::string d = out.unique(e_.hint(op.getResult())), descA = out.unique("desc_" + a.name), descB = out.unique("desc_" + b.name);
  out.line("float " + layout.declare(d) + ";");
  out.line("const u64 " + descA + " = wgmma_descriptor_128b(" + slotAddress(ringA, a) + " + u32(" + e_.scalar(op.getRow()).text + ") * 128);");
  out.line("const u64 " + descB + " = wgmma_descriptor_128b(" + slotAddress(ringB, b) + ");");
  out.line("wgmma_fence();");
  out.line(wrapper + "(" + d + ", " + descA + ", " + descB + ");");
  out.line("wgmma_commit();");
  e_.bindArray(op.getResult(), d);
  return success();
}

/// Whether the ring is known to keep a slot here: the last release before `op`, in its block or one around it, was of lag 1.
static bool keepsSlot(Operation *op, Value ring) {
  for (Operation *at = op; at && !isa<tile::RolesOp>(at); at = at->getParentOp())
    for (Operation *before = at->getPrevNode(); before; before = before->getPrevNode())
      if (auto release = dyn_cast<tile::RingReleaseOp>(before); release && release.getRing() == ring) return release.getLag() > 0;
  return false;
}

LogicalResult PipelineEmitter::emitMmaRegisters(tile::MmaRegistersOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &b = ring.buffers[op.getB()];
  auto type = cast<VectorType>(op.getAcc().getType()), typeA = cast<VectorType>(op.getA().getType());
  if (!ring.bulk || type.getShape() != ArrayRef<int64_t>{64, b.columns} || b.columns % 8 || b.columns > 256 || typeA.getDimSize(1) != b.rows ||
      b.rows % kStep || elementOf(ring, op.getB()) != typeA.getElementType() || !type.getElementType().isF32())
    return op.emitOpError("expects a buffer k x n in a bulk ring, of the type of a, k a multiple of 16 and n of 8 up to 256, a of 64 x k and "
                          "acc of 64 x n");
  if (op.getLag() && !ring.lagging) return op.emitOpError("reads a slot that its ring has given back: expected a release of lag 1");
  auto acc = takeAccumulator(op.getAcc(), op.getResult());
  if (failed(acc)) return failure();
  if (e_.bound_[op.getA()].kind != Bound::kOperand) return op.emitOpError("takes its a from tile.mma_operand");
  SourceWriter &out = e_.out_;
  const std::string element = tensorCoreType(typeA.getElementType());
  std::string wrapper = need({b.columns, b.rows, {element, element}, true}, e_.wrappers_), desc = out.unique("desc_" + b.name);
  const bool isKept = !op.getLag() || keepsSlot(op, ring.op.getRing());
  if (!isKept) out.open("if (" + named(ring, "held") + " >= 0)");
  out.line("const u64 " + desc + " = wgmma_descriptor_panels(" + slotAddress(ring, b, op.getLag()) + ", " + (b.panels() > 1 ? "kPanelBytes" : "kStageBytes") + b.suffix +
           ring.suffix + ");");
  out.line("wgmma_fence();");
  out.line(wrapper + "(" + *acc + ", " + e_.bound_[op.getA()].expr.text + ", " + desc + ");");
  out.line("wgmma_commit();");
  if (!isKept) {
    out.reopen("else");
    out.line("wgmma_commit();  // a group all the same: waits count them");
    out.close();
  }
  return success();
}

// ---- f32 by three products of TF32 ------------------------------------------------------------------------------------------------

namespace {

/// d[64 x n] = (a1 + a2) * (b1 + b2)^T without a2*b2, small ones first. A slot of k: 32 elements, four products.
std::string highLowWrapper(int64_t n, const std::string &name) {
  constexpr int64_t kProducts = 4, kRegisters = 16;
  int64_t count = n / 2;
  auto operand = [](int64_t i) { return "%" + str(i); };
  std::string text = "/// d[64 x " + str(n) + "] = a[64 x 32] * b[" + str(n) + " x 32]^T, of f32 in high and low parts; the four warps of a warpgroup together.\n";
  text += "JINX_DEVICE void " + name + "(float (&d)[" + str(count) + "], const u32 (&high)[16], const u32 (&low)[16], u64 desc_high, u64 desc_low JINX_AT) {\n";
  text += "#ifdef JINX_EMULATED\n";
  for (auto [a, b, adds] : {std::array<const char *, 3>{"low", "desc_high", "i > 0"}, {"high", "desc_low", "1"}, {"high", "desc_high", "1"}})
    text += "  for (int i = 0; i < 4; ++i) emu->wgmma_registers(d, " + str(n) + ", JINX_EMU_TF32, " + a + " + 4 * i, " + b + " + 2 * i, " + adds + ", line);\n";
  text += "#else\n  asm volatile(\"{\\n .reg .b64 b;\\n\"\n";
  const int64_t high = count, low = high + kRegisters, descHigh = low + kRegisters, descLow = descHigh + 1;
  bool first = true;
  for (auto [a, b] : {std::array<int64_t, 2>{low, descHigh}, {high, descLow}, {high, descHigh}})
    for (int64_t i = 0; i < kProducts; ++i) {
      std::string registers;
      for (int64_t r = 0; r < 4; ++r) registers += (r ? ", " : "") + operand(a + 4 * i + r);
      text += "      \" add.s64 b, " + operand(b) + ", " + str(2 * i) + ";\\n\"\n";
      text += "      \" wgmma.mma_async.sync.aligned.m64n" + str(n) + "k8.f32.tf32.tf32 \" JINX_D" + str(count) + " \", {" + registers + "}, b, " + (first ? "0" : "1") + ", 1, 1;\\n\"\n";
      first = false;
    }
  auto out = [](int64_t i) { return "\"=f\"(d[" + str(i) + "])"; };
  auto ofHigh = [](int64_t i) { return "\"r\"(high[" + str(i) + "])"; };
  auto ofLow = [](int64_t i) { return "\"r\"(low[" + str(i) + "])"; };
  text += "      \"}\"\n      : " + listed(count, "        ", "", "", out) + "\n      : " + listed(kRegisters, "", "", "", ofHigh) + ",\n        " + listed(kRegisters, "", "", "", ofLow);
  return text + ",\n        \"l\"(desc_high), \"l\"(desc_low));\n#endif\n}\n";
}

}  // namespace

LogicalResult PipelineEmitter::emitMmaHighLow(tile::MmaHighLowOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &a = ring.buffers[op.getA()], &b = ring.buffers[op.getB()], &low = ring.buffers[op.getLow()];
  auto type = cast<VectorType>(op.getResult().getType());
  if (!ring.bulk || !low.isMade || type.getShape() != ArrayRef<int64_t>{64, b.rows} || b.rows % 8 || b.rows > 256 || low.rows != b.rows ||
      a.columns * a.elementBytes != kRowBytes || !elementOf(ring, op.getA()).isF32() || !elementOf(ring, op.getB()).isF32() || !type.getElementType().isF32())
    return op.emitOpError("expects buffers m x 32 and n x 32 of f32 in a bulk ring, low parts of the second one that a splitter makes, n a multiple of 8 up "
                          "to 256, and a result of 64 x n");
  SourceWriter &out = e_.out_;
  TileLayout layout = e_.layoutOf(Shape(type.getShape()));
  const std::string wrapper = "wgmma_m64n" + str(b.rows) + "k32_tf32x3", list = accumulatorList(b.rows / 2), text = highLowWrapper(b.rows, wrapper);
  for (const std::string &part : {list, text})
    if (e_.wrappers_.find(part) == std::string::npos) e_.wrappers_ += part;
  std::string high = out.unique(a.name + "_high"), rest = out.unique(a.name + "_low"), d = out.unique(e_.hint(op.getResult()));
  std::string descHigh = out.unique("desc_" + b.name), descLow = out.unique("desc_" + low.name);
  out.line("u32 " + high + "[16], " + rest + "[16];");
  out.line("tf32_operand(" + high + ", " + rest + ", " + slotAddress(ring, a) + " + u32(" + e_.scalar(op.getRow()).text + ") * 128, thread);");
  out.line("const u64 " + descHigh + " = wgmma_descriptor_128b(" + slotAddress(ring, b) + ");");
  out.line("const u64 " + descLow + " = wgmma_descriptor_128b(" + slotAddress(ring, low) + ");");
  out.line("float " + layout.declare(d) + ";");
  out.line("wgmma_fence();");
  out.line(wrapper + "(" + d + ", " + high + ", " + rest + ", " + descHigh + ", " + descLow + ");");
  out.line("wgmma_commit();");
  e_.bindArray(op.getResult(), d);
  return success();
}

// The low parts lie as the swizzle has what they are of.
LogicalResult PipelineEmitter::emitSplitLow(tile::SplitLowOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  if (!isSplitter(op)) return op.emitOpError("is for the splitter of tile.roles");
  SourceWriter &out = e_.out_;
  std::string take = named(ring, "take");
  out.line("tf32_split(" + slotAddress(ring, ring.buffers[op.getFrom()]) + ", " + slotAddress(ring, ring.buffers[op.getTo()]) + ", " +
           str(ring.buffers[op.getFrom()].rows) + ", thread);");
  out.line("fence_proxy_async();");
  out.line("warp_sync();");
  out.line("if (thread % 32 == 0) mbar_arrive(" + named(ring, "lows") + " + " + take + ".slot * 8);");
  out.line("ring_advance(" + take + ", " + named(ring, "kStages") + ");");
  return success();
}

// The fragment that a product leaves, rounded, is the fragment that the next one takes: pairs of neighbours side by side.
LogicalResult PipelineEmitter::emitMmaOperand(tile::MmaOperandOp op) {
  auto type = cast<VectorType>(op.getOperand().getType());
  SourceWriter &out = e_.out_;
  auto from = e_.arrayOf(op.getTile(), e_.hint(op.getTile()));
  if (failed(from)) return failure();
  std::string name = out.unique(e_.hint(op.getOperand())), pairs = e_.layoutOf(Shape(type.getShape())).extents[0] + " / 2";
  out.line("u32 " + name + "[" + pairs + "];");
  out.directive("#pragma unroll");
  out.open("for (int i = 0; i < " + pairs + "; ++i)");
  out.line(name + "[i] = " + (type.getElementType().isBF16() ? "pack_bf16x2" : "pack_f16x2") + "(" + *from + "[2 * i], " + *from + "[2 * i + 1]);");
  out.close();
  Bound bound;
  bound.kind = Bound::kOperand;
  bound.expr = {name};
  e_.bound_[op.getOperand()] = bound;
  return success();
}

LogicalResult PipelineEmitter::moveOperand(Value operand, const std::string &to) {
  auto it = e_.bound_.find(operand);
  if (it == e_.bound_.end() || it->second.kind != Bound::kOperand)
    return emitError(operand.getLoc()) << "what a loop carries as an operand of products comes from tile.mma_operand";
  if (it->second.expr.text == to) return success();
  SourceWriter &out = e_.out_;
  out.directive("#pragma unroll");
  out.open("for (int i = 0; i < " + e_.layoutOf(KernelEmitter::shapeOf(operand.getType())).extents[0] + " / 2; ++i)");
  out.line(to + "[i] = " + it->second.expr.text + "[i];");
  out.close();
  return success();
}

}  // namespace jinx::cuda
