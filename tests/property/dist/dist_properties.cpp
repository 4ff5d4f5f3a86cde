// A function on a mesh computes what it computes alone: placed, partitioned, and run by all ranks in lockstep.
//
//   annotated --jinx-place-values--> placed --jinx-move-reshards--> placed --jinx-partition--> own --jinx-combine-collectives, jinx-overlap-collectives--> own --jinx-rank-program--> ranked
//
// Each form is verified. Arguments are cut as their types say, and filled up with NaN (integers: with a large number): what is in the filling must not be seen in any result.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Dist/DistPasses.h"
#include "tests/property/dist/Lockstep.h"
#include "tests/property/dist/RandomProgram.h"
#include "tests/property/runtime/HostOps.h"

#include <limits>

namespace jinx::test {
namespace {

class Sharded {
 public:
  explicit Sharded(const RandomProgram& program)
      : program_(program), context_(registry(), mlir::MLIRContext::Threading::DISABLED), diagnostics_(&context_, [this](mlir::Diagnostic& d) {
          messages_ += d.str() + "\n";
          return mlir::success();
        }) {
    context_.loadAllAvailableDialects();
    whole_ = mlir::parseSourceString<mlir::ModuleOp>(program.text(), mlir::ParserConfig(&context_));
    if (!whole_) RC_FAIL("is no valid function: " + messages_ + program.text());
    sharded_ = mlir::OwningOpRef<mlir::ModuleOp>(whole_->clone());
  }

  /// Runs passes and the verifier after each.
  void run(mlir::ModuleOp module, const std::string& pipeline) {
    std::string before = textOf(module);
    if (!runs(module, "func.func(" + pipeline + ")")) RC_FAIL(pipeline + " failed: " + messages_ + before + "\nfrom\n" + program_.text());
  }
  /// Passes of modules; false, with messages, where one fails.
  bool runs(mlir::ModuleOp module, const std::string& pipeline) {
    mlir::PassManager passes(&context_);
    return mlir::succeeded(mlir::parsePassPipeline(pipeline, passes)) && mlir::succeeded(passes.run(module));
  }
  const std::string& messages() const { return messages_; }
  void forget() { messages_.clear(); }
  void replace(mlir::OwningOpRef<mlir::ModuleOp> by) { sharded_ = std::move(by); }

  mlir::ModuleOp whole() { return *whole_; }
  mlir::ModuleOp sharded() { return *sharded_; }
  static mlir::func::FuncOp main(mlir::ModuleOp module) { return module.lookupSymbol<mlir::func::FuncOp>("main"); }
  static std::string textOf(mlir::ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    return text;
  }

 private:
  static const mlir::DialectRegistry& registry() {
    static const mlir::DialectRegistry all = [] {
      mlir::DialectRegistry registry;
      registry.insert<dist::DistDialect, graph::GraphDialect, mlir::func::FuncDialect>();
      passes::registerJinxDistPasses();
      return registry;
    }();
    return all;
  }

