// RUN: jinx-opt %s --split-input-file --jinx-form-rings --cse | FileCheck %s
// RUN: jinx-opt %s --split-input-file --remarks-filter='jinx-form-rings' --remark-format=emitRemark --jinx-form-rings -o /dev/null 2>&1 | FileCheck %s --check-prefix=SAYS
// RUN: jinx-opt %s --split-input-file --remarks-filter='jinx-form-rings' --remark-format=emitRemark --jinx-form-rings=keys=gather -o /dev/null 2>&1 | FileCheck %s --check-prefix=ASKED
// RUN: jinx-opt %s --split-input-file --jinx-form-rings --jinx-combine-collectives --jinx-overlap-collectives=least=0 | FileCheck %s --check-prefix=ORDER
// RUN: jinx-opt %s --split-input-file --jinx-form-rings --jinx-rank-program=rank=1 --jinx-fold-constants --cse --jinx-simplify --jinx-pack --jinx-simplify --jinx-form-attention | FileCheck %s --check-prefix=FUSED
// Tests which attention lets its keys and values go round, what a step is, and why others gather them.

dist.mesh @mesh <"cp" = 3>

// Three steps. The next keys and values are on their way beside the products of each but the last; nobody reads them before.
// CHECK-LABEL: @ring
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}) ->
// CHECK-NOT: dist.all_gather
// CHECK: %[[PK:.*]] = dist.permute %[[K]] from [2, 0, 1] over ["cp"] : {{.*}} -> !dist.pending
// CHECK: %[[PV:.*]] = dist.permute %[[V]] from [2, 0, 1] over ["cp"] : {{.*}} -> !dist.pending
// CHECK: %[[S0:.*]] = jinx.matmul %[[Q]], %[[K]] transpose_b : {{.*}} -> tensor<2x4x4xf32
// CHECK: %[[M0:.*]] = jinx.reduce max, %[[S0]]
// CHECK: %[[L0:.*]] = jinx.reduce sum
// CHECK: %[[P0:.*]] = jinx.div
// CHECK: %[[O0:.*]] = jinx.matmul %[[P0]], %[[V]]
// CHECK: %[[K1:.*]] = dist.wait %[[PK]]
// CHECK: %[[V1:.*]] = dist.wait %[[PV]]
// CHECK: %[[PK:.*]] = dist.permute %[[K1]] from [2, 0, 1]
// CHECK: dist.permute %[[V1]] from [2, 0, 1]
// CHECK: %[[S1:.*]] = jinx.matmul %[[Q]], %[[K1]]
// CHECK: %[[M1:.*]] = jinx.reduce max, %[[S1]]
// CHECK: %[[L1:.*]] = jinx.reduce sum
// CHECK: %[[O1:.*]] = jinx.matmul %{{.*}}, %[[V1]]
// Rows that have seen no key have 0, whatever softmax says of them.
// CHECK: %[[E1:.*]] = jinx.compare eq, %[[M1]]
// CHECK: %[[C1:.*]] = jinx.select %[[E1]], %{{.*}}, %[[O1]]
// CHECK: %[[Z1:.*]] = jinx.select %[[E1]], %{{.*}}, %[[L1]]
// CHECK: %[[M:.*]] = jinx.max %[[M0]], %[[M1]]
// CHECK: %[[E:.*]] = jinx.compare eq, %[[M]]
// CHECK: %[[SHIFT:.*]] = jinx.select %[[E]], %{{.*}}, %[[M]]
// CHECK: jinx.sub %[[M0]], %[[SHIFT]]
// CHECK: jinx.exp
// CHECK: %[[A:.*]] = jinx.mul
// CHECK: jinx.sub %[[M1]], %[[SHIFT]]
// CHECK: jinx.exp
// CHECK: %[[B:.*]] = jinx.mul %[[Z1]]
// CHECK: %[[L:.*]] = jinx.add %[[A]], %[[B]]
// CHECK: %[[WHOLE:.*]] = jinx.select %[[E]], %{{.*}}, %[[L]]
// CHECK: jinx.div %[[A]], %[[WHOLE]]
// CHECK: %[[SHARE:.*]] = jinx.div %[[B]], %[[WHOLE]]
// CHECK: jinx.mul %[[C1]], %[[SHARE]]
// CHECK: jinx.add
// CHECK: dist.wait
// CHECK: dist.wait
// CHECK-NOT: dist.permute
// CHECK: jinx.matmul
// The last join divides by the sum itself: 0 of rows that have seen nothing at all.
// CHECK: %[[L:.*]] = jinx.add
// CHECK-NEXT: jinx.div %{{.*}}, %[[L]]
// CHECK: return
// SAYS: remark: {{.*}}Ring{{.*}}its keys and values go round 3 ranks in 2 steps: 1024 bytes of them are on a rank at a time, 1536 where they are gathered; a step of {{.*}} us has {{.*}} us on the wire beside it
// ASKED: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: so it was asked
// What is started stays in front of the products, and what is waited for behind them.
// ORDER-LABEL: @ring
// ORDER: dist.permute
// ORDER: dist.permute
// ORDER: jinx.matmul
// ORDER: jinx.matmul
// ORDER: dist.wait
// ORDER: dist.wait
// ORDER: dist.permute
// ORDER: dist.permute
// ORDER: jinx.matmul
// ORDER: jinx.matmul
// ORDER: dist.wait
// ORDER: dist.wait
// ORDER: jinx.matmul
// ORDER: jinx.matmul
// Each step is one group, which gives its rows' numbers, too.
// FUSED-LABEL: @ring
// FUSED: %{{.*}}:3 = jinx.group "attention"
// FUSED: %{{.*}}:3 = jinx.group "attention"
// FUSED: %{{.*}}:3 = jinx.group "attention"
// FUSED-NOT: jinx.group
// FUSED: return
func.func @ring(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}

