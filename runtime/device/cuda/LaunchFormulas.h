// How a plan's kernel is launched on CUDA, real or emulated: formulas over the launch's sizes, read and checked once, evaluated without
// allocation.
//
//   grid "(a0 + 127) floordiv 128", 128 threads, shared "a1 * 4"   with sizes [1000, 64]   ->   8 blocks of 128 threads, 256 bytes
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/SizeExpr.h"
#include "runtime/base/Status.h"
#include "runtime/device/Device.h"

namespace jinx::cuda {

/// A kernel takes at most this many buffers, sizes and tensor maps together.
inline constexpr size_t kMaxParameters = 256;
inline constexpr int kMaxMapRank = 5;
/// Where a kernel's buffers begin: texts are printed with accesses of 16 bytes that ask nothing of an address (codegen/cuda/RowMemory.cpp).
inline constexpr uintptr_t kBufferBoundary = 16;

struct LaunchShape {
  uint32_t grid = 0; ///< blocks, all in x
  uint32_t threads = 0;
  uint32_t sharedBytes = 0; ///< dynamic shared memory of a block
  uint32_t cluster = 1;     ///< blocks
};

/// A tensor map (TMA descriptor) with all numbers known.
struct TensorMapShape {
  uint32_t buffer = 0; ///< which buffer operand
  DType dtype = DType::kF32;
  uint32_t rank = 0, swizzleBytes = 0;
  std::array<uint64_t, kMaxMapRank> dims{};        ///< innermost first
  std::array<uint64_t, kMaxMapRank - 1> strides{}; ///< bytes, of dims 1 and up
  std::array<uint32_t, kMaxMapRank> box{};
  bool isRun = false;             ///< of pixels: box is channels and pixels
  std::array<int32_t, 6> window{}; ///< of a run: first w, first h, last w, last h, step w, step h
};

class LaunchFormulas {
 public:
  /// kInvalidArgument, naming the kernel, where the plan's formulas do not fit together.
  static Expected<LaunchFormulas> read(const plan::Kernel& kernel);

  const std::string& symbol() const { return symbol_; }
  uint32_t numBuffers() const { return numBuffers_; }
  uint32_t numSizes() const { return numSizes_; }
  bool waitsForGrid() const { return waitsForGrid_; } ///< its launch may begin before the one in front of it has ended
  bool takesPeers() const { return takesPeers_; }     ///< its last parameter is a PeerTable
  size_t numMaps() const { return maps_.size(); }

  /// kInvalidArgument where a buffer is not aligned.
  /// \param maxSharedBytes  what a block of the device may have
  Expected<LaunchShape> shapeOf(const KernelLaunch& launch, int64_t maxSharedBytes) const;
  Expected<TensorMapShape> mapOf(size_t index, std::span<const int64_t> sizes) const;

 private:
  struct Map {
    TensorMapShape fixed;
    std::vector<SizeProgram> dims, strides;
  };
  Expected<SizeProgram> compile(const std::string& text) const;
  Expected<int64_t> evaluate(const SizeProgram& formula, std::span<const int64_t> sizes, const char* what) const;
  Expected<Map> readMap(const plan::TensorMap& map) const;

  std::string symbol_;
  uint32_t numBuffers_ = 0, numSizes_ = 0, threads_ = 0, cluster_ = 1;
  bool waitsForGrid_ = false, takesPeers_ = false;
  std::vector<SizeProgram> grid_;
  SizeProgram shared_;
  std::vector<Map> maps_;
};

} // namespace jinx::cuda
