// RUN: jinx-opt %s --jinx-lower-collectives | FileCheck %s
// Tests that every collective is over its first dimension afterwards, with what rearranges around it; what is so already is left alone.

dist.mesh @mesh <"dp" = 2, "tp" = 4>

// CHECK-LABEL: @gather
// CHECK-SAME: (%[[X:.*]]: tensor<8x16xf32>)
// CHECK: %[[A:.*]] = jinx.reshape %[[X]] : tensor<8x16xf32> -> tensor<1x8x16xf32>
// CHECK: %[[B:.*]] = dist.all_gather %[[A]] dim 0 over ["tp"] : tensor<1x8x16xf32> -> tensor<4x8x16xf32>
// CHECK: %[[C:.*]] = jinx.transpose %[[B]], [1, 0, 2] : tensor<4x8x16xf32> -> tensor<8x4x16xf32>
// CHECK: %[[Y:.*]] = jinx.reshape %[[C]] : tensor<8x4x16xf32> -> tensor<8x64xf32>
// CHECK: return %[[Y]]
func.func @gather(%x: tensor<8x16xf32>) -> tensor<8x64xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_gather %x dim 1 over ["tp"] : tensor<8x16xf32> -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// CHECK-LABEL: @gather_rows
// CHECK-NEXT: dist.all_gather %{{.*}} dim 0 over ["dp", "tp"] : tensor<2x16xf32> -> tensor<16x16xf32>
// CHECK-NEXT: return
func.func @gather_rows(%x: tensor<2x16xf32>) -> tensor<16x16xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_gather %x dim 0 over ["dp", "tp"] : tensor<2x16xf32> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}

// In front of the dimension are ones only: parts are neighbours.
// CHECK-LABEL: @gather_behind_ones
// CHECK: dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<1x1x2x16xf32> -> tensor<4x1x2x16xf32>
// CHECK-NOT: jinx.transpose
// CHECK: jinx.reshape %{{.*}} : tensor<4x1x2x16xf32> -> tensor<1x8x16xf32>
func.func @gather_behind_ones(%x: tensor<1x2x16xf32>) -> tensor<1x8x16xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_gather %x dim 1 over ["tp"] : tensor<1x2x16xf32> -> tensor<1x8x16xf32>
  return %y : tensor<1x8x16xf32>
}

// CHECK-LABEL: @scatter
// CHECK: %[[A:.*]] = jinx.reshape %{{.*}} : tensor<8x64x3xf32> -> tensor<8x4x16x3xf32>
// CHECK: %[[B:.*]] = jinx.transpose %[[A]], [1, 0, 2, 3] : tensor<8x4x16x3xf32> -> tensor<4x8x16x3xf32>
// CHECK: %[[C:.*]] = dist.reduce_scatter max %[[B]] dim 0 over ["tp"] : tensor<4x8x16x3xf32> -> tensor<1x8x16x3xf32>
// CHECK: jinx.reshape %[[C]] : tensor<1x8x16x3xf32> -> tensor<8x16x3xf32>
func.func @scatter(%x: tensor<8x64x3xf32>) -> tensor<8x16x3xf32> attributes {dist.ranked = @mesh} {
  %y = dist.reduce_scatter max %x dim 1 over ["tp"] : tensor<8x64x3xf32> -> tensor<8x16x3xf32>
  return %y : tensor<8x16x3xf32>
}

// CHECK-LABEL: @exchange
// CHECK: %[[A:.*]] = jinx.reshape %{{.*}} : tensor<8x16xf32> -> tensor<4x2x16xf32>
// CHECK: %[[B:.*]] = dist.all_to_all %[[A]] split 0 concat 0 over ["tp"] : tensor<4x2x16xf32> -> tensor<4x2x16xf32>
// CHECK: %[[C:.*]] = jinx.transpose %[[B]], [1, 0, 2] : tensor<4x2x16xf32> -> tensor<2x4x16xf32>
// CHECK: jinx.reshape %[[C]] : tensor<2x4x16xf32> -> tensor<2x64xf32>
func.func @exchange(%x: tensor<8x16xf32>) -> tensor<2x64xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_to_all %x split 0 concat 1 over ["tp"] : tensor<8x16xf32> -> tensor<2x64xf32>
  return %y : tensor<2x64xf32>
}

