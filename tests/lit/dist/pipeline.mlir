// RUN: jinx-opt %s --jinx-fold-constants --cse --canonicalize --jinx-simplify | FileCheck %s --check-prefix=KEPT
// RUN: jinx-opt %s --remarks-filter='.*' --remark-format=emitRemark --jinx-fold-constants -o /dev/null 2>&1 | FileCheck %s --check-prefix=SILENT --allow-empty
// RUN: jinx-opt %s --jinx-fuse | FileCheck %s --check-prefix=FUSED
// Tests that the ordinary passes keep collectives, and their order: all ranks come to each of them.

dist.mesh @mesh <"tp" = 4>

// Equal collectives are two, one whose result nobody reads stays, and one of a constant is not computed: other ranks have other constants.
// SILENT-NOT: all_gather
// KEPT-LABEL: @kept
// KEPT: dist.all_reduce sum
// KEPT: dist.all_reduce sum
// KEPT: dist.all_reduce max
// KEPT: %[[C:.*]] = dist.all_gather %{{.*}} dim 0
// KEPT: jinx.add
func.func @kept(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<16xf32>) attributes {dist.ranked = @mesh} {
  %c = jinx.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %a = dist.all_reduce sum %x over ["tp"] : tensor<4xf32> -> tensor<4xf32>
  %b = dist.all_reduce sum %x over ["tp"] : tensor<4xf32> -> tensor<4xf32>
  %unread = dist.all_reduce max %x over ["tp"] : tensor<4xf32> -> tensor<4xf32>
  %all = dist.all_gather %c dim 0 over ["tp"] : tensor<4xf32> -> tensor<16xf32>
  %y = jinx.add %all, %all : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  return %a, %b, %y : tensor<4xf32>, tensor<4xf32>, tensor<16xf32>
}

// What lies between is a kernel's; what a collective reads and writes is in memory.
// FUSED-LABEL: @materialized
// FUSED: %[[G:.*]] = jinx.group
// FUSED: jinx.exp
// FUSED: jinx.neg
// FUSED: %[[R:.*]] = dist.all_reduce sum %[[G]]
// FUSED: jinx.group "rows"(%[[R]])
func.func @materialized(%x: tensor<64x64xf32>) -> tensor<64x64xf32> attributes {dist.ranked = @mesh} {
  %a = jinx.exp %x : tensor<64x64xf32> -> tensor<64x64xf32>
  %b = jinx.neg %a : tensor<64x64xf32> -> tensor<64x64xf32>
  %r = dist.all_reduce sum %b over ["tp"] : tensor<64x64xf32> -> tensor<64x64xf32>
  %c = jinx.neg %r : tensor<64x64xf32> -> tensor<64x64xf32>
  return %c : tensor<64x64xf32>
}

// %a and %s could share a kernel: nothing reads the one and makes the other but the order of collectives. The sum would come before the largest.
// FUSED-LABEL: @order
// FUSED: jinx.group
// FUSED: dist.all_reduce max
// FUSED: dist.all_reduce sum
// FUSED: jinx.group
func.func @order(%x: tensor<64x64xf32>, %z: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>) attributes {dist.ranked = @mesh} {
  %a = jinx.exp %x : tensor<64x64xf32> -> tensor<64x64xf32>
  %m = dist.all_reduce max %a over ["tp"] : tensor<64x64xf32> -> tensor<64x64xf32>
  %t = dist.all_reduce sum %z over ["tp"] : tensor<64x64xf32> -> tensor<64x64xf32>
  %s = jinx.add %a, %t : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  return %m, %s : tensor<64x64xf32>, tensor<64x64xf32>
}

// %a and %s do share a kernel here, which stands behind both collectives; the view of %a that stood in front of them comes after it, and they keep their order.
// FUSED-LABEL: @sorted
// FUSED: dist.all_reduce max
// FUSED: dist.all_reduce sum
// FUSED: jinx.group
// FUSED: jinx.exp
// FUSED: jinx.add
// FUSED: jinx.reshape
func.func @sorted(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>, %z: tensor<64x64xf32>) -> (tensor<4096xf32>, tensor<64x64xf32>, tensor<64x64xf32>) attributes {dist.ranked = @mesh} {
  %a = jinx.exp %x : tensor<64x64xf32> -> tensor<64x64xf32>
  %u = jinx.reshape %a : tensor<64x64xf32> -> tensor<4096xf32>
  %m = dist.all_reduce max %w over ["tp"] : tensor<64x64xf32> -> tensor<64x64xf32>
  %t = dist.all_reduce sum %z over ["tp"] : tensor<64x64xf32> -> tensor<64x64xf32>
  %s = jinx.add %a, %t : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  return %u, %m, %s : tensor<4096xf32>, tensor<64x64xf32>, tensor<64x64xf32>
}
