#include "CudaTestSupport.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "codegen/schedules/Schedules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "runtime/base/DType.h"
#include "runtime/base/SizeExpr.h"

using namespace mlir;

namespace jinx::cuda::testing {

MLIRContext &context() {
  static auto *context = [] {
    auto *c = new MLIRContext(MLIRContext::Threading::DISABLED);
    c->loadDialect<tile::TileDialect, graph::GraphDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
    return c;
  }();
  return *context;
}

OwningOpRef<ModuleOp> parse(const std::string &text) {
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context()));
  EXPECT_TRUE(module) << "the program does not parse";
  return module;
}

tile::KernelOp kernelIn(ModuleOp module) {
  tile::KernelOp found;
  module.walk([&](tile::KernelOp kernel) { found = kernel; });
  return found;
}

ScheduledGroup scheduleForCuda(const std::string &text) {
  schedules::Target target;
  target.cuda = true;
  return scheduleForCuda(text, [&](graph::GroupOp group, OpBuilder &builder) { return schedules::scheduleGroup(group, "rows", target, builder); });
}

ScheduledGroup scheduleForCuda(const std::string &text, ScheduleOfGroup schedule) {
  auto module = parse(text);
  if (!module) return {};
  graph::GroupOp group;
  module->walk([&](graph::GroupOp op) { group = op; });
  OpBuilder builder(&context());
  builder.setInsertionPointToEnd(module->getBody());
  auto scheduled = schedule(group, builder);
  EXPECT_TRUE(succeeded(scheduled)) << text;
  if (failed(scheduled)) return {};
  auto kernel = emitCuda(scheduled->kernel);
  EXPECT_TRUE(succeeded(kernel)) << text;
  ScheduledGroup result;
  if (succeeded(kernel)) result.kernel = std::move(*kernel);
  for (const SizeExpr &size : scheduled->sizes) result.sizes.push_back(size.str());
  return result;
}

void expectGolden(const std::string &name, const std::string &text) {
  std::string path = std::string(JINX_SOURCE_DIR) + "/tests/unit/cuda/golden/" + name;
  if (std::getenv("JINX_UPDATE_GOLDEN")) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is missing: run with JINX_UPDATE_GOLDEN=1";
  std::stringstream content;
  content << file.rdbuf();
  EXPECT_EQ(content.str(), text) << "differs from " << path << "; JINX_UPDATE_GOLDEN=1 accepts the new text";
}

int64_t evaluate(const std::string &formula, const std::vector<int64_t> &sizes) {
  auto expr = SizeExpr::parse(formula);
  EXPECT_TRUE(expr.isOk()) << formula;
  if (!expr) return 0;
  auto value = expr->evaluate([&](std::string_view name) -> std::optional<int64_t> {
    size_t i = std::strtoul(std::string(name.substr(1)).c_str(), nullptr, 10);
    return i < sizes.size() ? std::optional(sizes[i]) : std::nullopt;
  });
  EXPECT_TRUE(value.has_value()) << formula;
  return value.value_or(0);
}

/// With JINX_DUMP_CUDA=folder: the text and its launch shape, for tests/device/gpu_check.py.
static void dump(const CudaKernel &kernel, const std::string &name) {
  const char *folder = std::getenv("JINX_DUMP_CUDA");
  if (!folder) return;
  std::filesystem::create_directories(folder);
  std::ofstream(std::string(folder) + "/" + name + ".cu") << kernel.source();
  std::ofstream json(std::string(folder) + "/" + name + ".json");
  auto list = [&](const auto &values, bool quoted) {
    json << "[";
    for (size_t i = 0; i < values.size(); ++i) {
      json << (i ? ", " : "") << (quoted ? "\"" : "") << values[i] << (quoted ? "\"" : "");
    }
    json << "]";
  };
  json << "{\"kernel\": \"" << kernel.name << "\", \"grid\": \"" << kernel.grid << "\", \"threads\": " << kernel.threads << ", \"shared\": \""
       << kernel.sharedBytes << "\", \"cluster\": " << kernel.cluster << ", \"maps\": [";
  for (size_t i = 0; i < kernel.tensorMaps.size(); ++i) {
    const TensorMapSpec &map = kernel.tensorMaps[i];
    json << (i ? ", " : "") << "{\"buffer\": " << map.buffer << ", \"dims\": ";
    list(map.dims, true);
    json << ", \"strides\": ";
    list(map.stridesBytes, true);
    json << ", \"box\": ";
    list(map.box, false);
    json << ", \"swizzle\": " << map.swizzleBytes << "}";
  }
  json << "]}\n";
}