  const RandomProgram& program_;
  mlir::MLIRContext context_;
  std::string messages_;
  mlir::ScopedDiagnosticHandler diagnostics_;
  mlir::OwningOpRef<mlir::ModuleOp> whole_, sharded_;
};

mlir::RankedTensorType wholeType(mlir::Type type, mlir::Attribute whole) {
  auto named = mlir::dyn_cast_or_null<mlir::TypeAttr>(whole);
  return mlir::cast<mlir::RankedTensorType>(named ? named.getValue() : type);
}

/// The last axis of the mesh that can count microbatches does; returns how many. 0 where the program would pass something on between them, or its axes do not divide, on each: both are told.
int64_t unroll(Sharded& sharded) {
  sharded.run(sharded.sharded(), "jinx-place-values");
  auto mesh = sharded.sharded().lookupSymbol<dist::MeshOp>("mesh");
  for (size_t i = mesh.getAxes().size(); i-- > 0;) {
    const std::string option = "{axis=" + mlir::cast<mlir::StringAttr>(mesh.getAxes()[i]).str() + "}";
    const int64_t pieces = mesh.getSizes()[i];
    mlir::OwningOpRef<mlir::ModuleOp> tried(sharded.sharded().clone());
    if (sharded.runs(*tried, "func.func(jinx-verify-microbatches" + option + ",jinx-partition),jinx-unroll-microbatches" + option)) {
      sharded.replace(std::move(tried));
      return pieces;
    }
    if (sharded.messages().find("microbatches") == std::string::npos) RC_FAIL("refused without a reason: " + sharded.messages());
    sharded.forget();
  }
  return 0;
}

void check(const RandomProgram& program, const std::string& pipeline, double filling, bool hasMicrobatches = false) {
  Sharded sharded(program);
  Symbols symbols = {{"n", program.n()}};
  std::vector<Tensor> arguments = program.drawArguments(*seeds());
  auto alone = computeInLockstep(Sharded::main(sharded.whole()), Mesh(), symbols, {arguments}, hostOps());
  if (!alone.isOk()) RC_FAIL("alone: " + alone.status().message() + "\n" + program.text());
  const std::vector<Tensor>& expected = (*alone)[0];

  if (hasMicrobatches) {
    const int64_t pieces = unroll(sharded);
    const bool hasPieces = pieces > 1;
    RC_CLASSIFY(hasPieces);
    if (pieces == 0) return;
  }
  sharded.run(sharded.sharded(), pipeline);
  mlir::func::FuncOp own = Sharded::main(sharded.sharded());
  Mesh mesh(sharded.sharded().lookupSymbol<dist::MeshOp>("mesh"));
  std::string text = "\n" + Sharded::textOf(sharded.sharded()) + "from\n" + program.text() + "n = " + std::to_string(program.n());
  const bool isExchanged = text.find("all_to_all_v") != std::string::npos;
  RC_CLASSIFY(isExchanged);
  std::vector<std::vector<Tensor>> given(mesh.ranks());
  for (size_t rank = 0; rank < mesh.ranks(); ++rank)
    for (unsigned i = 0; i < own.getNumArguments(); ++i)
      given[rank].push_back(cut(arguments[i], partOf(wholeType(own.getArgument(i).getType(), own.getArgAttr(i, "dist.whole")), mesh, rank, symbols), filling));
  auto together = computeInLockstep(own, mesh, symbols, given, hostOps());
  if (!together.isOk()) RC_FAIL(together.status().message() + text);
  for (size_t rank = 0; rank < mesh.ranks(); ++rank)
    for (unsigned i = 0; i < own.getNumResults(); ++i)
      if (!isPart((*together)[rank][i], expected[i], partOf(wholeType(own.getResultTypes()[i], own.getResultAttr(i, "dist.whole")), mesh, rank, symbols)))
        RC_FAIL("result " + std::to_string(i) + " of rank " + std::to_string(rank) + " is no part of the whole" + text);

  mlir::OwningOpRef<mlir::ModuleOp> ranked(sharded.sharded().clone());
  sharded.run(*ranked, "jinx-rank-program{rank=" + std::to_string(int64_t(mesh.ranks()) - 1) + "}");
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

JINX_PROPERTY(DistLaws, RanksTogetherComputeWhatOneComputesAlone, 500) { check(RandomProgram::draw(8), "jinx-place-values,jinx-partition", kNaN); }

JINX_PROPERTY(DistLaws, MovedReshardsChangeNothing, 500) { check(RandomProgram::draw(8), "jinx-place-values,jinx-move-reshards,jinx-partition", kNaN); }

// Costs decide what is combined and what is started early, and nothing else. Here every collective is started that can be. (Reshards stay where they
// are: of a sum that moves through a division quotients are added, which are rounded.)
JINX_PROPERTY(DistLaws, CombinedAndOverlappedTheyComputeTheSame, 300) {
  check(RandomProgram::draw(16), "jinx-place-values,jinx-partition,jinx-combine-collectives,jinx-overlap-collectives{least=0 memory=3}", kNaN);
}

// An axis in time: pieces one behind the other, and collectives of all pieces on the other axes.
JINX_PROPERTY(DistLaws, MicrobatchesOneBehindTheOtherComputeTheSame, 400) { check(RandomProgram::draw(8), "jinx-start-transfers", kNaN, /*hasMicrobatches=*/true); }

// Whoever chooses whom, and whatever divides whatever: tokens that go to their experts are those that would be gathered.
JINX_PROPERTY(DistLaws, ExchangedTokensComputeTheSame, 300) {
  const RandomProgram program = RandomProgram::drawMixture();
  check(program, "jinx-place-values,jinx-move-reshards,jinx-partition{experts=exchange},jinx-combine-collectives,jinx-overlap-collectives{least=0 memory=3}", kNaN);
}

// Arguments that are filled up with zeros need fewer masks.
JINX_PROPERTY(DistLaws, ZerosInArgumentsAreBelieved, 300) {
  check(RandomProgram::draw(8), "jinx-place-values,jinx-move-reshards,jinx-partition{zero-filled-arguments=true}", 0);
}

} // namespace
} // namespace jinx::test
