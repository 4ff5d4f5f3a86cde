// What a handler sees: one ONNX node with its operands as values, its attributes, and a builder.
//
//   bool leakyRelu(Node &n) {
//     Value x = n.in(0);
//     return n.give(n.select(n.compare(lt, x, 0.0), n.mul(x, n.attrFloat("alpha", 0.01)), x));
//   }
//
// A handler returns false to decline, with a reason; what it has built is then erased, and the node runs on the host.
#pragma once

#include "frontends/onnx/GraphBuilder.h"
#include "frontends/onnx/OnnxModel.h"

namespace jinx::frontends {

class Importer;
struct Scope;

class Node : public GraphBuilder {
public:
  Node(Importer &importer, Scope &scope, const onnx::NodeProto &proto, int64_t opset, llvm::ArrayRef<Value> operands,
       mlir::OpBuilder &builder, ConstantPool &pool, SizeFacts &facts, mlir::Location loc)
      : GraphBuilder(builder, pool, facts, loc), importer(importer), scope(scope), proto(proto), opset(opset), operands(operands),
        results(proto.output_size()), expected(proto.output_size()) {}

  Importer &importer;
  Scope &scope;
  const onnx::NodeProto &proto;
  const int64_t opset; ///< of the node's domain
  llvm::ArrayRef<Value> operands;

  // ---- operands -------------------------------------------------------------------------------------------------------------
  size_t numInputs() const { return operands.size(); }
  bool has(size_t i) const { return i < operands.size() && operands[i]; }
  Value in(size_t i) const { return has(i) ? operands[i] : Value(); }
  /// Operand `i` as formulas, or as numbers; nullopt when it is omitted or not known.
  std::optional<llvm::SmallVector<SizeExpr>> formulas(size_t i) const { return graph::inferIntegerValues(in(i)); }
  std::optional<llvm::SmallVector<int64_t>> numbers(size_t i) const { return graph::inferConstantIntegers(in(i)); }

  // ---- attributes -----------------------------------------------------------------------------------------------------------
  bool hasAttr(std::string_view name) const { return find(name) != nullptr; }
  int64_t attrInt(std::string_view name, int64_t fallback) const;
  double attrFloat(std::string_view name, double fallback) const;
  std::string attrString(std::string_view name, std::string fallback) const;
  std::optional<llvm::SmallVector<int64_t>> attrInts(std::string_view name) const;
  std::optional<llvm::SmallVector<std::string>> attrStrings(std::string_view name) const;
  const onnx::GraphProto *attrGraph(std::string_view name) const;
  const onnx::AttributeProto *find(std::string_view name) const;

  /// Integers that are an attribute in old opsets and operand `input` in new ones. An omitted operand and an absent attribute give
  /// nullopt with `*known` true; an operand whose value is not known gives nullopt with `*known` false.
  std::optional<llvm::SmallVector<int64_t>> attrOrInput(std::string_view name, size_t input, bool *known) const;
  /// `axis` counted from the end when negative; nullopt when out of 0..rank-1.
  static std::optional<int64_t> axisOf(int64_t axis, int64_t rank);
  /// All axes normalised and sorted, each once.
  static std::optional<llvm::SmallVector<int64_t>> axesOf(llvm::ArrayRef<int64_t> axes, int64_t rank);

  // ---- results --------------------------------------------------------------------------------------------------------------
  size_t numOutputs() const { return results.size(); }
  bool wants(size_t i) const { return i < results.size() && !proto.output(int(i)).empty(); }
  /// Result 0. False (declines) when it is null.
  bool give(Value value) { return set(0, value); }
  bool set(size_t i, Value value);
  bool decline(std::string reason);
  /// For a node that is going to run on the host: what is known of result `i`'s shape. Unset sizes are found by the step.
  using PartialSizes = llvm::SmallVector<std::optional<SizeExpr>>;
  void expect(size_t i, PartialSizes sizes, mlir::Type element);
  void expectRank(size_t i, int64_t rank, mlir::Type element) { expect(i, PartialSizes(rank), element); }

  llvm::SmallVector<Value> results;
  struct Expectation {
    mlir::Type element;
    std::optional<PartialSizes> sizes;
  };
  llvm::SmallVector<Expectation> expected;
};

/// Builds `n.results`, or declines.
using Handler = bool (*)(Node &n);

} // namespace jinx::frontends
