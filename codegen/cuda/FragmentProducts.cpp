// Products whose operands lie in different rings or in registers (tile.mma_shared, mma_operand, mma_registers). A whole product is one
// wrapper with one asm statement: a statement for each 16 elements of k costs NVRTC much more time where several products are in flight.
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
      !types.areMultiplied() || types.ofBytes() || a.columns % types.k() || !type.getElementType().isF32())
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
  Bound bound;
  bound.kind = Bound::kArray;
  bound.expr = {d};
  e_.bound_[op.getResult()] = bound;
  return success();
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
  if (op.getLag()) out.open("if (" + named(ring, "held") + " >= 0)");
  out.line("const u64 " + desc + " = wgmma_descriptor_panels(" + slotAddress(ring, b, op.getLag()) + ", " + (b.panels() > 1 ? "kPanelBytes" : "kStageBytes") + b.suffix +
           ring.suffix + ");");
  out.line("wgmma_fence();");
  out.line(wrapper + "(" + *acc + ", " + e_.bound_[op.getA()].expr.text + ", " + desc + ");");
  out.line("wgmma_commit();");
  if (op.getLag()) {
    out.reopen("else");
    out.line("wgmma_commit();  // a group all the same: waits count them");
    out.close();
  }
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
