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
// A value is sent once to each stage, and each result is broadcast by the stage that has it. All stages have all arguments.
dist.mesh @mesh <"pp" = 2>
// FIRST-LABEL: @results
// FIRST-SAME: (%{{.*}}: tensor<8xf32>, %{{.*}}: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
// FIRST-COUNT-1: dist.send
// FIRST-NOT: dist.send
// FIRST: dist.broadcast %{{.*}} root 1
// FIRST: dist.broadcast %{{.*}} root 0
// SECOND-LABEL: @results
// SECOND-SAME: (%{{.*}}: tensor<8xf32>, %{{.*}}: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
// SECOND-COUNT-1: dist.recv
// SECOND-NOT: dist.recv
// SECOND: dist.broadcast %{{.*}} root 1
// SECOND: dist.broadcast %{{.*}} root 0
func.func @results(%x: tensor<8xf32>, %w: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) attributes {dist.own = @mesh} {
  %h = jinx.exp %x {dist.stage = 0 : i64} : tensor<8xf32> -> tensor<8xf32>
  %a = jinx.add %h, %w {dist.stage = 1 : i64} : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %b = jinx.mul %h, %a : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %b, %h : tensor<8xf32>, tensor<8xf32>
}

// -----
// Pools of another stage's layers are gone.
!pool = tensor<?x2x16x16xf32, #jinx.dims<"p", "2", "16", "16">>
dist.mesh @mesh <"pp" = 2>
// FIRST-LABEL: @pools
// FIRST-SAME: tensor<4x2x16xf32>, %[[K:arg[0-9]+]]: tensor<?x2x16x16xf32, {{.*}}>, %[[V:arg[0-9]+]]: tensor<?x2x16x16xf32,
// FIRST: jinx.write_pages keys %[[K]]
// FIRST: jinx.write_pages values %[[V]]
// SECOND-LABEL: @pools
// SECOND-SAME: (%{{[^:]*}}: tensor<4x2x16xf32>) ->
// SECOND-NOT: jinx.write_pages
// SECOND: dist.recv
func.func @pools(%x: tensor<4x2x16xf32>, %k: !pool, %v: !pool) -> tensor<4x2x16xf32> attributes {dist.own = @mesh} {
  %slots = jinx.constant dense<0> : tensor<4xi32>
  %table = jinx.constant dense<0> : tensor<1x1xi32>
  %keys = jinx.write_pages keys %k, %x, %slots {dist.stage = 0 : i64} : !pool, tensor<4x2x16xf32>, tensor<4xi32> -> !pool
  %values = jinx.write_pages values %v, %x, %slots {dist.stage = 0 : i64} : !pool, tensor<4x2x16xf32>, tensor<4xi32> -> !pool
  %y = jinx.paged_attention %x, %keys, %values, %table, %slots, %slots scale 1.0 {dist.stage = 0 : i64} : tensor<4x2x16xf32>, !pool, !pool, tensor<1x1xi32>, tensor<4xi32>, tensor<4xi32> -> tensor<4x2x16xf32>
  %z = jinx.exp %y {dist.stage = 1 : i64} : tensor<4x2x16xf32> -> tensor<4x2x16xf32>
  return %z : tensor<4x2x16xf32>
}
