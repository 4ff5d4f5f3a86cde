// RUN: jinx-opt %s --split-input-file --jinx-stage-program=stage=0 | FileCheck %s --check-prefix=FIRST
// RUN: jinx-opt %s --split-input-file --jinx-stage-program=stage=1 | FileCheck %s --check-prefix=SECOND
// Operators go where they are marked, values from one stage to the next, results to all.

dist.mesh @mesh <"pp" = 2>
// FIRST-LABEL: @chain
// FIRST-SAME: (%[[X:.*]]: tensor<8xf32>, %{{.*}}: tensor<8xf32>) -> tensor<8xf32>
// FIRST: %[[S:.*]] = jinx.neg %[[X]]
// FIRST-NEXT: %[[H:.*]] = jinx.mul %[[S]]
// FIRST-NEXT: dist.send %[[H]] to 1 over ["pp"]
// FIRST-NOT: jinx.exp
// FIRST: %[[N:.*]] = jinx.broadcast
// FIRST: %[[Y:.*]] = dist.broadcast %[[N]] root 1 over ["pp"]
// FIRST: return %[[Y]]
// SECOND-LABEL: @chain
// What depends on arguments alone is computed in both.
// SECOND: %[[S:.*]] = jinx.neg
// SECOND-NOT: jinx.mul
// SECOND: %[[H:.*]] = dist.recv from 0 over ["pp"]
// SECOND: %[[E:.*]] = jinx.exp %[[H]]
// SECOND: %[[A:.*]] = jinx.add %[[E]], %[[S]]
// SECOND: %[[Y:.*]] = dist.broadcast %[[A]] root 1 over ["pp"]
// SECOND: return %[[Y]]
func.func @chain(%x: tensor<8xf32>, %w: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  %s = jinx.neg %x : tensor<8xf32> -> tensor<8xf32>
  %h = jinx.mul %s, %w {dist.stage = 0 : i64} : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %e = jinx.exp %h {dist.stage = 1 : i64} : tensor<8xf32> -> tensor<8xf32>
  %a = jinx.add %e, %s : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %a : tensor<8xf32>
}

// -----
// Arguments that only another stage uses are gone, and a value is sent once to each stage.
dist.mesh @mesh <"pp" = 2>
// FIRST-LABEL: @arguments
// FIRST-SAME: (%{{.*}}: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
// FIRST-COUNT-1: dist.send
// FIRST-NOT: dist.send
// FIRST: dist.broadcast %{{.*}} root 1
// FIRST: dist.broadcast %{{.*}} root 0
// SECOND-LABEL: @arguments
// SECOND-SAME: (%[[W:.*]]: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
// SECOND-COUNT-1: dist.recv
// SECOND-NOT: dist.recv
// SECOND: dist.broadcast %{{.*}} root 1
// SECOND: dist.broadcast %{{.*}} root 0
func.func @arguments(%x: tensor<8xf32>, %w: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) attributes {dist.own = @mesh} {
  %h = jinx.exp %x {dist.stage = 0 : i64} : tensor<8xf32> -> tensor<8xf32>
  %a = jinx.add %h, %w {dist.stage = 1 : i64} : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %b = jinx.mul %h, %a : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %b, %h : tensor<8xf32>, tensor<8xf32>
}
