#include "codegen/cuda/PlanKernel.h"

#include "codegen/cuda/CudaTypes.h"
#include "llvm/ADT/StringMap.h"
#include "runtime/base/DType.h"

using llvm::ArrayRef;

namespace jinx::cuda {

static DType dtypeOf(mlir::Type type) {
  if (type.isF32()) return DType::kF32;
  if (type.isF64()) return DType::kF64;
  if (type.isF16()) return DType::kF16;
  if (type.isBF16()) return DType::kBF16;
  switch (bytesOf(type)) {
    case 1: return DType::kI8;
    case 2: return DType::kI16;
    case 4: return DType::kI32;
    default: return DType::kI64;
  }
}

void describeKernel(const CudaKernel &kernel, int64_t numBuffers, int64_t numSizes, plan::Kernel &to) {
  to.set_symbol(kernel.name);
  to.set_num_buffers(static_cast<uint32_t>(numBuffers));
  to.set_num_sizes(static_cast<uint32_t>(numSizes));
  to.clear_grid();
  to.add_grid(kernel.grid);
  to.set_block_threads(static_cast<uint32_t>(kernel.threads));
  to.set_shared_bytes(kernel.sharedBytes);
  to.clear_cluster();
  if (kernel.cluster > 1) to.add_cluster(static_cast<uint32_t>(kernel.cluster));
  to.set_waits_for_grid(kernel.waitsForGrid);
  to.set_sum_ranks(static_cast<uint32_t>(kernel.sumRanks));
  to.clear_tensor_maps();
  for (const TensorMapSpec &spec : kernel.tensorMaps) {
    plan::TensorMap *map = to.add_tensor_maps();
    map->set_buffer(static_cast<uint32_t>(spec.buffer));
    map->set_dtype(static_cast<uint32_t>(dtypeOf(spec.element)));
    for (const std::string &dim : spec.dims) map->add_dims(dim);
    for (const std::string &stride : spec.stridesBytes) map->add_strides_bytes(stride);
    for (int64_t extent : spec.box) map->add_box(static_cast<uint32_t>(extent));
    map->set_swizzle_bytes(static_cast<uint32_t>(spec.swizzleBytes));
    for (int64_t number : spec.window) map->add_window(static_cast<int32_t>(number));
  }
}

Status addToPlan(ArrayRef<CudaKernel> kernels, const std::string &arch, PlanWriter &writer) {
  llvm::StringMap<plan::Kernel *> described;
  for (plan::Kernel &kernel : *writer.plan().mutable_kernels()) described[kernel.symbol()] = &kernel;
  for (const CudaKernel &kernel : kernels) {
    plan::Kernel *to = described.lookup(kernel.name);
    if (!to) return internalError("the plan has no kernel " + kernel.name);
    describeKernel(kernel, to->num_buffers(), to->num_sizes(), *to);
    plan::CodeObject *object = writer.plan().add_code();
    object->set_isa("cuda:" + arch);
    object->set_segment(writer.addSegment("cuda." + kernel.name, kernel.source()));
    object->set_format("cuda");
  }
  return Status::ok();
}

}  // namespace jinx::cuda
