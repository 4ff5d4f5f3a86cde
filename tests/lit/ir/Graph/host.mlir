// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// An omitted operand is a value of its own type.
// CHECK-LABEL: @host_call
// CHECK-SAME: (%[[X:.*]]: tensor<8xf32>
// CHECK: %[[NONE:.*]] = jinx.none : !jinx.none
// CHECK: jinx.host_call "" "Clip" 13 {{{ *}}}(%[[X]], %[[NONE]]) : (tensor<8xf32>, !jinx.none) -> tensor<8xf32>
func.func @host_call(%x: tensor<8xf32>) -> tensor<8xf32> {
  %none = jinx.none : !jinx.none
  %y = jinx.host_call "" "Clip" 13 {} (%x, %none) : (tensor<8xf32>, !jinx.none) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// A dimension that only the step knows is a symbol.
// CHECK-LABEL: @host_call_defines
// CHECK: jinx.host_call "" "NonZero" 13 {{{ *}}}(%{{.*}}) : (tensor<8xf32>) -> tensor<1x?xi64, #jinx.dims<"1", "nonzero">>
func.func @host_call_defines(%x: tensor<8xf32>) -> tensor<1x?xi64, #jinx.dims<"1", "nonzero">> {
  %y = jinx.host_call "" "NonZero" 13 {} (%x) : (tensor<8xf32>) -> tensor<1x?xi64, #jinx.dims<"1", "nonzero">>
  return %y : tensor<1x?xi64, #jinx.dims<"1", "nonzero">>
}

// CHECK-LABEL: @host_types
// CHECK-SAME: tensor<2x!jinx.string>
// CHECK: jinx.host_call "" "SequenceConstruct" 11 {{{ *}}}(%{{.*}}) : (tensor<2x!jinx.string>) -> !jinx.sequence<tensor<*x!jinx.string>>
// CHECK: jinx.host_call "" "Optional" 15 {{{ *}}}(%{{.*}}) : (!jinx.sequence<tensor<*x!jinx.string>>) -> !jinx.optional<!jinx.sequence<tensor<*x!jinx.string>>>
func.func @host_types(%x: tensor<2x!jinx.string>) -> !jinx.optional<!jinx.sequence<tensor<*x!jinx.string>>> {
  %s = jinx.host_call "" "SequenceConstruct" 11 {} (%x) : (tensor<2x!jinx.string>) -> !jinx.sequence<tensor<*x!jinx.string>>
  %o = jinx.host_call "" "Optional" 15 {} (%s) : (!jinx.sequence<tensor<*x!jinx.string>>) -> !jinx.optional<!jinx.sequence<tensor<*x!jinx.string>>>
  return %o : !jinx.optional<!jinx.sequence<tensor<*x!jinx.string>>>
}

// CHECK-LABEL: @attributes
// CHECK: jinx.host_call "com.microsoft" "Made" 1 {alpha = 5.000000e-01 : f64, axes = array<i64: 0, 1>, mode = "fast"}
func.func @attributes(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = jinx.host_call "com.microsoft" "Made" 1 {alpha = 0.5 : f64, axes = array<i64: 0, 1>, mode = "fast"} (%x) : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// CHECK-LABEL: @if
// CHECK-SAME: (%[[C:.*]]: tensor<i1>, %[[X:.*]]: tensor<4xf32>
// CHECK: jinx.if %[[C]] : tensor<i1> -> tensor<4xf32> {
// CHECK:   %[[T:.*]] = jinx.exp %[[X]]
// CHECK:   jinx.yield %[[T]] : tensor<4xf32>
// CHECK: } else {
// CHECK:   jinx.yield %[[X]] : tensor<4xf32>
// CHECK: }
func.func @if(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    %t = jinx.exp %x : tensor<4xf32> -> tensor<4xf32>
    jinx.yield %t : tensor<4xf32>
  } else {
    jinx.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// CHECK-LABEL: @loop
// CHECK: jinx.loop(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<i64>, !jinx.none, tensor<4xf32>) -> tensor<4xf32> {
// CHECK: ^bb0(%{{.*}}: tensor<i64>, %[[GO:.*]]: tensor<i1>, %[[V:.*]]: tensor<4xf32>):
// CHECK:   %[[W:.*]] = jinx.exp %[[V]]
// CHECK:   jinx.yield %[[GO]], %[[W]] : tensor<i1>, tensor<4xf32>
func.func @loop(%n: tensor<i64>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %none = jinx.none : !jinx.none
  %y = jinx.loop(%n, %none, %x) : (tensor<i64>, !jinx.none, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    %w = jinx.exp %v : tensor<4xf32> -> tensor<4xf32>
    jinx.yield %go, %w : tensor<i1>, tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// CHECK-LABEL: @scan
// CHECK: jinx.scan {num_scan_inputs = 1 : i64} 16(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<3x4xf32>) -> (tensor<4xf32>, tensor<3x4xf32>) {
// CHECK: ^bb0(%[[S:.*]]: tensor<4xf32>, %[[V:.*]]: tensor<4xf32>):
func.func @scan(%s: tensor<4xf32>, %x: tensor<3x4xf32>) -> (tensor<4xf32>, tensor<3x4xf32>) {
  %last, %all = jinx.scan {num_scan_inputs = 1 : i64} 16 (%s, %x) : (tensor<4xf32>, tensor<3x4xf32>) -> (tensor<4xf32>, tensor<3x4xf32>) {
  ^bb0(%state: tensor<4xf32>, %v: tensor<4xf32>):
    %next = jinx.add %state, %v : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    jinx.yield %next, %next : tensor<4xf32>, tensor<4xf32>
  }
  return %last, %all : tensor<4xf32>, tensor<3x4xf32>
}

// CHECK-LABEL: @sequence_map
// CHECK: jinx.sequence_map(%{{.*}}) : (!jinx.sequence<tensor<*xf32>>) -> !jinx.sequence<tensor<*xf32>> {
func.func @sequence_map(%s: !jinx.sequence<tensor<*xf32>>) -> !jinx.sequence<tensor<*xf32>> {
  %y = jinx.sequence_map(%s) : (!jinx.sequence<tensor<*xf32>>) -> !jinx.sequence<tensor<*xf32>> {
  ^bb0(%v: tensor<*xf32>):
    %w = jinx.host_call "" "Abs" 13 {} (%v) : (tensor<*xf32>) -> tensor<*xf32>
    jinx.yield %w : tensor<*xf32>
  }
  return %y : !jinx.sequence<tensor<*xf32>>
}