// CHECK-LABEL: @exchange_back
// CHECK: %[[A:.*]] = jinx.transpose %{{.*}}, [1, 0, 2] : tensor<2x4x16xf32> -> tensor<4x2x16xf32>
// CHECK: %[[B:.*]] = dist.all_to_all %[[A]] split 0 concat 0
// CHECK: jinx.reshape %[[B]] : tensor<4x2x16xf32> -> tensor<8x16xf32>
func.func @exchange_back(%x: tensor<2x64xf32>) -> tensor<8x16xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_to_all %x split 1 concat 0 over ["tp"] : tensor<2x64xf32> -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @same_dimension
// CHECK: dist.all_to_all %{{.*}} split 0 concat 0 over ["tp"] : tensor<4x3x2xf32> -> tensor<4x3x2xf32>
// CHECK: jinx.transpose %{{.*}}, [1, 0, 2] : tensor<4x3x2xf32> -> tensor<3x4x2xf32>
func.func @same_dimension(%x: tensor<3x8xf32>) -> tensor<3x8xf32> attributes {dist.ranked = @mesh} {
  %y = dist.all_to_all %x split 1 concat 1 over ["tp"] : tensor<3x8xf32> -> tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}

// CHECK-LABEL: @named_sizes
// CHECK: dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<1x?x?xf32, #jinx.dims<"1", "n", "(n - 1) floordiv 4 + 1">> -> tensor<4x?x?xf32, #jinx.dims<"4", "n", "(n - 1) floordiv 4 + 1">>
func.func @named_sizes(%x: tensor<?x?xf32, #jinx.dims<"n", "(n - 1) floordiv 4 + 1">>) -> tensor<?x?xf32, #jinx.dims<"n", "4*((n - 1) floordiv 4) + 4">> attributes {dist.ranked = @mesh} {
  %y = dist.all_gather %x dim 1 over ["tp"] : tensor<?x?xf32, #jinx.dims<"n", "(n - 1) floordiv 4 + 1">> -> tensor<?x?xf32, #jinx.dims<"n", "4*((n - 1) floordiv 4) + 4">>
  return %y : tensor<?x?xf32, #jinx.dims<"n", "4*((n - 1) floordiv 4) + 4">>
}

// What was started is rearranged behind its wait.
// CHECK-LABEL: @started
// CHECK: %[[P:.*]] = dist.all_gather %{{.*}} dim 0 over ["tp"] : tensor<1x8x16xf32> -> !dist.pending<tensor<4x8x16xf32>>
// CHECK-NEXT: %[[E:.*]] = jinx.exp
// CHECK-NEXT: %[[W:.*]] = dist.wait %[[P]] : {{.*}}<tensor<4x8x16xf32>>
// CHECK-NEXT: jinx.transpose %[[W]], [1, 0, 2]
func.func @started(%x: tensor<8x16xf32>) -> (tensor<8x64xf32>, tensor<8x16xf32>) attributes {dist.ranked = @mesh} {
  %p = dist.all_gather %x dim 1 over ["tp"] : tensor<8x16xf32> -> !dist.pending<tensor<8x64xf32>>
  %e = jinx.exp %x : tensor<8x16xf32> -> tensor<8x16xf32>
  %y = dist.wait %p : !dist.pending<tensor<8x64xf32>>
  return %y, %e : tensor<8x64xf32>, tensor<8x16xf32>
}

// A function of another form is not touched.
// CHECK-LABEL: @own
// CHECK: dist.all_gather %{{.*}} dim 1
func.func @own(%x: tensor<8x16xf32, #dist.on<"tp" = varying>>) -> tensor<8x64xf32> attributes {dist.own = @mesh} {
  %y = dist.all_gather %x dim 1 over ["tp"] : tensor<8x16xf32, #dist.on<"tp" = varying>> -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}