void dumpForGpu(const CudaKernel &kernel, const std::string &name) { dump(kernel, name); }

Runner::Runner(CudaKernel kernel, const std::string &source) : kernel_(std::move(kernel)) {
  emulated::CompileOptions options;
  if (const char *folder = std::getenv("JINX_TEST_CACHE")) options.cacheDir = folder;
  auto module = emulated::HostModule::compile(source, kernel_.name, options);
  EXPECT_TRUE(module.isOk()) << module.status().message() << "\n" << kernel_.text;
  if (module) module_ = *module;
}

Expected<emulated::LaunchReport> Runner::run(const std::vector<Operand> &buffers, std::vector<int64_t> sizes, emulated::LaunchOptions options,
                                             int64_t blocks) {
  if (!module_) return internalError("the kernel did not compile");
  options.startsEarly |= kernel_.waitsForGrid;
  std::vector<void *> params;
  std::vector<void *> pointers;
  for (const Operand &operand : buffers) {
    pointers.push_back(operand.data);
    options.ranges.push_back({operand.data, operand.bytes, operand.writable, "buffer " + std::to_string(options.ranges.size())});
  }
  for (void *&pointer : pointers) params.push_back(&pointer);
  for (int64_t &size : sizes) params.push_back(&size);
  std::vector<emulated::EncodedTensorMap> maps(kernel_.tensorMaps.size());
  for (auto [i, spec] : llvm::enumerate(kernel_.tensorMaps)) {
    emulated::EmulatedTensorMap map;
    map.base = static_cast<unsigned char *>(buffers[spec.buffer].data);
    map.rank = static_cast<uint32_t>(spec.dims.size());
    map.elementBytes = spec.element.getIntOrFloatBitWidth() / 8;
    for (size_t d = 0; d < spec.dims.size(); ++d) map.dims[d] = static_cast<uint64_t>(evaluate(spec.dims[d], sizes));
    for (size_t d = 0; d < spec.stridesBytes.size(); ++d) map.strides[d] = static_cast<uint64_t>(evaluate(spec.stridesBytes[d], sizes));
    for (size_t d = 0; d < spec.box.size(); ++d) map.box[d] = static_cast<uint32_t>(spec.box[d]);
    map.swizzleBytes = static_cast<uint32_t>(spec.swizzleBytes);
    Status status = encodeTensorMap(map, maps[i]);
    if (!status.isOk()) return status;
    params.push_back(maps[i].bytes);
  }
  emulated::LaunchShape shape;
  shape.grid = static_cast<uint32_t>(blocks ? blocks : evaluate(kernel_.grid, sizes));
  shape.threads = static_cast<uint32_t>(kernel_.threads);
  shape.cluster = static_cast<uint32_t>(kernel_.cluster);
  shape.sharedBytes = static_cast<uint32_t>(evaluate(kernel_.sharedBytes, sizes));
  return emulated::launch(*module_, kernel_.name, shape, params.data(), options);
}

Runner runner(const std::string &text, const EmitOptions &options) {
  auto module = parse(text);
  CudaKernel kernel;
  if (module) {
    auto emitted = emitCuda(kernelIn(*module), options);
    EXPECT_TRUE(succeeded(emitted));
    if (succeeded(emitted)) kernel = *emitted;
  }
  return Runner(kernel);
}

std::vector<float> randomFloats(size_t n, uint64_t seed, float scale) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> v(n);
  for (float &x : v) x = normal(rng);
  return v;
}

uint16_t toBf16(float v) { return floatToBFloat16(v); }
float fromBf16(uint16_t v) { return bfloat16ToFloat(v); }

double worstError(const std::vector<float> &a, const std::vector<double> &b, double scale) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return INFINITY;
    if (std::isnan(b[i])) continue;
    worst = std::max(worst, std::abs(a[i] - b[i]) / (scale + std::abs(b[i])));
  }
  return worst;
}

}  // namespace jinx::cuda::testing
