// Compiles a model file to a plan: frontend, passes, code generation, plan, in one call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codegen/schedules/Choice.h"
#include "frontends/ImportOptions.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::driver {

struct CompileOptions {
  std::string target = "cpu";    ///< "cpu" or a GPU's: "cuda:sm_90a" (GpuArchitecture.h)
  std::vector<std::string> isas; ///< instruction-set levels to carry code for; empty: the host's, see `portable`
  frontends::ImportOptions import;
  bool fusion = true;
  std::vector<std::string> disabledPasses; ///< arguments of passes, "jinx-fuse" or "fuse"; "all": none but the frontend
  bool earlyLaunch = true;   ///< CUDA: a launch may begin before the one in front has ended (device/grid.cuh)
  int64_t activationBits = 0;  ///< CPU: of products with codes of weights: 8, 16, 24, or 32 for floats; 0: 8 of language models, else 24, beside tables of levels 16; decision 0033
  std::string f32Products;   ///< CUDA: how products of f32 are made: split (empty: this), tf32, scalar; decision 0021
  std::string externalFolder; ///< of the plan, or of the folder of ranks' plans; weights that lie in safetensors files below it as the plan wants them stay there; empty: all are in the plan
  bool cubins = false;       ///< CUDA: carry machine code beside the texts, for machines without NVRTC
  unsigned threads = 2;
  bool portable = true;      ///< with `isas` empty: carry baseline code besides the host's
  std::string emit = "plan"; ///< graph, tile, cuda, llvm: text instead of a plan
  std::string dumpDir;       ///< a folder (made when missing) for the module after every pass
  bool remarks = false;      ///< collect remarks
  bool view = false;         ///< keep the graph around fusion
  std::string quantized;     ///< the scheme that the module has been quantized by, for the plan's record
  schedules::MeasuredChoices measured; ///< sizes of kernels that are known to be fast
  std::string measuredOn;              ///< the device on which they are
  std::function<void(const std::string& stage, double fraction)> progress; ///< may be empty
};

/// Milliseconds per stage, in order.
using StageTimes = std::vector<std::pair<std::string, double>>;

/// One pass at its place in the pipeline.
struct PassRecord {
  struct Statistic {
    std::string name, description;
    uint64_t value = 0;
  };
  std::string pass;
  double ms = 0;                     ///< summed over functions
  int64_t operatorsBefore = 0, operatorsAfter = 0; ///< of the graph, summed over functions
  std::vector<Statistic> statistics;               ///< as in Passes.td, zeros too; none for MLIR's own passes
};

/// Why something was done or not.
struct Remark {
  std::string kind;     ///< "passed", "missed", "failed", "analysis"
  std::string pass;     ///< "jinx-fuse"; "import", "compiler" for what is told outside of passes
  std::string name;     ///< what kind of decision, for programs: "Joined", "Refused"
  std::string location; ///< the node's name
  std::string message;
  std::vector<std::pair<std::string, std::string>> figures = {}; ///< "saved_us", "3.2"
};

/// The graph before fusion, and the steps that compute it. Steps in the order in which the plan has them, blocks flattened,
/// by kind. Reshapes are no steps; what was cloned is in several. Two compilations of one model with and without fusion
/// number operators alike.
struct GraphView {
  /// A value: the so-manieth result of an operator.
  struct Result {
    int op = -1; ///< -1: none of the graph's
    int index = 0;
    auto operator<=>(const Result&) const = default;
  };
  struct Operator {
    std::string kind, node;
    std::vector<std::string> dims; ///< of the first result, formulas
    bool ranked = false;
    std::vector<int> reads; ///< operators
    int inside = -1;        ///< the operator whose branch or body it is in
    Result viewOf;          ///< of a reshape, what it shows in another shape
  };
  struct Step {
    std::vector<int> operators;
    std::vector<Result> results;
  };
  std::vector<Operator> operators; ///< without constants, in program order
  std::vector<Step> launches, hostCalls, controls;

  /// The view's step for each step of the plan, given their kinds as in TraceStep; null where there is none.
  std::vector<const Step*> match(const std::vector<std::string>& kinds) const;
};

struct Compiled {
  std::unique_ptr<PlanWriter> plan; ///< for emit = plan
  std::string text;                 ///< for the other forms
  StageTimes times;
  std::vector<PassRecord> passes;
  std::vector<Remark> remarks;
  GraphView view; ///< empty unless asked for
  std::vector<schedules::Question> questions; ///< what kernels' sizes were chosen for, each problem once
  std::shared_ptr<void> keepAlive; ///< memory that the plan's constants lie in
};

/// How a file of remarks is written. Text: a line each, `missed  jinx-fuse  /layer/Add: Refused: …`. YAML: LLVM's
/// optimization records, as of `clang -fsave-optimization-record`. JSON: an object a line.
enum class RemarkFormat { kText, kYaml, kJson };

/// By the file's ending: .yaml and .yml, .json and .jsonl, text otherwise.
RemarkFormat remarkFormatOf(const std::string& path);
std::string formatRemarks(const std::vector<Remark>& remarks, RemarkFormat format = RemarkFormat::kText);

/// Empty when `name` is a pass that can be disabled ("jinx-fuse", "fuse", "all"), else a message with the names there are.
std::string checkPassName(const std::string& name);

/// \returns kInvalidArgument or kUnimplemented for a faulty or unsupported model, or for options that name what is not
/// there;
///          kInternal when a pass fails
Expected<Compiled> compileModel(const std::string& path, const CompileOptions& options);

/// A model in the compiler's form (ModelModule.h).
struct ModelModule;
/// The first half of `compileModel`: what there is before any pass.
Expected<std::shared_ptr<ModelModule>> importModel(const std::string& path, const CompileOptions& options);
/// The second half; the module is used up.
Expected<Compiled> compileModule(std::shared_ptr<ModelModule> model, const CompileOptions& options);
/// Native IR: text for a path that ends in .mlir, else bytecode.
Status writeModule(ModelModule& model, const std::string& path);

} // namespace jinx::driver
