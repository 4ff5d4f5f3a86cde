#include "runtime/device/cuda/LaunchFormulas.h"

#include <algorithm>
#include <charconv>


namespace jinx::cuda {

Expected<LaunchFormulas> LaunchFormulas::read(const plan::Kernel& kernel) {
  LaunchFormulas to;
  to.symbol_ = kernel.symbol();
  to.numBuffers_ = kernel.num_buffers();
  to.numSizes_ = kernel.num_sizes();
  to.threads_ = kernel.block_threads();
  if (to.threads_ == 0) return invalidArgument("kernel " + to.symbol_ + " has no launch shape for CUDA");
  if (size_t all = size_t{to.numBuffers_} + to.numSizes_ + static_cast<size_t>(kernel.tensor_maps_size()); all > kMaxParameters)
    return invalidArgument("kernel " + to.symbol_ + " has " + std::to_string(all) + " parameters, at most " +
                           std::to_string(kMaxParameters) + " are expected");
  for (uint32_t extent : kernel.cluster())
    to.cluster_ *= extent;
  to.waitsForGrid_ = kernel.waits_for_grid();
  to.takesPeers_ = kernel.sum_ranks() > 0;
  for (const std::string& text : kernel.grid()) {
    JINX_TRY_ASSIGN(SizeProgram formula, to.compile(text));
    to.grid_.push_back(std::move(formula));
  }
  JINX_TRY_ASSIGN(to.shared_, to.compile(kernel.shared_bytes().empty() ? "0" : kernel.shared_bytes()));
  for (const plan::TensorMap& from : kernel.tensor_maps()) {
    JINX_TRY_ASSIGN(Map map, to.readMap(from));
    to.maps_.push_back(std::move(map));
  }
  return to;
}

Expected<SizeProgram> LaunchFormulas::compile(const std::string& text) const {
  JINX_TRY_ASSIGN(SizeExpr expr, SizeExpr::parse(text), "kernel " + symbol_);
  return SizeProgram::compile(expr, [&](std::string_view name) {
    int index = -1;
    if (name.size() > 1 && name[0] == 'a') std::from_chars(name.data() + 1, name.data() + name.size(), index);
    return index < static_cast<int>(numSizes_) ? index : -1;
  });
}

Expected<LaunchFormulas::Map> LaunchFormulas::readMap(const plan::TensorMap& from) const {
  const int rank = from.dims_size();
  if (from.buffer() >= numBuffers_ || rank < 1 || rank > kMaxMapRank || from.strides_bytes_size() != rank - 1 ||
      from.box_size() != (from.window_size() ? 2 : rank) || (from.window_size() && (from.window_size() != 6 || rank != 4)))
    return invalidArgument("kernel " + symbol_ + " has a tensor map that does not fit together");
  Map map;
  map.fixed.buffer = from.buffer();
  map.fixed.dtype = static_cast<DType>(from.dtype());
  map.fixed.rank = static_cast<uint32_t>(rank);
  map.fixed.swizzleBytes = from.swizzle_bytes();
  map.fixed.isRun = from.window_size() > 0;
  std::copy(from.window().begin(), from.window().end(), map.fixed.window.begin());
  std::copy(from.box().begin(), from.box().end(), map.fixed.box.begin());
  for (int d = 0; d < rank; ++d) {
    JINX_TRY_ASSIGN(SizeProgram dim, compile(from.dims(d)));
    map.dims.push_back(std::move(dim));
    if (d == 0) continue;
    JINX_TRY_ASSIGN(SizeProgram stride, compile(from.strides_bytes(d - 1)));
    map.strides.push_back(std::move(stride));
  }
  return map;
}

Expected<int64_t> LaunchFormulas::evaluate(const SizeProgram& formula, std::span<const int64_t> sizes, const char* what) const {
  bool ok = true;
  int64_t value = formula.run(sizes.data(), &ok);
  if (ok && value >= 0) return value;
  return internalError("kernel " + symbol_ + ": the formula for its " + what + " has no value for these sizes");
}

Expected<LaunchShape> LaunchFormulas::shapeOf(const KernelLaunch& launch, int64_t maxSharedBytes) const {
  if (launch.buffers.size() != numBuffers_ || launch.sizes.size() != numSizes_)
    return internalError("kernel " + symbol_ + " takes " + std::to_string(numBuffers_) + " buffers and " +
                         std::to_string(numSizes_) + " sizes, and gets " + std::to_string(launch.buffers.size()) + " and " +
                         std::to_string(launch.sizes.size()));
  for (size_t i = 0; i < launch.buffers.size(); ++i)
    if (reinterpret_cast<uintptr_t>(launch.buffers[i]) % kBufferBoundary != 0)
      return invalidArgument("kernel " + symbol_ + ": buffer " + std::to_string(i) + " begins " +
                             std::to_string(reinterpret_cast<uintptr_t>(launch.buffers[i]) % kBufferBoundary) +
                             " bytes past a multiple of " + std::to_string(kBufferBoundary) + ", where kernels expect it");
  int64_t blocks = grid_.empty() ? launch.programs : 1;
  for (const SizeProgram& formula : grid_) {
    JINX_TRY_ASSIGN(int64_t extent, evaluate(formula, launch.sizes, "grid"));
    if (__builtin_mul_overflow(blocks, extent, &blocks)) blocks = INT64_MAX;
  }
  JINX_TRY_ASSIGN(int64_t shared, evaluate(shared_, launch.sizes, "shared memory"));
  if (blocks > INT32_MAX) return unimplemented("kernel " + symbol_ + " wants " + std::to_string(blocks) + " blocks");
  if (shared > maxSharedBytes)
    return unimplemented("kernel " + symbol_ + " wants " + std::to_string(shared) + " bytes of shared memory, of " +
                         std::to_string(maxSharedBytes));
  return LaunchShape{static_cast<uint32_t>(blocks), threads_, static_cast<uint32_t>(shared), cluster_};
}

Expected<TensorMapShape> LaunchFormulas::mapOf(size_t index, std::span<const int64_t> sizes) const {
  const Map& map = maps_[index];
  TensorMapShape shape = map.fixed;
  for (size_t d = 0; d < map.dims.size(); ++d) {
    JINX_TRY_ASSIGN(int64_t extent, evaluate(map.dims[d], sizes, "tensor map"));
    shape.dims[d] = static_cast<uint64_t>(extent);
    if (d == 0) continue;
    JINX_TRY_ASSIGN(int64_t stride, evaluate(map.strides[d - 1], sizes, "tensor map"));
    shape.strides[d - 1] = static_cast<uint64_t>(stride);
  }
  return shape;
}

} // namespace jinx::cuda
