// RUN: jinx-opt %s --jinx-apply-shard-rules="mesh=dp=2,tp=4 rules=x:dp+?|,blk.*.up.weight:|tp:1,blk.0.gelu:|tp,y:dp|" | FileCheck %s
// RUN: jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=blk.0.split#1:|tp" | FileCheck %s --check-prefix=SECOND
// RUN: jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=blk.*:|,blk.0.gelu:|tp" | FileCheck %s --check-prefix=LATER
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=blk.0.upp.weight:tp|" 2>&1 | FileCheck %s --check-prefix=NEAR
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=x:tp" 2>&1 | FileCheck %s --check-prefix=DIMS
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=x:dp|" 2>&1 | FileCheck %s --check-prefix=AXIS
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=pp=2 rules=x:pp|" 2>&1 | FileCheck %s --check-prefix=STAGES
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=x:tp|tp" 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=16 rules=x:tp|" 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=x:?+tp|" 2>&1 | FileCheck %s --check-prefix=OPEN
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4,tp=2 rules=x:tp|" 2>&1 | FileCheck %s --check-prefix=MESHTWICE
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=0 rules=x:tp|" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=t-p=2 rules=x:tp|" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not jinx-opt %s --jinx-apply-shard-rules="mesh=tp=4 rules=x:tp|:-1" 2>&1 | FileCheck %s --check-prefix=PRIORITY
// Wishes by names of inputs, outputs, constants and nodes. A node's values are those that other nodes read: of blk.0.gelu, which is two operators, the last.

// CHECK: dist.mesh @mesh <"dp" = 2, "tp" = 4>
// CHECK: @main(%[[X:.*]]: tensor<8x16xf32> {dist.sharding = #dist.sharding<{{\[}}["dp", ?], []]>, jinx.name = "x"})
// CHECK-SAME: -> (tensor<8x4xf32> {dist.sharding = #dist.sharding<{{\[}}["dp"], []]>, jinx.name = "y"})
// CHECK-SAME: dist.annotated = @mesh
// CHECK: %[[W:.*]] = jinx.constant
// CHECK: %[[WISHED:.*]] = dist.constrain %[[W]] <{{\[}}[] p1, ["tp"] p1]>
// CHECK: %[[H:.*]] = jinx.matmul %[[X]], %[[WISHED]]
// CHECK: %[[T:.*]] = jinx.tanh %[[H]]
// CHECK: %[[G:.*]] = jinx.mul %[[H]], %[[T]]
// CHECK: %[[GW:.*]] = dist.constrain %[[G]] <{{\[}}[], ["tp"]]>
// CHECK: jinx.slice %[[GW]]
// CHECK: %[[B:.*]] = jinx.slice %[[GW]]
// CHECK-NOT: dist.constrain

// SECOND: %[[A:.*]] = jinx.slice
// SECOND-NEXT: %[[B:.*]] = jinx.slice
// SECOND-NEXT: dist.constrain %[[B]] <{{\[}}[], ["tp"]]>
// LATER: jinx.constant
// LATER-NEXT: dist.constrain %{{.*}} <{{\[}}[], []]>
// LATER: jinx.mul
// LATER-NEXT: dist.constrain %{{.*}} <{{\[}}[], ["tp"]]>

// NEAR: error: rule 0, "blk.0.upp.weight": fits no input, output, constant or node of the model; names that are written like it: blk.0.up.weight,
// DIMS: error: rule 0, "x": dims has 1 entries, expected 2, one for each dimension of x, which is [8x16]
// AXIS: error: rule 0, "x": axis "dp" is not one of the mesh, which has tp=4
// STAGES: error: rule 0, "x": axis "pp" counts the stages of a pipeline, which have nodes and no parts of values: split by another axis
// TWICE: error: rule 0, "x": axis "tp" is there twice, expected once
// SHORT: error: rule 0, "x": dimension 0 of x, which is [8x16], cannot be split into 16 parts (tp), expected 8 at most
// OPEN: error: dimension is "? tp", expected '?' at its end
// MESHTWICE: error: axis "tp" is there twice, expected once
// NONE: error: axis "tp" has 0 ranks, expected 1 to 16777216
// NAME: error: axis "t-p" is no name, expected letters, digits and '_', and no digit in front
// PRIORITY: error: rule 0, "x": priority is -1, expected 0 to 1000

func.func @main(%x: tensor<8x16xf32> {jinx.name = "x"}) -> (tensor<8x4xf32> {jinx.name = "y"}) {
  %w = jinx.constant dense<1.0> : tensor<16x8xf32> loc("blk.0.up.weight")
  %h = jinx.matmul %x, %w : tensor<8x16xf32>, tensor<16x8xf32> -> tensor<8x8xf32> loc("blk.0.up")
  %t = jinx.tanh %h : tensor<8x8xf32> -> tensor<8x8xf32> loc("blk.0.gelu")
  %g = jinx.mul %h, %t : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32> loc("blk.0.gelu")
  %a = jinx.slice %g starts ["0", "0"] steps [1, 1] : tensor<8x8xf32> -> tensor<8x4xf32> loc("blk.0.split")
  %b = jinx.slice %g starts ["0", "4"] steps [1, 1] : tensor<8x8xf32> -> tensor<8x4xf32> loc("blk.0.split")
  %y = jinx.add %a, %b : tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32> loc("blk.0.sum")
  return %y : tensor<8x4xf32>
}
