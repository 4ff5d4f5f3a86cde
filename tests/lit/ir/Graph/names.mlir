// RUN: jinx-opt %s --mlir-print-debuginfo | jinx-opt --mlir-print-debuginfo | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt --mlir-print-debuginfo | FileCheck %s

// Names of nodes are locations; names of inputs and outputs, symbols and metadata are attributes. All of them survive a round trip.
// CHECK: jinx.metadata = {author = "us"}
// CHECK-SAME: jinx.symbols = [{max = 512 : i64, min = 1 : i64, multiple_of = 8 : i64, name = "n"}]
// CHECK: @main(%{{.*}}: tensor<?xf32, #jinx.dims<"n">> {jinx.name = "x"}{{.*}}) -> (tensor<?xf32, #jinx.dims<"n">> {jinx.name = "y"})
// CHECK: jinx.exp {{.*}} loc([[NODE:#.*]])
// CHECK: [[NODE]] = loc("/act/Exp")
module attributes {jinx.symbols = [{name = "n", min = 1 : i64, max = 512 : i64, multiple_of = 8 : i64}], jinx.metadata = {author = "us"}} {
  func.func @main(%x: tensor<?xf32, #jinx.dims<"n">> {jinx.name = "x"}) -> (tensor<?xf32, #jinx.dims<"n">> {jinx.name = "y"}) {
    %y = jinx.exp %x : tensor<?xf32, #jinx.dims<"n">> -> tensor<?xf32, #jinx.dims<"n">> loc("/act/Exp")
    return %y : tensor<?xf32, #jinx.dims<"n">>
  }
}
