// The recursion over graphs, functions and nodes. OnnxImporter.cpp tells the whole story; this is its engine.
#pragma once

#include "frontends/onnx/Handlers.h"
#include "frontends/onnx/OnnxAttributes.h"
#include "frontends/onnx/OnnxConstants.h"
#include "frontends/onnx/OnnxInference.h"
#include "runtime/hostops/HostOp.h"

namespace jinx::frontends {

/// Names visible at one place of the model. A function body's scope has no outer one.
struct Scope {
  Scope *outer = nullptr;
  const Opsets *opsets = nullptr;
  std::string prefix; ///< of node names: "caller/"
  int depth = 0;      ///< of function calls
  std::unordered_map<std::string, Value> values;
  std::unordered_map<std::string, const onnx::TensorProto *> initializers; ///< made constants when first asked for
  std::unordered_map<std::string, const onnx::SparseTensorProto *> sparseInitializers;
  std::unordered_map<std::string, const onnx::TypeProto *> declared; ///< value_info

  static Scope inside(Scope &outer) { return Scope{&outer, outer.opsets, outer.prefix, outer.depth, {}, {}, {}, {}}; }
};

class Importer {
public:
  Importer(mlir::MLIRContext *context, const onnx::ModelProto &model, std::string modelDir, mlir::func::FuncOp main);

  /// Binds initializers and imports nodes at the builder's insertion point. Problems are collected, not returned.
  void importGraph(const onnx::GraphProto &graph, Scope &scope);
  /// The values of the graph's outputs, after importGraph.
  llvm::SmallVector<Value> outputsOf(const onnx::GraphProto &graph, Scope &scope);
  /// Imports `graph` as the only block of `region`; its arguments are the graph's inputs. The block ends with a yield.
  /// \returns the types that the yield gives
  llvm::SmallVector<mlir::Type> importRegion(const onnx::GraphProto &graph, Scope &outer, mlir::Region &region,
                                             llvm::ArrayRef<mlir::Type> arguments, mlir::Location loc);
  /// Gives the node's results through a function body.
  bool inlineFunction(Node &n, onnx::FunctionProto function, const onnx::OpSchema *schema);

  /// Null (and a problem) when nothing in sight has the name.
  Value lookup(Scope &scope, const std::string &name);
  Value none() { return none_; }
  /// Tells who listens to remarks that the node runs as its schema's function body.
  void noteFunctionBody(const Node &n);
  void addProblem(std::string problem) { problems_.push_back(std::move(problem)); }
  /// What is wrong, including the list of unsupported operators.
  std::vector<std::string> takeProblems();
  mlir::Location location(const Scope &scope, const onnx::NodeProto &node);

  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  Symbols symbols;
  ConstantReader constants;
  ConstantPool pool;
  SizeFacts facts;

private:
  void importNode(const onnx::NodeProto &node, Scope &scope);
  bool runHandler(Node &n, const HandlerRow &row);
  /// What the node becomes when no handler takes it: a function body, or a host call.
  void importOtherwise(Node &n, const HandlerRow *row);
  bool foldOnHost(Node &n, HostOpFn fn, const onnx::OpSchema &schema);
  void hostCall(Node &n, const onnx::OpSchema *schema, bool declined);
  mlir::Type resultType(Node &n, size_t i, const onnx::TypeProto *inferred);
  /// Small integer results whose values are formulas become `jinx.sizes` or constants.
  void simplify(Node &n);
  void poison(Node &n);
  /// Whether there is any way to import the operator, whatever its operands are.
  bool isSupported(const Node &n, const std::string &domain) const;
  void addUnsupported(const Node &n, const std::string &reason);

  HostOpTable hostOps_;
  std::map<std::string, const onnx::FunctionProto *> functions_; ///< by domain::name:overload
  Value none_;
  std::vector<std::string> problems_;
  std::map<std::string, std::vector<std::string>> unsupported_; ///< operator → nodes
  llvm::DenseSet<Value> poisoned_;                              ///< results of nodes that could not be imported
  int64_t nodesLeft_ = 4'000'000;                               ///< function bodies and loops may multiply
};

/// Evaluates a host operator on constants. Null results when it fails or is too big to be worth it.
std::optional<llvm::SmallVector<mlir::ElementsAttr>> evaluateOnHost(Node &n, HostOpFn fn, mlir::DictionaryAttr attributes);

/// Erases what nothing uses: operators without used results, unless a size that they define is in use.
/// \returns the symbols that are still in use
std::set<std::string> eraseUnused(mlir::func::FuncOp main, const Symbols &symbols);

} // namespace jinx::frontends
