#include "frontends/onnx/Importer.h"

#include <onnx/defs/schema.h>

#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

constexpr int kMaxFunctionDepth = 64;
constexpr int64_t kMaxFolded = 1 << 16; ///< elements of a result computed while importing

std::string functionKey(const std::string &domain, const std::string &name, const std::string &overload) {
  return (domain == "ai.onnx" ? "" : domain) + "::" + name + ":" + overload;
}

std::string domainOf(const onnx::NodeProto &node) { return node.domain() == "ai.onnx" ? "" : node.domain(); }

/// What the handler knows of a shape goes where inference has no size.
void fillSizes(onnx::TypeProto &proto, const Node::PartialSizes &sizes) {
  if (!proto.has_tensor_type()) return;
  auto *shape = proto.mutable_tensor_type()->mutable_shape();
  while (shape->dim_size() == 0 && size_t(shape->dim_size()) < sizes.size())
    for (size_t i = 0; i < sizes.size(); ++i) shape->add_dim();
  if (size_t(shape->dim_size()) != sizes.size()) return;
  for (size_t i = 0; i < sizes.size(); ++i) {
    auto *dim = shape->mutable_dim(int(i));
    if (!sizes[i] || dim->has_dim_value() || dim->has_dim_param()) continue;
    if (auto constant = sizes[i]->constant())
      dim->set_dim_value(*constant);
    else
      dim->set_dim_param(sizes[i]->str());
  }
}

bool isKernelTensor(Value v) { return !v || (GraphBuilder::isRanked(v) && isKernelElement(GraphBuilder::element(v))); }

} // namespace

Importer::Importer(MLIRContext *context, const onnx::ModelProto &model, std::string modelDir, func::FuncOp main)
    : context(context), builder(context), constants(context, std::move(modelDir)), pool(nullptr), facts(symbols), hostOps_(HostOpTable::standard()) {
  builder.setInsertionPointToStart(&main.getBody().front());
  // Constants gather in front of this operator, so the block is never empty.
  none_ = NoneOp::create(builder, main.getLoc(), graph::NoneType::get(context));
  pool = ConstantPool(none_.getDefiningOp());
  for (const auto &function : model.functions())
    functions_[functionKey(function.domain(), function.name(), function.overload())] = &function;
}

Location Importer::location(const Scope &scope, const onnx::NodeProto &node) {
  return NameLoc::get(builder.getStringAttr(scope.prefix + nodeName(node)));
}

// ---- names ------------------------------------------------------------------------------------------------------------------

Value Importer::lookup(Scope &scope, const std::string &name) {
  for (Scope *s = &scope; s; s = s->outer) {
    if (auto it = s->values.find(name); it != s->values.end()) return it->second;
    auto tensor = s->initializers.find(name);
    auto sparse = s->sparseInitializers.find(name);
    if (tensor == s->initializers.end() && sparse == s->sparseInitializers.end()) continue;
    auto value = tensor != s->initializers.end() ? constants.read(*tensor->second) : constants.readSparse(*sparse->second);
    if (!value) {
      addProblem("initializer '" + name + "': " + value.status().message());
      return s->values[name] = Value();
    }
    return s->values[name] = pool.get(*value, NameLoc::get(builder.getStringAttr(name)));
  }
  addProblem("'" + name + "' is the output of no node");
  return {};
}

std::vector<std::string> Importer::takeProblems() {
  for (const auto &[op, nodes] : unsupported_) {
    std::string text = "unsupported operator " + op + ": ";
    for (size_t i = 0; i < nodes.size() && i < 8; ++i) text += (i ? ", " : "") + ("'" + nodes[i] + "'");
    if (nodes.size() > 8) text += " and " + std::to_string(nodes.size() - 8) + " more nodes";
    problems_.push_back(text);
  }
  unsupported_.clear();
  std::set<std::string> seen; // bodies are imported more than once
  llvm::erase_if(problems_, [&](const std::string &problem) { return !seen.insert(problem).second; });
  return std::move(problems_);
}

// ---- graphs -----------------------------------------------------------------------------------------------------------------

void Importer::importGraph(const onnx::GraphProto &graph, Scope &scope) {
  for (const auto &tensor : graph.initializer())
    if (!scope.values.count(tensor.name())) scope.initializers[tensor.name()] = &tensor;
  for (const auto &sparse : graph.sparse_initializer()) scope.sparseInitializers[sparse.values().name()] = &sparse;
  for (const auto &info : graph.value_info()) scope.declared[info.name()] = &info.type();
  for (const auto &info : graph.output()) scope.declared[info.name()] = &info.type();
  for (const auto &node : graph.node()) importNode(node, scope);
}

