// A constant that every program reads at one place is asked for before the wait for the launch in front (decision 0043); what launches before have written is not.
// RUN: %python -c "print(open('%s').read().replace('BYTES', '0x' + bytes(range(64, 64 + 4)).hex() * 255 + '0000003f'))" > %t.mlir
// RUN: jinx compile %t.mlir --target cuda:sm_90a --emit cuda | FileCheck %s --check-prefix=EARLY
// RUN: jinx compile %t.mlir --target cuda:sm_90a --no-early-launch --emit cuda | FileCheck %s --check-prefix=LATE

// EARLY: k0_reduce(const float* x0, const float* x1,
// EARLY: prefetch_constant<kRuns, kRun>(x1 + thread_first, kStride);
// EARLY-NEXT: grid_release_next();
// EARLY-NEXT: grid_wait_previous();
// EARLY-NOT: prefetch_constant<
// LATE-NOT: prefetch_constant<
func.func @main(%x: tensor<40x256xf32> {jinx.name = "x"}) -> (tensor<40x256xf32> {jinx.name = "y"}) {
  %w = jinx.constant dense<"BYTES"> : tensor<256xf32>
  %q = jinx.mul %x, %x : tensor<40x256xf32>, tensor<40x256xf32> -> tensor<40x256xf32>
  %m = jinx.reduce sum, %q axes [1] : tensor<40x256xf32> -> tensor<40x1xf32>
  %r = jinx.rsqrt %m : tensor<40x1xf32> -> tensor<40x1xf32>
  %n = jinx.mul %x, %r : tensor<40x256xf32>, tensor<40x1xf32> -> tensor<40x256xf32>
  %y = jinx.mul %n, %w : tensor<40x256xf32>, tensor<256xf32> -> tensor<40x256xf32>
  return %y : tensor<40x256xf32>
}
