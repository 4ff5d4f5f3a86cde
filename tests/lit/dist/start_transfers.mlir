// RUN: jinx-opt %s --split-input-file --jinx-start-transfers | FileCheck %s
// The next microbatch is received while this one is computed, and this one is on its way while the next is computed.

dist.mesh @mesh <"pp" = 3>
// CHECK-LABEL: @middle
// CHECK: %[[Q0:.*]] = dist.recv from 0 over ["pp"] : !dist.pending<tensor<8xf32>>
// CHECK-NEXT: %[[Q1:.*]] = dist.recv from 0 over ["pp"] : !dist.pending<tensor<8xf32>>
// CHECK-NEXT: %[[A:.*]] = dist.wait %[[Q0]]
// CHECK-NEXT: %[[B:.*]] = jinx.neg %[[A]] :
// CHECK-NEXT: %[[P:.*]] = dist.send %[[B]] to 2 over ["pp"] : tensor<8xf32> -> !dist.pending<tensor<8xf32>>
// CHECK-NEXT: %[[Q2:.*]] = dist.recv from 0
// CHECK-NEXT: %[[C:.*]] = dist.wait %[[Q1]]
// CHECK-NEXT: %[[D:.*]] = jinx.neg %[[C]]
// CHECK-NEXT: dist.wait %[[P]]
// CHECK-NEXT: %[[P2:.*]] = dist.send %[[D]]
// CHECK-NEXT: %[[E:.*]] = dist.wait %[[Q2]]
// CHECK-NEXT: %[[F:.*]] = jinx.neg %[[E]]
// CHECK-NEXT: dist.wait %[[P2]]
// CHECK-NEXT: %[[P3:.*]] = dist.send %[[F]]
// CHECK-NEXT: dist.wait %[[P3]]
// CHECK-NEXT: dist.broadcast
func.func @middle(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh, dist.coordinates = {pp = 1 : i64}} {
  %a = dist.recv from 0 over ["pp"] {dist.piece = 0 : i64} : tensor<8xf32>
  %b = jinx.neg %a {dist.piece = 0 : i64} : tensor<8xf32> -> tensor<8xf32>
  dist.send %b to 2 over ["pp"] {dist.piece = 0 : i64} : tensor<8xf32>
  %c = dist.recv from 0 over ["pp"] {dist.piece = 1 : i64} : tensor<8xf32>
  %d = jinx.neg %c {dist.piece = 1 : i64} : tensor<8xf32> -> tensor<8xf32>
  dist.send %d to 2 over ["pp"] {dist.piece = 1 : i64} : tensor<8xf32>
  %e = dist.recv from 0 over ["pp"] {dist.piece = 2 : i64} : tensor<8xf32>
  %f = jinx.neg %e {dist.piece = 2 : i64} : tensor<8xf32> -> tensor<8xf32>
  dist.send %f to 2 over ["pp"] {dist.piece = 2 : i64} : tensor<8xf32>
  %y = dist.broadcast %x root 2 over ["pp"] : tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----
// What comes over two stages is received two pieces early: in its sender's slot, as the sender has it in its order.
dist.mesh @mesh <"pp" = 3>
// CHECK-LABEL: @last
// CHECK: dist.recv from 0 over ["pp"] : !dist.pending
// CHECK-NEXT: dist.recv from 0 over ["pp"] : !dist.pending
// CHECK-NEXT: dist.recv from 1 over ["pp"] : !dist.pending
// CHECK-NEXT: dist.recv from 1 over ["pp"] : !dist.pending
// CHECK-NEXT: dist.wait
// CHECK-NEXT: dist.wait
// CHECK-NEXT: jinx.add
func.func @last(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh, dist.coordinates = {pp = 2 : i64}} {
  %a = dist.recv from 1 over ["pp"] {dist.piece = 0 : i64} : tensor<8xf32>
  %b = dist.recv from 0 over ["pp"] {dist.piece = 0 : i64} : tensor<8xf32>
  %c = jinx.add %a, %b {dist.piece = 0 : i64} : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %d = dist.recv from 1 over ["pp"] {dist.piece = 1 : i64} : tensor<8xf32>
  %e = dist.recv from 0 over ["pp"] {dist.piece = 1 : i64} : tensor<8xf32>
  %f = jinx.add %d, %e {dist.piece = 1 : i64} : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %y = jinx.add %c, %f : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----
// Without microbatches there is nothing to do meanwhile.
dist.mesh @mesh <"pp" = 3>
// CHECK-LABEL: @plain
// CHECK: dist.send %{{.*}} to 1 over ["pp"] : tensor<8xf32>
// CHECK-NOT: pending
func.func @plain(%x: tensor<8xf32>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  dist.send %x to 1 over ["pp"] : tensor<8xf32>
  return %x : tensor<8xf32>
}
