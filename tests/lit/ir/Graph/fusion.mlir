// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --mlir-print-op-generic | jinx-opt | FileCheck %s

// CHECK-LABEL: @group
// CHECK-SAME: (%[[X:.*]]: tensor<8xf32>
// CHECK: jinx.group "rows"(%[[X]]) : (tensor<8xf32>) -> tensor<8xf32> {
// CHECK: ^bb0(%[[A:.*]]: tensor<8xf32>):
// CHECK:   %[[Y:.*]] = jinx.exp %[[A]]
// CHECK:   jinx.yield %[[Y]] : tensor<8xf32>
func.func @group(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// CHECK-LABEL: @launch
// CHECK: jinx.launch @k0_exp(%{{.*}}) sizes ["n"] programs "(n - 1) floordiv 4096 + 1" scratch "0" work "n" from ["/act/Exp"] : (tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">>
func.func @launch(%x: tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">> {
  %y = jinx.launch @k0_exp(%x) sizes ["n"] programs "(n - 1) floordiv 4096 + 1" scratch "0" work "n" from ["/act/Exp"]
      : (tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">>
  return %y : tensor<?xf32, #jinx.dims<"n">>
}
