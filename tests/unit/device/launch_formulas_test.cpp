// Launch shapes and tensor maps from a plan's formulas, and the errors of formulas that do not fit.
#include "runtime/device/cuda/LaunchFormulas.h"

#include <gtest/gtest.h>

namespace jinx::cuda {
namespace {

plan::Kernel kernel() {
  plan::Kernel k;
  k.set_symbol("k");
  k.set_num_buffers(2);
  k.set_num_sizes(2);
  k.add_grid("(a0 + 127) floordiv 128");
  k.set_block_threads(128);
  k.set_shared_bytes("a1 * 4");
  return k;
}

struct Launch {
  void* buffers[2] = {};
  int64_t sizes[2];
  KernelLaunch launch;
  Launch(int64_t a0, int64_t a1) : sizes{a0, a1} {
    launch.buffers = buffers;
    launch.sizes = sizes;
  }
};

TEST(LaunchFormulas, ShapeOfSizes) {
  auto formulas = LaunchFormulas::read(kernel());
  ASSERT_TRUE(formulas.isOk()) << formulas.status().message();
  auto shape = formulas->shapeOf(Launch(1000, 64).launch, 1024);
  ASSERT_TRUE(shape.isOk());
  EXPECT_EQ(shape->grid, 8u);
  EXPECT_EQ(shape->threads, 128u);
  EXPECT_EQ(shape->sharedBytes, 256u);
  EXPECT_EQ(shape->cluster, 1u);
  EXPECT_EQ(formulas->shapeOf(Launch(0, 0).launch, 1024)->grid, 0u);
}

TEST(LaunchFormulas, RefusesWhatADeviceCannotLaunch) {
  auto formulas = LaunchFormulas::read(kernel());
  ASSERT_TRUE(formulas.isOk());
  EXPECT_EQ(formulas->shapeOf(Launch(1, 1000).launch, 1024).status().message(), "kernel k wants 4000 bytes of shared memory, of 1024");
  EXPECT_EQ(formulas->shapeOf(Launch(int64_t{1} << 40, 0).launch, 1024).status().message(), "kernel k wants 8589934592 blocks");
  EXPECT_EQ(formulas->shapeOf(Launch(1, -1).launch, 1024).status().message(), "kernel k: the formula for its shared memory has no value for these sizes");
  Launch few(1, 1);
  few.launch.sizes = few.launch.sizes.first(1);
  EXPECT_EQ(formulas->shapeOf(few.launch, 1024).status().message(), "kernel k takes 2 buffers and 2 sizes, and gets 2 and 1");
  Launch apart(1, 1);
  apart.buffers[1] = reinterpret_cast<void*>(uintptr_t{4104});
  EXPECT_EQ(formulas->shapeOf(apart.launch, 1024).status().message(),
            "kernel k: buffer 1 begins 8 bytes past a multiple of 16, where kernels expect it");
}

TEST(LaunchFormulas, MapsHaveTheirNumbers) {
  plan::Kernel k = kernel();
  plan::TensorMap& map = *k.add_tensor_maps();
  map.set_buffer(1);
  map.set_dtype(static_cast<uint32_t>(DType::kF32));
  map.add_dims("a1");
  map.add_dims("a0");
  map.add_strides_bytes("a1 * 4");
  map.add_box(32);
  map.add_box(64);
  map.set_swizzle_bytes(128);
  auto formulas = LaunchFormulas::read(k);
  ASSERT_TRUE(formulas.isOk()) << formulas.status().message();
  Launch sizes(10, 48);
  auto shape = formulas->mapOf(0, sizes.launch.sizes);
  ASSERT_TRUE(shape.isOk());
  EXPECT_EQ(shape->rank, 2u);
  EXPECT_EQ(shape->dims[0], 48u);
  EXPECT_EQ(shape->dims[1], 10u);
  EXPECT_EQ(shape->strides[0], 192u);
  EXPECT_EQ(shape->box[1], 64u);
  map.set_buffer(2);
  EXPECT_EQ(LaunchFormulas::read(k).status().message(), "kernel k has a tensor map that does not fit together");
}

TEST(LaunchFormulas, ReadsOnlyItsOwnSizes) {
  for (const char* bad : {"a2", "b", "a", "a0 +", "seq"}) {
    plan::Kernel k = kernel();
    k.set_grid(0, bad);
    EXPECT_FALSE(LaunchFormulas::read(k).isOk()) << bad;
  }
  plan::Kernel none = kernel();
  none.set_block_threads(0);
  EXPECT_EQ(LaunchFormulas::read(none).status().message(), "kernel k has no launch shape for CUDA");
  plan::Kernel many = kernel();
  many.set_num_buffers(kMaxParameters);
  EXPECT_EQ(LaunchFormulas::read(many).status().code(), Code::kInvalidArgument);
}

} // namespace
} // namespace jinx::cuda
