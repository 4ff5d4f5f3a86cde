// How an ONNX model becomes a module of the graph dialect.
//
// **Parse and check.** The bytes are parsed within limits and checked by walking every graph, subgraph and function with ONNX's own
// schemas (OnnxModel.cpp). All problems are listed at once, with node names.
//
// **Inputs.** Named dimensions become symbols, the user's `--dim` replaces what is declared (GraphInputs.cpp). Nothing else that
// the model says about shapes is believed: declared shapes of intermediate values go stale when a size is overridden, and shapes
// follow from the operators anyway.
//
// **Nodes, one by one** (Importer.cpp). A node's operands are MLIR values; the table (Handlers.h) gives a handler for its operator
// and opset. A handler writes the node down in graph operators, or declines with a reason. So for one node:
//
//   model-local function?   its body is imported in a scope of its own; nested names become "caller/inner"
//   handler takes it?       done. Its integer results are looked into: shape arithmetic turns into `jinx.sizes` at once
//   operands constant?      the host operator computes the result now
//   a host operator?        `jinx.host_call`, typed by ONNX's shape inference on our types and values (OnnxInference.cpp)
//   a function body?        the schema's, expanded as above
//   otherwise               "unsupported operator", listed with every such node
//
// Shapes are formulas over symbols and node results are typed as they are made, so there is no separate shape inference. Worked
// example, attention heads split off by a PyTorch export, x of type [batch, seq, 384]:
//
//   Shape(x)              jinx.sizes ["batch", "seq", "384"]        the type says it all, x's data is not asked for
//   Gather(…, 0)          jinx.sizes ["batch"]                      value inference through the gather
//   Concat(…, 12, -1, 32) jinx.sizes ["batch", "12", "-1", "32"]
//   Reshape(x, …)         jinx.reshape x : [batch, 12, seq, 32]     -1 is batch*seq*384 / (batch*12*32), divided exactly
//
// What depends on data (NonZero, a Slice whose end is computed from a tensor) has a symbol as extent that the host step defines;
// formulas over it work as over any other. When not even the rank is known, the value is an unranked tensor, and what reads it runs
// on the host too.
//
// **Control flow** (Control.cpp). An If on a known condition is the branch taken, inlined. Other bodies become regions that use
// values from outside freely. A Loop's carried values keep the shape that they enter with when the body preserves it.
//
// **Clean up.** Shape arithmetic that served its purpose is erased; so are symbols that nothing mentions.
#include "frontends/onnx/OnnxImporter.h"

#include <filesystem>

#include "frontends/onnx/GraphInputs.h"
#include "frontends/onnx/Importer.h"
#include "mlir/IR/Verifier.h"
#include "runtime/base/File.h"

using namespace mlir;

