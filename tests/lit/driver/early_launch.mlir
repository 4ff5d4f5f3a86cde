// A launch for sm_90 waits for the one before it, and what it reads is not __restrict__, so that no load is moved over the wait.
// RUN: jinx compile %s --target cuda:sm_90a --emit cuda | FileCheck %s --check-prefixes=CHECK,EARLY
// RUN: jinx compile %s --target cuda:sm_90a --no-early-launch --emit cuda | FileCheck %s --check-prefixes=CHECK,LATE
// RUN: jinx compile %s --target cuda:sm_80 --emit cuda | FileCheck %s --check-prefixes=CHECK,LATE
// RUN: jinx compile %s --target cuda:sm_90a --no-early-launch -o %t.jxp && jinx inspect %t.jxp --json | FileCheck %s --check-prefix=SAID
// RUN: not jinx compile %s --target cuda:sm_80 --no-early-launch --emit cuda 2>&1 | FileCheck %s --check-prefix=TARGET

// SAID: early-launch=off
// TARGET: --no-early-launch is about target cuda:sm_90a, got target cuda:sm_80
// CHECK: (const float* x, float* __restrict__ y
// EARLY: grid_release_next();
// EARLY-NEXT: grid_wait_previous();
// LATE-NOT: grid_
func.func @main(%x: tensor<100xf32> {jinx.name = "x"}) -> (tensor<100xf32> {jinx.name = "y"}) {
  %y = jinx.relu %x : tensor<100xf32> -> tensor<100xf32>
  return %y : tensor<100xf32>
}