// -----

dist.mesh @mesh <"cp" = 2>

// A mask that is data: each step takes its columns, by the rank's coordinate. What is made of iotas is made of columns. Tests that two layers share them.
// CHECK-LABEL: @masks
// CHECK-SAME: %[[MASK:[a-z0-9]*]]: tensor<4x8xf32
// CHECK: jinx.iota axis 1 : tensor<1x4xi64>
// CHECK: jinx.slice %[[MASK]] starts ["0", "4*rank.cp"]
// CHECK: jinx.matmul
// CHECK: jinx.sizes ["4*((rank.cp + 1) mod 2)"]
// CHECK: jinx.slice %[[MASK]] starts ["0", "4*((rank.cp + 1) mod 2)"]
// CHECK-NOT: jinx.slice
// CHECK: return
func.func @masks(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %mask: tensor<4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %least = jinx.constant dense<0xFF800000> : tensor<f32>
  %r = jinx.iota axis 0 : tensor<4x1xi64>
  %first = jinx.sizes ["4*rank.cp"] : tensor<1x1xi64, #dist.on<"cp" = varying>>
  %row = jinx.add %r, %first : tensor<4x1xi64>, tensor<1x1xi64, #dist.on<"cp" = varying>> -> tensor<4x1xi64, #dist.on<"cp" = varying>>
  %column = jinx.iota axis 1 : tensor<1x8xi64>
  %c = jinx.compare ge, %row, %column : tensor<4x1xi64, #dist.on<"cp" = varying>>, tensor<1x8xi64> -> tensor<4x8xi1, #dist.on<"cp" = varying>>
  %ka0 = dist.all_gather %q dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %va0 = dist.all_gather %q dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %s0 = jinx.matmul %q, %ka0 transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %t0 = jinx.select %c, %s0, %least : tensor<4x8xi1, #dist.on<"cp" = varying>>, tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<f32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %x0 = jinx.add %t0, %mask : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %m0 = jinx.reduce max, %x0 axes [2] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d0 = jinx.sub %x0, %m0 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %e0 = jinx.exp %d0 : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %l0 = jinx.reduce sum, %e0 axes [2] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p0 = jinx.div %e0, %l0 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %y0 = jinx.matmul %p0, %va0 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %ka1 = dist.all_gather %y0 dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %va1 = dist.all_gather %y0 dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %s1 = jinx.matmul %y0, %ka1 transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %t1 = jinx.select %c, %s1, %least : tensor<4x8xi1, #dist.on<"cp" = varying>>, tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<f32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %x1 = jinx.add %t1, %mask : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %m1 = jinx.reduce max, %x1 axes [2] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d1 = jinx.sub %x1, %m1 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %e1 = jinx.exp %d1 : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %l1 = jinx.reduce sum, %e1 axes [2] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p1 = jinx.div %e1, %l1 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  %y1 = jinx.matmul %p1, %va1 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y1 : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}

// -----

dist.mesh @mesh <"cp" = 2>

// Four heads read one head of keys: that one goes round, and is repeated and scaled where it is read. 7 keys are 4 and 3: what is filled up has logits of -inf, and values of 0. Rows of which the mask leaves nothing
// are set to 0 at the end.
// CHECK-LABEL: @shared_uneven
// CHECK-SAME: %[[K:[a-z0-9]*]]: tensor<1x4x8xf32, {{.*}}, %[[NONE:[a-z0-9]*]]: tensor<1x4x1xi1
// CHECK: dist.permute %[[K]] from [1, 0] over ["cp"] : tensor<1x4x8xf32
// CHECK-NOT: dist.permute
// CHECK: jinx.sizes ["-4*rank.cp + 7"]
// CHECK: jinx.select %{{.*}} : tensor<1x1x4xi1
// CHECK: jinx.select %{{.*}} : tensor<1x4x1xi1
// CHECK: dist.wait
// CHECK: jinx.broadcast
// CHECK: jinx.mul
// CHECK: jinx.transpose
// CHECK: jinx.sizes ["-4*((rank.cp + 1) mod 2) + 7"]
// CHECK: %[[Z:.*]] = jinx.select %[[NONE]]
// CHECK-NEXT: return %[[Z]]
// SAYS: go round 2 ranks in 1 step: 256 bytes of them are on a rank at a time, 1792 where they are gathered
func.func @shared_uneven(%q: tensor<4x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<1x4x8xf32, #dist.on<"cp" = varying>>, %none: tensor<1x4x1xi1, #dist.on<"cp" = varying>>) -> tensor<4x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %scale = jinx.constant dense<0.5> : tensor<f32>
  %kb = jinx.broadcast %k : tensor<1x4x8xf32, #dist.on<"cp" = varying>> -> tensor<4x4x8xf32, #dist.on<"cp" = varying>>
  %kc = jinx.mul %kb, %scale : tensor<4x4x8xf32, #dist.on<"cp" = varying>>, tensor<f32> -> tensor<4x4x8xf32, #dist.on<"cp" = varying>>
  %kt = jinx.transpose %kc, [0, 2, 1] : tensor<4x4x8xf32, #dist.on<"cp" = varying>> -> tensor<4x8x4xf32, #dist.on<"cp" = varying>>
  %kg = dist.all_gather %kt dim 2 over ["cp"] : tensor<4x8x4xf32, #dist.on<"cp" = varying>> -> tensor<4x8x8xf32>
  %ka = jinx.slice %kg starts ["0", "0", "0"] steps [1, 1, 1] : tensor<4x8x8xf32> -> tensor<4x8x7xf32>
  %vg = dist.all_gather %kb dim 1 over ["cp"] : tensor<4x4x8xf32, #dist.on<"cp" = varying>> -> tensor<4x8x8xf32>
  %va = jinx.slice %vg starts ["0", "0", "0"] steps [1, 1, 1] : tensor<4x8x8xf32> -> tensor<4x7x8xf32>
  %s = jinx.matmul %q, %ka : tensor<4x4x8xf32, #dist.on<"cp" = varying>>, tensor<4x8x7xf32> -> tensor<4x4x7xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<4x4x7xf32, #dist.on<"cp" = varying>> -> tensor<4x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<4x4x7xf32, #dist.on<"cp" = varying>>, tensor<4x4x1xf32, #dist.on<"cp" = varying>> -> tensor<4x4x7xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<4x4x7xf32, #dist.on<"cp" = varying>> -> tensor<4x4x7xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<4x4x7xf32, #dist.on<"cp" = varying>> -> tensor<4x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<4x4x7xf32, #dist.on<"cp" = varying>>, tensor<4x4x1xf32, #dist.on<"cp" = varying>> -> tensor<4x4x7xf32, #dist.on<"cp" = varying>>
  %z = jinx.select %none, %zero, %p : tensor<1x4x1xi1, #dist.on<"cp" = varying>>, tensor<f32>, tensor<4x4x7xf32, #dist.on<"cp" = varying>> -> tensor<4x4x7xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %z, %va : tensor<4x4x7xf32, #dist.on<"cp" = varying>>, tensor<4x7x8xf32> -> tensor<4x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<4x4x8xf32, #dist.on<"cp" = varying>>
}

// -----

dist.mesh @mesh <"cp" = 2>

// Halves are joined as f32.
// CHECK-LABEL: @halves
// CHECK: jinx.reduce max, {{.*}} -> tensor<2x4x1xf16
// CHECK: jinx.cast {{.*}} -> tensor<2x4x8xf32
// CHECK: jinx.max {{.*}} -> tensor<2x4x1xf32
// CHECK: %[[Y:.*]] = jinx.cast {{.*}} -> tensor<2x4x8xf16
// CHECK-NEXT: return %[[Y]]
func.func @halves(%q: tensor<2x4x8xf16, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf16, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf16, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf16, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf16, #dist.on<"cp" = varying>> -> tensor<2x8x8xf16>
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf16, #dist.on<"cp" = varying>> -> tensor<2x8x8xf16>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf16, #dist.on<"cp" = varying>>, tensor<2x8x8xf16> -> tensor<2x4x8xf16, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x8xf16, #dist.on<"cp" = varying>> -> tensor<2x4x1xf16, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x8xf16, #dist.on<"cp" = varying>>, tensor<2x4x1xf16, #dist.on<"cp" = varying>> -> tensor<2x4x8xf16, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x8xf16, #dist.on<"cp" = varying>> -> tensor<2x4x8xf16, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x8xf16, #dist.on<"cp" = varying>> -> tensor<2x4x1xf16, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x8xf16, #dist.on<"cp" = varying>>, tensor<2x4x1xf16, #dist.on<"cp" = varying>> -> tensor<2x4x8xf16, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x8xf16, #dist.on<"cp" = varying>>, tensor<2x8x8xf16> -> tensor<2x4x8xf16, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf16, #dist.on<"cp" = varying>>
}

// -----

dist.mesh @mesh <"cp" = 3>

// Tests that queries that are the same on all ranks are given all keys.
// CHECK-LABEL: @same_queries
// CHECK: dist.all_gather
// CHECK: dist.all_gather
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: its queries are the same along cp
func.func @same_queries(%q: tensor<2x4x8xf32>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32>, tensor<2x12x8xf32> -> tensor<2x4x12xf32>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32> -> tensor<2x4x1xf32>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32>, tensor<2x4x1xf32> -> tensor<2x4x12xf32>
  %e = jinx.exp %d : tensor<2x4x12xf32> -> tensor<2x4x12xf32>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32> -> tensor<2x4x1xf32>
  %p = jinx.div %e, %l : tensor<2x4x12xf32>, tensor<2x4x1xf32> -> tensor<2x4x12xf32>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32>, tensor<2x12x8xf32> -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}

// Tests that keys that somebody else needs whole are gathered for all.
// CHECK-LABEL: @keys_are_read
// CHECK: dist.all_gather
// CHECK: dist.all_gather
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: neg needs all of them, too
func.func @keys_are_read(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> (tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32>) attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %n = jinx.neg %ka : tensor<2x12x8xf32> -> tensor<2x12x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y, %n : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32>
}

// Tests that weights that are an output are computed over all keys.
// CHECK-LABEL: @weights_are_read
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: what lies between the products is read elsewhere too
func.func @weights_are_read(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> (tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x12xf32, #dist.on<"cp" = varying>>) attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y, %p : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x12xf32, #dist.on<"cp" = varying>>
}

// Tests that values for more matrices than there are scores are gathered: their rows are no view of the scores' rows.
// CHECK-LABEL: @more_values
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: its values have more matrices than its scores
func.func @more_values(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<3x2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<3x2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %va = dist.all_gather %v dim 2 over ["cp"] : tensor<3x2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<3x2x12x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<3x2x12x8xf32> -> tensor<3x2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<3x2x4x8xf32, #dist.on<"cp" = varying>>
}

// Tests that values alone are no ring.
// CHECK-LABEL: @keys_are_whole
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: the softmax is not of a product with keys that are gathered, by elementwise operators
func.func @keys_are_whole(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x12x8xf32>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %s = jinx.matmul %q, %k transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x12xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x12xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}

// Tests that a product that is no attention has no remark, and stays.
// CHECK-LABEL: @product
// CHECK: dist.all_gather
// CHECK: jinx.matmul
// SAYS-NOT: remark
func.func @product(%p: tensor<2x4x12xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %va = dist.all_gather %v dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x12x8xf32>
  %y = jinx.matmul %p, %va : tensor<2x4x12xf32, #dist.on<"cp" = varying>>, tensor<2x12x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}

// -----

dist.mesh @mesh <"dp" = 2, "cp" = 2>

// Tests that keys and values that are split by different axes are gathered.
// CHECK-LABEL: @other_axes
// CHECK-NOT: dist.permute
// SAYS: remark: {{.*}}Gathered{{.*}}its keys and values are gathered: keys are split by other axes than values
func.func @other_axes(%q: tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %v: tensor<2x4x8xf32, #dist.on<"dp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x8x8xf32>
  %va = dist.all_gather %v dim 1 over ["dp"] : tensor<2x4x8xf32, #dist.on<"dp" = varying>> -> tensor<2x8x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>, tensor<2x4x1xf32, #dist.on<"dp" = varying, "cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>, tensor<2x4x1xf32, #dist.on<"dp" = varying, "cp" = varying>> -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
  %y = jinx.matmul %p, %va : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>, tensor<2x8x8xf32> -> tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"dp" = varying, "cp" = varying>>
}

// -----

dist.mesh @mesh <"cp" = 1, "dp" = 2>

// Tests that a group of one rank has nothing to pass on.
// CHECK-LABEL: @lonely
// CHECK-NOT: dist.permute
// CHECK: dist.all_gather
// SAYS-NOT: remark
func.func @lonely(%q: tensor<2x4x8xf32, #dist.on<"cp" = varying>>, %k: tensor<2x4x8xf32, #dist.on<"cp" = varying>>) -> tensor<2x4x8xf32, #dist.on<"cp" = varying>> attributes {dist.own = @mesh} {
  %ka = dist.all_gather %k dim 1 over ["cp"] : tensor<2x4x8xf32, #dist.on<"cp" = varying>> -> tensor<2x4x8xf32>
  %s = jinx.matmul %q, %ka transpose_b : tensor<2x4x8xf32, #dist.on<"cp" = varying>>, tensor<2x4x8xf32> -> tensor<2x4x4xf32, #dist.on<"cp" = varying>>
  %m = jinx.reduce max, %s axes [2] : tensor<2x4x4xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %d = jinx.sub %s, %m : tensor<2x4x4xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x4xf32, #dist.on<"cp" = varying>>
  %e = jinx.exp %d : tensor<2x4x4xf32, #dist.on<"cp" = varying>> -> tensor<2x4x4xf32, #dist.on<"cp" = varying>>
  %l = jinx.reduce sum, %e axes [2] : tensor<2x4x4xf32, #dist.on<"cp" = varying>> -> tensor<2x4x1xf32, #dist.on<"cp" = varying>>
  %p = jinx.div %e, %l : tensor<2x4x4xf32, #dist.on<"cp" = varying>>, tensor<2x4x1xf32, #dist.on<"cp" = varying>> -> tensor<2x4x4xf32, #dist.on<"cp" = varying>>
  %y = jinx.matmul %p, %ka : tensor<2x4x4xf32, #dist.on<"cp" = varying>>, tensor<2x4x8xf32> -> tensor<2x4x8xf32, #dist.on<"cp" = varying>>
  return %y : tensor<2x4x8xf32, #dist.on<"cp" = varying>>
}