SmallVector<Value> Importer::outputsOf(const onnx::GraphProto &graph, Scope &scope) {
  SmallVector<Value> outputs;
  for (const auto &output : graph.output()) {
    Value value = lookup(scope, output.name());
    outputs.push_back(value ? value : none_);
  }
  return outputs;
}

SmallVector<Type> Importer::importRegion(const onnx::GraphProto &graph, Scope &outer, Region &region, ArrayRef<Type> arguments,
                                         Location loc) {
  OpBuilder::InsertionGuard guard(builder);
  SizeFacts::RegionGuard regionGuard(facts);
  region.getBlocks().clear();
  Block *block = builder.createBlock(&region, region.end(), arguments, SmallVector<Location>(arguments.size(), loc));
  Scope scope = Scope::inside(outer);
  for (auto [input, argument] : llvm::zip(graph.input(), block->getArguments())) scope.values[input.name()] = argument;
  importGraph(graph, scope);
  SmallVector<Value> outputs = outputsOf(graph, scope);
  YieldOp::create(builder, loc, outputs);
  return llvm::to_vector(ValueRange(outputs).getTypes());
}

bool Importer::inlineFunction(Node &n, onnx::FunctionProto function, const onnx::OpSchema *schema) {
  if (n.scope.depth >= kMaxFunctionDepth) return n.decline("functions call each other more than " + std::to_string(kMaxFunctionDepth) + " deep");
  bindAttributes(function, n.proto, schema);
  Opsets opsets = readOpsets(function.opset_import());
  for (const auto &[domain, version] : *n.scope.opsets) opsets.insert({domain, version}); // what the function forgets to import
  Scope scope;
  scope.opsets = &opsets;
  scope.prefix = n.scope.prefix + nodeName(n.proto) + "/";
  scope.depth = n.scope.depth + 1;
  for (int i = 0; i < function.input_size(); ++i) scope.values[function.input(i)] = n.in(size_t(i));
  for (const auto &node : function.node()) importNode(node, scope);
  for (int i = 0; i < function.output_size(); ++i) {
    if (!n.wants(size_t(i))) continue;
    Value value = lookup(scope, function.output(i));
    if (!value) return n.decline("its function body gives no '" + function.output(i) + "'");
    n.set(size_t(i), value);
  }
  return true;
}

// ---- nodes ------------------------------------------------------------------------------------------------------------------

/// The first operand that the operator cannot do without and that is not there; empty when all are, or nothing is known about it.
static std::string omittedOperand(const Node &n, const std::string &domain) {
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(n.proto.op_type(), int(n.opset), domain);
  if (!schema) return "";
  for (auto [i, input] : llvm::enumerate(schema->inputs()))
    if (input.GetOption() == onnx::OpSchema::Single && !n.has(i)) return input.GetName();
  return "";
}

void Importer::importNode(const onnx::NodeProto &node, Scope &scope) {
  if (--nodesLeft_ <= 0) {
    if (nodesLeft_ == 0) addProblem("the model expands to more nodes than can be imported; the last was " + describeNode(node));
    return;
  }
  SmallVector<Value> operands;
  bool isPoisoned = false;
  for (const std::string &input : node.input()) {
    operands.push_back(input.empty() ? Value() : lookup(scope, input));
    isPoisoned |= operands.back() && poisoned_.contains(operands.back());
  }
  while (!operands.empty() && !operands.back()) operands.pop_back();

  std::string domain = domainOf(node);
  auto opset = scope.opsets->find(domain);
  Node n(*this, scope, node, opset == scope.opsets->end() ? 1 : opset->second, operands, builder, pool, facts, location(scope, node));
  auto local = functions_.find(functionKey(node.domain(), node.op_type(), node.overload()));
  if (isPoisoned) { // of an earlier problem; an unsupported operator is one of its own
    if (local == functions_.end() && !isSupported(n, domain)) addUnsupported(n, "");
    poison(n);
  } else if (local != functions_.end()) {
    if (!inlineFunction(n, *local->second, nullptr)) addProblem(describeNode(node) + ": " + n.reason());
  } else if (std::string omitted = omittedOperand(n, domain); !omitted.empty()) {
    addProblem(describeNode(node) + ": operand '" + omitted + "' is omitted, but required");
    poison(n);
  } else {
    const HandlerRow *row = findHandler(domain, node.op_type(), n.opset);
    if (!row || !runHandler(n, *row)) importOtherwise(n, row);
    simplify(n);
  }
  for (int i = 0; i < node.output_size(); ++i)
    if (!node.output(i).empty()) scope.values[node.output(i)] = n.results[i];
}

