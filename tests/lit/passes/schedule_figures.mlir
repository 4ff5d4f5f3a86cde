// RUN: jinx-opt %s --split-input-file --jinx-schedule | FileCheck %s

// A product counts two for every multiplication and addition, the epilogue one an element; weights are moved once. Bytes of
// 4x8 + 2x8x16 + 4x20 elements.
// CHECK-LABEL: @product
// CHECK: jinx.launch @k0_packed_matmul
// CHECK-SAME: {bytes = "1472", flops = "1360"
func.func @product(%a: tensor<4x8xf32>, %b: tensor<2x8x16xf32>) -> tensor<4x20xf32> {
  %y = jinx.group "matmul"(%a, %b) : (tensor<4x8xf32>, tensor<2x8x16xf32>) -> tensor<4x20xf32> {
  ^bb0(%c: tensor<4x8xf32>, %d: tensor<2x8x16xf32>):
    %m = jinx.packed_matmul %c, %d : tensor<4x8xf32>, tensor<2x8x16xf32> -> tensor<4x20xf32>
    %r = jinx.relu %m : tensor<4x20xf32> -> tensor<4x20xf32>
    jinx.yield %r : tensor<4x20xf32>
  }
  return %y : tensor<4x20xf32>
}

// -----

// A dynamic size gives formulas; a bool is a byte.
// CHECK-LABEL: @symbolic
// CHECK: jinx.launch @k0_compare
// CHECK-SAME: {bytes = "9*n", flops = "n"}
func.func @symbolic(%x: tensor<?xf32, #jinx.dims<"n">>, %z: tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xi1, #jinx.dims<"n">> {
  %y = jinx.group "rows"(%x, %z) : (tensor<?xf32, #jinx.dims<"n">>, tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xi1, #jinx.dims<"n">> {
  ^bb0(%a: tensor<?xf32, #jinx.dims<"n">>, %b: tensor<?xf32, #jinx.dims<"n">>):
    %c = jinx.compare lt, %a, %b : tensor<?xf32, #jinx.dims<"n">>, tensor<?xf32, #jinx.dims<"n">> -> tensor<?xi1, #jinx.dims<"n">>
    jinx.yield %c : tensor<?xi1, #jinx.dims<"n">>
  }
  return %y : tensor<?xi1, #jinx.dims<"n">>
}

// -----

// A reduction counts its input's elements.
// CHECK-LABEL: @reduce
// CHECK: {bytes = "144", flops = "32"}
func.func @reduce(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %y = jinx.group "rows"(%x) : (tensor<4x8xf32>) -> tensor<4x1xf32> {
  ^bb0(%a: tensor<4x8xf32>):
    %m = jinx.reduce max, %a axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
    jinx.yield %m : tensor<4x1xf32>
  }
  return %y : tensor<4x1xf32>
}

// -----

// Of a table only the rows that are gathered are moved: 3 indices, and 3 rows of 8 read and written.
// CHECK-LABEL: @gather
// CHECK: {bytes = "216", flops = "0"}
func.func @gather(%x: tensor<1000x8xf32>, %i: tensor<3xi64>) -> tensor<3x8xf32> {
  %y = jinx.group "rows"(%x, %i) : (tensor<1000x8xf32>, tensor<3xi64>) -> tensor<3x8xf32> {
  ^bb0(%a: tensor<1000x8xf32>, %j: tensor<3xi64>):
    %g = jinx.gather %a, %j axis 0 : tensor<1000x8xf32>, tensor<3xi64> -> tensor<3x8xf32>
    jinx.yield %g : tensor<3x8xf32>
  }
  return %y : tensor<3x8xf32>
}

// -----

// Tests that a table that is read otherwise too counts whole.
// CHECK-LABEL: @gather_and_add
// CHECK: {bytes = "360", flops = "40"}
func.func @gather_and_add(%x: tensor<5x8xf32>, %i: tensor<5xi64>) -> tensor<5x8xf32> {
  %y = jinx.group "rows"(%x, %i) : (tensor<5x8xf32>, tensor<5xi64>) -> tensor<5x8xf32> {
  ^bb0(%a: tensor<5x8xf32>, %j: tensor<5xi64>):
    %g = jinx.gather %a, %j axis 0 : tensor<5x8xf32>, tensor<5xi64> -> tensor<5x8xf32>
    %s = jinx.add %g, %a : tensor<5x8xf32>, tensor<5x8xf32> -> tensor<5x8xf32>
    jinx.yield %s : tensor<5x8xf32>
  }
  return %y : tensor<5x8xf32>
}

// -----

// Tests that a constant inside is no node and names no kernel.
// CHECK-LABEL: @constant
// CHECK: jinx.launch @k0_mul
// CHECK-SAME: from ["/half"]
func.func @constant(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %c = jinx.constant dense<5.000000e-01> : tensor<f32> loc("weights.half")
    %m = jinx.mul %a, %c : tensor<8xf32>, tensor<f32> -> tensor<8xf32> loc("/half")
    jinx.yield %m : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}
