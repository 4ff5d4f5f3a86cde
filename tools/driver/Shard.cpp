#include "tools/driver/Shard.h"

#include <chrono>
#include <filesystem>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "ir/Dist/Forms.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Dist/ApplyRules.h"
#include "passes/Dist/BuiltInRules.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/MarkStages.h"
#include "passes/Passes.h"
#include "runtime/base/File.h"
#include "tools/driver/ModelModule.h"
#include "tools/driver/Remarks.h"
#include "llvm/Support/raw_ostream.h"

namespace jinx::driver {
namespace {

namespace fs = std::filesystem;
using mlir::func::FuncOp;

/// Errors of passes, joined.
class Errors : public mlir::ScopedDiagnosticHandler {
 public:
  explicit Errors(mlir::MLIRContext* context)
      : ScopedDiagnosticHandler(context, [this](mlir::Diagnostic& d) {
          if (d.getSeverity() != mlir::DiagnosticSeverity::Error) return;
          if (!text_.empty()) text_ += "; ";
          text_ += locationName(d.getLocation()) + ": " + d.str();
        }) {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Status runPasses(ModelModule& model, const char* what, const std::function<void(mlir::OpPassManager&)>& add) {
  Errors errors(model.context.get());
  mlir::PassManager pm(model.context.get());
  add(pm.nest<FuncOp>());
  return mlir::succeeded(pm.run(*model.module)) ? Status::ok() : internalError(std::string(what) + " " + model.name + ": " + errors.text());
}

const std::string kStages(passes::kStageAxis), kMicrobatches(passes::kMicrobatchAxis);

/// From `dist.own` on: what counts microbatches becomes time.
Status unroll(ShardedModel& sharded, ModelModule& model) {
  Errors errors(model.context.get());
  mlir::PassManager pm(model.context.get());
  pm.addPass(passes::createUnrollMicrobatches({kMicrobatches}));
  if (mlir::failed(pm.run(*model.module))) return invalidArgument("--shard: " + errors.text());
  std::erase_if(sharded.rules.mesh, [](const passes::MeshAxis& axis) { return axis.name == kMicrobatches; });
  return Status::ok();
}

/// Microbatches that would have to pass something on are a fault of the rules, or of what was asked of the model.
Status verifyMicrobatches(ModelModule& model) {
  Errors errors(model.context.get());
  mlir::PassManager pm(model.context.get());
  pm.nest<FuncOp>().addPass(passes::createVerifyMicrobatches({kMicrobatches}));
  return mlir::succeeded(pm.run(*model.module)) ? Status::ok() : invalidArgument("--shard: " + errors.text());
}

Status markStages(ModelModule& model, const passes::ShardRules& rules) {
  const int64_t stages = passes::ranksAlong(rules.mesh, kStages);
  if (stages <= 1) return Status::ok();
  return rules.stages.empty() ? passes::markStages(model.main(), stages).status() : passes::markStages(model.main(), rules.stages);
}

std::vector<int64_t> coordinatesOf(int64_t rank, const std::vector<passes::MeshAxis>& mesh) {
  std::vector<int64_t> coordinates(mesh.size());
  for (size_t i = mesh.size(); i-- > 0; rank /= mesh[i].ranks)
    coordinates[i] = rank % mesh[i].ranks;
  return coordinates;
}

/// Microseconds that a start on a GPU hides, at least: three in a step of 8B on two H200s made it 60 to 140 longer (docs/benchmarks/multi-gpu-h200.md).
constexpr double kLeastOnStreams = 50;

/// Of a program that all ranks have which come to its collectives: of the whole model, or of a stage.
void addOverlap(mlir::OpPassManager& pm, const PartitionOptions& options) {
  if (!options.overlaps) return;
  pm.addPass(passes::createCombineCollectives({options.network}));
  passes::OverlapCollectivesOptions overlap{.network = options.network};
  if (options.network != "host") overlap.least = kLeastOnStreams;
  pm.addPass(passes::createOverlapCollectives(overlap));
}

int64_t coordinateAlong(const std::vector<passes::MeshAxis>& mesh, const std::string& name, int64_t rank) {
  const std::vector<int64_t> coordinates = coordinatesOf(rank, mesh);
  for (size_t i = 0; i < mesh.size(); ++i)
    if (mesh[i].name == name) return coordinates[i];
  return 0;
}

/// Ranks by the coordinates that matter.
void findPrograms(ShardedModel& sharded) {
  const auto& mesh = sharded.rules.mesh;
  std::map<std::vector<int64_t>, size_t> known;
  for (int64_t rank = 0; rank < sharded.rules.ranks(); ++rank) {
    std::vector<int64_t> key = coordinatesOf(rank, mesh);
    for (size_t i = 0; i < mesh.size(); ++i)
      if (std::find(sharded.readAxes.begin(), sharded.readAxes.end(), mesh[i].name) == sharded.readAxes.end()) key[i] = 0;
    auto [entry, isNew] = known.try_emplace(key, sharded.firstRanks.size());
    if (isNew) sharded.firstRanks.push_back(rank);
    sharded.programOf.push_back(entry->second);
  }
}

std::string fileOf(int64_t rank) {
  std::string digits = std::to_string(rank);
  return "rank-" + std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits + ".jxp";
}

Status writeList(const ShardedModel& sharded, const fs::path& folder) {
  nlohmann::ordered_json json;
  json["mesh"] = nlohmann::ordered_json::array();
  json["plans"] = nlohmann::ordered_json::array();
  for (const passes::MeshAxis& axis : sharded.rules.mesh)
    json["mesh"].push_back({axis.name, axis.ranks});
  for (size_t program : sharded.programOf)
    json["plans"].push_back(fileOf(sharded.firstRanks[program]));
  const std::string text = json.dump() + "\n";
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create((folder / "ranks.json").string()));
  JINX_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

/// A folder beside the one that is wanted, gone again unless it takes that one's place.
class FolderAside {
 public:
  static Expected<std::unique_ptr<FolderAside>> create(std::string path) {
    while (path.size() > 1 && path.back() == '/')
      path.pop_back();
    std::error_code error;
    if (fs::exists(path, error) && !fs::exists(fs::path(path) / "ranks.json", error) && !(fs::is_directory(path, error) && fs::is_empty(path, error)))
      return invalidArgument(path + " is there and is no folder of ranks (it has no ranks.json), expected a new or an empty one");
    std::unique_ptr<FolderAside> folder(new FolderAside(path, path + ".new-" + std::to_string(::getpid())));
    fs::create_directory(folder->aside_, error);
    if (error) return systemError(error.value(), "cannot make the folder " + folder->aside_.string());
    return folder;
  }
  ~FolderAside() {
    std::error_code error;
    fs::remove_all(aside_, error);
  }
  const fs::path& path() const { return aside_; }
  Status commit() {
    std::error_code error;
    const fs::path old = path_.string() + ".old-" + std::to_string(::getpid());
    const bool wasThere = fs::exists(path_, error);
    if (wasThere) fs::rename(path_, old, error);
    if (!error) fs::rename(aside_, path_, error);
    if (error) return systemError(error.value(), "cannot put the plans to " + path_.string());
    if (wasThere) fs::remove_all(old, error);
    return Status::ok();
  }

 private:
  FolderAside(fs::path path, fs::path aside) : path_(std::move(path)), aside_(std::move(aside)) {}
  fs::path path_, aside_;
};

} // namespace

Expected<ShardedModel> shardModel(std::shared_ptr<ModelModule> model, const ShardRequest& request, const PartitionOptions& options) {
  ShardedModel sharded;
  auto last = std::chrono::steady_clock::now();
  auto lap = [&](const char* stage) {
    const auto now = std::chrono::steady_clock::now();
    sharded.times.emplace_back(stage, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  };
  auto remarks = std::make_shared<std::vector<Remark>>();
  if (options.remarks) {
    // The context writes to them as long as it lives.
    collectRemarks(*model->context, *remarks);
    model->context = std::shared_ptr<mlir::MLIRContext>(model->context.get(), [context = model->context, remarks](mlir::MLIRContext*) {});
  }
  // Codes and scales are what is split, not the numbers that they stand for.
  JINX_TRY(runPasses(*model, "splitting", [](mlir::OpPassManager& pm) {
    pm.addPass(passes::createSplitBlocks());
    pm.addPass(passes::createGatherCodes());
  }));
  lap("codes");
  sharded.rules = request.rules;
  if (request.isBuiltIn) {
    JINX_TRY_ASSIGN(sharded.rules, passes::builtInRules(*model->module, request.rules.mesh, request.isSequenceParallel, sharded.notes), "--shard");
    sharded.rules.gathersKeys = request.rules.gathersKeys;
  }
  JINX_TRY(passes::applyRules(*model->module, sharded.rules).status(), "--shard");
  JINX_TRY(markStages(*model, sharded.rules), "--shard");
  sharded.microbatches = passes::ranksAlong(sharded.rules.mesh, kMicrobatches);
  lap("rules");
  JINX_TRY(runPasses(*model, "splitting", [](mlir::OpPassManager& pm) { pm.addPass(passes::createPlaceValues()); }));
  JINX_TRY(verifyMicrobatches(*model));
  lap("place");
  JINX_TRY(runPasses(*model, "splitting",
                     [&](mlir::OpPassManager& pm) { pm.addPass(passes::createMoveReshards({options.network})); }));
  lap("move reshards");
  JINX_TRY(runPasses(*model, "splitting",
                     [&](mlir::OpPassManager& pm) { pm.addPass(passes::createPartition({.network = options.network, .experts = sharded.rules.experts})); }));
  lap("partition");
  JINX_TRY(unroll(sharded, *model));
  lap("unroll");
  JINX_TRY(runPasses(*model, "splitting", [&](mlir::OpPassManager& pm) { pm.addPass(passes::createFormRings({options.network, sharded.rules.gathersKeys ? "gather" : "ring"})); }));
  lap("rings");
  sharded.options = options;
  if (passes::ranksAlong(sharded.rules.mesh, kStages) <= 1) {
    JINX_TRY(runPasses(*model, "splitting", [&](mlir::OpPassManager& pm) {
      addOverlap(pm, options);
      pm.addPass(passes::createStartTransfers());
    }));
    lap("overlap");
  }
  for (const passes::RuleNote& note : sharded.notes)
    sharded.remarks.push_back({note.isSplit ? "passed" : "missed", "built-in-rules", note.isSplit ? "Split" : "Whole", note.node, note.text});
  sharded.remarks.insert(sharded.remarks.end(), remarks->begin(), remarks->end());
  for (mlir::StringAttr axis : dist::axesRead(model->main(), dist::meshOf(model->main(), dist::kOwn)))
    sharded.readAxes.push_back(axis.str());
  if (passes::ranksAlong(sharded.rules.mesh, kStages) > 1) sharded.readAxes.push_back(kStages);
  sharded.model = std::move(model);
  findPrograms(sharded);
  return sharded;
}

std::string printOwn(ShardedModel& sharded) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(64).elideLargeResourceString(64);
  sharded.model->module->print(stream, flags);
  return text;
}

Expected<std::shared_ptr<ModelModule>> stageProgram(ShardedModel& sharded, int64_t stage) {
  std::shared_ptr<ModelModule> model = sharded.model->clone();
  JINX_TRY(runPasses(*model, "splitting",
                     [&](mlir::OpPassManager& pm) {
                       pm.addPass(passes::createStageProgram({kStages, stage}));
                       pm.addPass(passes::createStartTransfers());
                     }),
           "stage " + std::to_string(stage));
  return model;
}

Expected<Compiled> compileRank(ShardedModel& sharded, size_t program, const CompileOptions& options) {
  const int64_t rank = sharded.firstRanks[program];
  std::shared_ptr<ModelModule> model = sharded.model->clone();
  JINX_TRY(runPasses(*model, "splitting",
                     [&](mlir::OpPassManager& pm) {
                       if (passes::ranksAlong(sharded.rules.mesh, kStages) > 1) {
                         pm.addPass(passes::createStageProgram({kStages, coordinateAlong(sharded.rules.mesh, kStages, rank)}));
                         addOverlap(pm, sharded.options);
                         pm.addPass(passes::createStartTransfers());
                       }
                       pm.addPass(passes::createRankProgram({rank}));
                       // Kernels read codes that are constants: those of this rank.
                       pm.addPass(passes::createFoldConstants({.keepCodes = true}));
                       pm.addPass(mlir::createCSEPass());
                     }),
           "rank " + std::to_string(rank));
  CompileOptions own = options;
  own.remarks = false; // the context has a listener
  JINX_TRY_ASSIGN(Compiled compiled, compileModule(std::move(model), own), "rank " + std::to_string(rank));
  return compiled;
}

Status writeRanks(ShardedModel& sharded, const std::string& path, const CompileOptions& options,
                  const std::function<void(size_t program, const Compiled& compiled)>& done) {
  JINX_TRY_ASSIGN(std::unique_ptr<FolderAside> folder, FolderAside::create(path));
  for (size_t program = 0; program < sharded.firstRanks.size(); ++program) {
    CompileOptions own = options;
    const double share = 1.0 / double(sharded.firstRanks.size());
    if (options.progress)
      own.progress = [&](const std::string& stage, double fraction) {
        options.progress("rank " + std::to_string(sharded.firstRanks[program]) + ": " + stage, (double(program) + fraction) * share);
      };
    JINX_TRY_ASSIGN(Compiled compiled, compileRank(sharded, program, own));
    if (!options.externalFolder.empty()) compiled.plan->plan().set_external_above(true);
    JINX_TRY(compiled.plan->writeFile((folder->path() / fileOf(sharded.firstRanks[program])).string()),
             "writing the plan of rank " + std::to_string(sharded.firstRanks[program]));
    done(program, compiled);
  }
  JINX_TRY(writeList(sharded, folder->path()));
  return folder->commit();
}

} // namespace jinx::driver