bool Importer::runHandler(Node &n, const HandlerRow &row) {
  if (!row.anyType && !n.operands.empty() && !n.operands[0]) return n.decline("its first operand is omitted");
  if (!row.anyType && !llvm::all_of(n.operands, isKernelTensor)) return n.decline("an operand's rank is not known, or its type has no kernels");
  Block *block = builder.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  size_t factsBefore = facts.mark();
  bool done = row.handler(n) && !row.typesOnly;
  for (size_t i = 0; done && i < n.results.size(); ++i)
    if (n.wants(i) && !n.results[i]) done = n.decline("result " + std::to_string(i) + " is not computed by kernels");
  if (done) return true;
  while (!block->empty() && &block->back() != last) block->back().erase();
  facts.rollBack(factsBefore);
  n.results.assign(n.results.size(), Value());
  return false;
}

void Importer::importOtherwise(Node &n, const HandlerRow *row) {
  std::string domain = domainOf(n.proto);
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(n.proto.op_type(), int(n.opset), domain);
  // A host operator knows nothing of graphs: what has one (and is no control flow) needs its function body.
  bool hasGraph = llvm::any_of(n.proto.attribute(), [](const auto &attribute) { return attribute.has_g(); });
  HostOpFn fn = hostOps_.find(domain, n.proto.op_type(), n.opset);
  if (fn && !hasGraph) {
    if (!schema || !foldOnHost(n, fn, *schema)) hostCall(n, schema, row != nullptr);
    return;
  }
  if (schema && hasFunctionBody(*schema))
    if (auto body = functionBody(n.proto, *schema, n.opset, n.operands); body && inlineFunction(n, *body, schema)) return noteFunctionBody(n);
  addUnsupported(n, row ? " (" + n.reason() + ")" : "");
  poison(n);
}

bool Importer::isSupported(const Node &n, const std::string &domain) const {
  const std::string &op = n.proto.op_type();
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(op, int(n.opset), domain);
  return findHandler(domain, op, n.opset) || hostOps_.find(domain, op, n.opset) || (schema && hasFunctionBody(*schema));
}

void Importer::addUnsupported(const Node &n, const std::string &reason) {
  std::string domain = domainOf(n.proto);
  unsupported_[(domain.empty() ? "" : domain + ".") + n.proto.op_type() + " (opset " + std::to_string(n.opset) + ")"].push_back(
      n.scope.prefix + nodeName(n.proto) + reason);
}

void Importer::poison(Node &n) {
  for (Value &result : n.results) {
    // A value that no other node has: consumers are not reported.
    result = NoneOp::create(builder, n.loc(), graph::NoneType::get(context));
    poisoned_.insert(result);
  }
}

bool expandFunction(Node &n) {
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(n.proto.op_type(), int(n.opset), domainOf(n.proto));
  auto body = schema ? functionBody(n.proto, *schema, n.opset, n.operands) : std::nullopt;
  if (!body) return n.decline("it has no function body");
  Block *block = n.builder().getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  if (!n.importer.inlineFunction(n, *body, schema)) return false;
  std::string hostStep;
  for (Operation *op = last ? last->getNextNode() : &block->front(); op; op = op->getNextNode())
    op->walk([&](HostCallOp call) { hostStep = call.getOp().str(); });
  if (!hostStep.empty()) return n.decline("its function body needs the host for " + hostStep);
  n.importer.noteFunctionBody(n);
  return true;
}

void Importer::noteFunctionBody(const Node &n) {
  auto remark = mlir::remark::analysis(n.loc(), mlir::remark::RemarkOpts::name("FunctionBody").category("import"));
  if (!remark) return;
  std::string op = domainOf(n.proto) + "::" + n.proto.op_type();
  remark << "runs as the function body that ONNX gives for it" << mlir::remark::metric("operator", op);
}

// ---- host calls -------------------------------------------------------------------------------------------------------------