namespace jinx::frontends {

void loadImportDialects(MLIRContext &context) { context.loadDialect<func::FuncDialect, graph::GraphDialect>(); }

namespace {

Status listProblems(const std::vector<std::string> &problems) {
  std::string text = problems.size() == 1 ? "the model has a problem:" : "the model has " + std::to_string(problems.size()) + " problems:";
  constexpr size_t kMost = 200;
  for (size_t i = 0; i < problems.size() && i < kMost; ++i) text += "\n  " + problems[i];
  if (problems.size() > kMost) text += "\n  … and " + std::to_string(problems.size() - kMost) + " more";
  bool onlyUnsupported = llvm::all_of(problems, [](const std::string &p) { return p.rfind("unsupported operator", 0) == 0; });
  return onlyUnsupported ? unimplemented(text) : invalidArgument(text);
}

void setModelAttributes(ModuleOp module, const onnx::ModelProto &model) {
  Builder builder(module.getContext());
  SmallVector<NamedAttribute> metadata;
  std::set<std::string> seen;
  for (const auto &entry : model.metadata_props())
    if (!entry.key().empty() && seen.insert(entry.key()).second)
      metadata.push_back(builder.getNamedAttr(entry.key(), builder.getStringAttr(entry.value())));
  module->setAttr("jinx.metadata", builder.getDictionaryAttr(metadata));
  module->setAttr("jinx.model_name", builder.getStringAttr(model.graph().name()));
}

/// `main` with its arguments, without a body's operators.
func::FuncOp makeMain(ModuleOp module, const std::vector<GraphInput> &inputs, Location loc) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> types;
  for (const GraphInput &input : inputs) types.push_back(input.type);
  auto main = func::FuncOp::create(builder, loc, "main", builder.getFunctionType(types, {}));
  Block *block = main.addEntryBlock();
  for (auto [i, input] : llvm::enumerate(inputs)) {
    main.setArgAttr(i, "jinx.name", builder.getStringAttr(input.name));
    block->getArgument(i).setLoc(NameLoc::get(builder.getStringAttr(input.name)));
  }
  return main;
}

void finishMain(func::FuncOp main, const onnx::GraphProto &graph, ArrayRef<Value> outputs) {
  OpBuilder builder = OpBuilder::atBlockEnd(&main.getBody().front());
  func::ReturnOp::create(builder, main.getLoc(), outputs);
  main.setType(builder.getFunctionType(main.getArgumentTypes(), ValueRange(outputs).getTypes()));
  for (auto [i, output] : llvm::enumerate(graph.output())) main.setResultAttr(i, "jinx.name", builder.getStringAttr(output.name()));
}

Expected<OwningOpRef<ModuleOp>> importModel(MLIRContext &context, const onnx::ModelProto &model, const std::string &modelDir,
                                            const ImportOptions &options) {
  if (auto problems = findProblems(model); !problems.empty()) return listProblems(problems);
  loadImportDialects(context);
  Location loc = NameLoc::get(StringAttr::get(&context, model.graph().name()));
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  setModelAttributes(*module, model);

  Symbols symbols;
  JINX_TRY_ASSIGN(std::vector<GraphInput> inputs, readGraphInputs(&context, model.graph(), options, symbols));
  func::FuncOp main = makeMain(*module, inputs, loc);
  Importer importer(&context, model, modelDir, main);
  importer.symbols = std::move(symbols);

  Opsets opsets = readOpsets(model.opset_import());
  if (opsets.empty()) opsets[""] = 1;
  Scope scope;
  scope.opsets = &opsets;
  for (auto [input, argument] : llvm::zip(inputs, main.getArguments())) scope.values[input.name] = argument;
  importer.importGraph(model.graph(), scope);
  SmallVector<Value> outputs = importer.outputsOf(model.graph(), scope);
  if (auto problems = importer.takeProblems(); !problems.empty()) return listProblems(problems);

  finishMain(main, model.graph(), outputs);
  std::set<std::string> live = eraseUnused(main, importer.symbols);
  (*module)->setAttr("jinx.size_checks", importer.facts.finish(&context, live));
  importer.symbols.dropUnused(live);
  (*module)->setAttr("jinx.symbols", importer.symbols.toAttr(&context));
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (message.empty()) message = diagnostic.str();
    return success();
  });
  if (failed(mlir::verify(*module))) return internalError("the imported module is not valid: " + message);
  return module;
}

} // namespace

Expected<OwningOpRef<ModuleOp>> importOnnxBytes(MLIRContext &context, std::span<const std::byte> bytes, const std::string &modelDir,
                                                const ImportOptions &options) {
  JINX_TRY_ASSIGN(std::shared_ptr<const onnx::ModelProto> model, parseModel(bytes, options.maxBytes));
  try { // the ONNX library and protobuf report through exceptions; what is not caught closer by ends here
    return importModel(context, *model, modelDir, options);
  } catch (const std::bad_alloc &) {
    return resourceError("memory ran out");
  } catch (const std::exception &error) {
    return invalidArgument(error.what());
  }
}

Expected<OwningOpRef<ModuleOp>> importOnnx(MLIRContext &context, const std::string &path, const ImportOptions &options) {
  JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path), "importing");
  std::filesystem::path dir = std::filesystem::path(path).parent_path();
  auto module = importOnnxBytes(context, file.bytes(), dir.empty() ? "." : dir.string(), options);
  if (!module) return module.status().withContext("importing " + path);
  return module;
}

} // namespace jinx::frontends
