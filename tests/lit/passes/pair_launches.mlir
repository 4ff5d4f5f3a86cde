// RUN: jinx-opt %s --split-input-file --jinx-pair-launches | FileCheck %s

// Neither launch needs the other: one launch with the programs of both. What needs the first moves below.
// CHECK-LABEL: @independent
// CHECK-NEXT: %[[R:.*]]:2 = jinx.launch @f_beside_g(%{{.*}}, %{{.*}}) sizes ["n"] programs "n + 1" scratch "192" work "30" sequential from ["/f", "/g"]
// CHECK-NEXT: %[[E:.*]] = jinx.exp %[[R]]#0
// CHECK-NEXT: return %[[E]], %[[R]]#1
func.func @independent(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = jinx.launch @f(%x) sizes ["n"] programs "n" scratch "64" work "10" sequential from ["/f"] : (tensor<4xf32>) -> tensor<4xf32>
  %e = jinx.exp %a : tensor<4xf32> -> tensor<4xf32>
  %b = jinx.launch @g(%y) sizes [] programs "1" scratch "128" work "20" sequential from ["/g"] : (tensor<4xf32>) -> tensor<4xf32>
  return %e, %b : tensor<4xf32>, tensor<4xf32>
}
// CHECK-NOT: tile.kernel @f(
// CHECK: tile.kernel @f_beside_g(%[[X:.*]]: !tile.ptr<f32>, %[[Y:.*]]: !tile.ptr<f32>, %[[A:.*]]: !tile.ptr<f32>, %[[B:.*]]: !tile.ptr<f32>, %[[N:.*]]: index) inputs 2 programs "a0 + 1" scratch "192"
// CHECK-NEXT: %[[ID:.*]] = tile.program_id
// CHECK-NEXT: %[[F:.*]] = arith.cmpi slt, %[[ID]], %[[N]]
// CHECK-NEXT: scf.if %[[F]]
// CHECK: tile.load %[[X]][%[[ID]]]
// CHECK: tile.store %{{.*}}, %[[A]]
// CHECK: else
// CHECK: %[[J:.*]] = arith.subi %[[ID]], %[[N]]
// CHECK: tile.load %[[Y]][%[[J]]]
// CHECK: tile.store %{{.*}}, %[[B]]
tile.kernel @f(%x: !tile.ptr<f32>, %y: !tile.ptr<f32>, %n: index) inputs 1 programs "a0" scratch "64" from "/f" {
  %i = tile.program_id
  %c1 = arith.constant 1 : index
  %v = tile.load %x[%i] strides(%c1) : !tile.ptr<f32> -> vector<4xf32>
  tile.store %v, %y[%i] strides(%c1) : vector<4xf32>, !tile.ptr<f32>
}
tile.kernel @g(%x: !tile.ptr<f32>, %y: !tile.ptr<f32>) inputs 1 programs "1" scratch "128" from "/g" {
  %i = tile.program_id
  %c1 = arith.constant 1 : index
  %v = tile.load %x[%i] strides(%c1) : !tile.ptr<f32> -> vector<4xf32>
  tile.store %v, %y[%i] strides(%c1) : vector<4xf32>, !tile.ptr<f32>
}

// -----

// The second needs the first, through another operator; launches that are not sequential have programs enough.
// CHECK-LABEL: @kept
// CHECK: jinx.launch @f
// CHECK: jinx.launch @f
// CHECK: jinx.launch @f
func.func @kept(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = jinx.launch @f(%x) sizes [] programs "1" scratch "0" work "10" sequential from ["/f"] : (tensor<4xf32>) -> tensor<4xf32>
  %e = jinx.exp %a : tensor<4xf32> -> tensor<4xf32>
  %b = jinx.launch @f(%e) sizes [] programs "1" scratch "0" work "10" sequential from ["/g"] : (tensor<4xf32>) -> tensor<4xf32>
  %c = jinx.launch @f(%x) sizes [] programs "1" scratch "0" work "10" from ["/h"] : (tensor<4xf32>) -> tensor<4xf32>
  return %b, %c : tensor<4xf32>, tensor<4xf32>
}
// CHECK: tile.kernel @f(
tile.kernel @f(%x: !tile.ptr<f32>, %y: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "/f" {
  %i = tile.program_id
  %c1 = arith.constant 1 : index
  %v = tile.load %x[%i] strides(%c1) : !tile.ptr<f32> -> vector<4xf32>
  tile.store %v, %y[%i] strides(%c1) : vector<4xf32>, !tile.ptr<f32>
}