bool Importer::foldOnHost(Node &n, HostOpFn fn, const onnx::OpSchema &schema) {
  auto isConstant = [](Value v) { return !v || v.getDefiningOp<ConstantOp>(); };
  if (n.operands.empty() || !llvm::all_of(n.operands, isConstant)) return false;
  for (const onnx::TypeProto &type : inferTypes(n.proto, schema, n.operands).results) {
    int64_t count = 1;
    for (const auto &dim : type.tensor_type().shape().dim())
      if (__builtin_mul_overflow(count, dim.has_dim_value() ? dim.dim_value() : 1, &count) || count > kMaxFolded) return false;
  }
  auto attributes = attributesFromNode(context, n.proto, constants);
  if (!attributes) return false;
  auto values = evaluateOnHost(n, fn, *attributes);
  if (!values) return false;
  for (size_t i = 0; i < n.results.size(); ++i) n.results[i] = n.wants(i) ? n.constant((*values)[i]) : none_;
  return true;
}

Type Importer::resultType(Node &n, size_t i, const onnx::TypeProto *inferred) {
  if (!n.wants(i)) return graph::NoneType::get(context);
  const Node::Expectation &expected = n.expected[i];
  Type type;
  if (inferred) {
    onnx::TypeProto proto = *inferred;
    if (expected.sizes) fillSizes(proto, *expected.sizes);
    type = typeFromInference(context, proto, symbols);
  }
  auto tensor = dyn_cast_or_null<TensorType>(type);
  Type element = tensor ? tensor.getElementType() : expected.element;
  if (type && (!tensor || tensor.hasRank())) return type;
  if (!element) { // an operator without a schema: what the model says
    auto declared = n.scope.declared.find(n.proto.output(int(i)));
    Symbols ignored;
    Type said = declared == n.scope.declared.end() ? Type() : typeFromInference(context, *declared->second, ignored);
    if (said && !isa<TensorType>(said)) return said;
    if (said) element = cast<TensorType>(said).getElementType();
  }
  if (!element) return nullptr;
  if (!expected.sizes) return UnrankedTensorType::get(element);
  Sizes sizes;
  for (const auto &size : *expected.sizes) sizes.push_back(size && !size->isInvalid() ? *size : symbols.fresh());
  return tensorOf(sizes, element);
}

void Importer::hostCall(Node &n, const onnx::OpSchema *schema, bool declined) {
  auto attributes = attributesFromNode(context, n.proto, constants);
  if (!attributes) {
    addProblem(describeNode(n.proto) + ": " + attributes.status().message());
    return poison(n);
  }
  InferredTypes inferred;
  if (schema) inferred = inferTypes(n.proto, *schema, n.operands);
  // Two judges agree that the operands do not fit: the handler and ONNX's own inference.
  if (declined && !inferred.error.empty() && llvm::all_of(n.operands, isKernelTensor)) {
    addProblem(describeNode(n.proto) + ": " + n.reason() + "; " + inferred.error);
    return poison(n);
  }
  SmallVector<Type> types;
  for (size_t i = 0; i < n.results.size(); ++i) {
    bool known = i < inferred.results.size() && inferred.results[i].value_case() != onnx::TypeProto::VALUE_NOT_SET;
    types.push_back(resultType(n, i, known ? &inferred.results[i] : nullptr));
    if (types.back()) continue;
    addProblem(describeNode(n.proto) + ": the type of output '" + n.proto.output(int(i)) + "' cannot be found out" +
               (inferred.error.empty() ? "" : ": " + inferred.error));
    return poison(n);
  }
  SmallVector<Value> operands;
  for (Value operand : n.operands) operands.push_back(operand ? operand : none_);
  auto call = HostCallOp::create(builder, n.loc(), types, domainOf(n.proto), n.proto.op_type(), n.opset, *attributes, operands);
  if (!n.reason().empty()) call->setAttr("jinx.reason", builder.getStringAttr(n.reason()));
  for (size_t i = 0; i < n.results.size(); ++i) n.results[i] = call.getResult(i);
}

void Importer::simplify(Node &n) {
  for (Value &result : n.results) {
    if (!result || !GraphBuilder::isRanked(result) || !isa<IntegerType>(GraphBuilder::element(result))) continue;
    if (isa_and_nonnull<ConstantOp, SizesOp>(result.getDefiningOp())) continue;
    auto formulas = inferIntegerValues(result);
    if (!formulas) continue;
    auto type = cast<RankedTensorType>(result.getType());
    bool isConstant = llvm::all_of(*formulas, [](const SizeExpr &f) { return f.constant().has_value(); });
    if (type.getElementType().isInteger(1) && !isConstant) continue;
    if (Value simple = n.sizeTensor(*formulas, type)) result = simple;
  }
}

} // namespace jinx::frontends
