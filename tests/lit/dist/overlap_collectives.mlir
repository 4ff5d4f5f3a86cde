// RUN: jinx-opt %s --split-input-file --jinx-overlap-collectives | FileCheck %s
// RUN: jinx-opt %s --split-input-file --remarks-filter='.*' --remark-format=emitRemark --jinx-overlap-collectives -o /dev/null 2>&1 | FileCheck %s --check-prefix=SAYS
// RUN: jinx-opt %s --split-input-file --jinx-overlap-collectives=memory=1 | FileCheck %s --check-prefix=TIGHT
// RUN: jinx-opt %s --split-input-file --jinx-overlap-collectives=least=1e9 | FileCheck %s --check-prefix=NEVER
// RUN: jinx-opt %s --split-input-file --jinx-overlap-collectives --jinx-rank-program=rank=1 --jinx-lower-collectives --cse --canonicalize --jinx-simplify --jinx-pack --jinx-fuse | FileCheck %s --check-prefix=FUSED
// Tests which collectives are started early, and what stands between start and wait.

dist.mesh @mesh <"tp" = 4>

// The product needs nothing of the sum: it comes between. Who reads the sum comes behind.
// CHECK-LABEL: @beside
// CHECK: %[[P:.*]] = dist.all_reduce sum %{{.*}} over ["tp"] : {{.*}} -> !dist.pending<tensor<4096x1024xf32>>
// CHECK: %[[M:.*]] = jinx.matmul
// CHECK: %[[A:.*]] = dist.wait %[[P]] : <tensor<4096x1024xf32>>
// CHECK: %[[N:.*]] = jinx.neg %[[A]]
// CHECK: jinx.add %[[N]], %[[M]]
// SAYS: remark: {{.*}}Started{{.*}}is started early: {{.*}} us of {{.*}} us lie beside matmul
// NEVER-LABEL: @beside
// NEVER-NOT: dist.wait
// NEVER: jinx.matmul
// The sum of both is not in the product's kernel: that would wait.
// FUSED-LABEL: @beside
// FUSED: %[[P:.*]] = dist.all_reduce
// FUSED: jinx.group "matmul"
// FUSED: dist.wait %[[P]]
// FUSED: jinx.group "rows"
func.func @beside(%x: tensor<4096x1024xf32, #dist.on<"tp" = partial sum>>, %u: tensor<4096x512xf32>) -> tensor<4096x1024xf32> attributes {dist.own = @mesh} {
  %w = jinx.constant dense<1.0> : tensor<512x1024xf32>
  %unread = jinx.neg %w : tensor<512x1024xf32> -> tensor<512x1024xf32>
  %a = dist.all_reduce sum %x over ["tp"] : tensor<4096x1024xf32, #dist.on<"tp" = partial sum>> -> tensor<4096x1024xf32>
  %n = jinx.neg %a : tensor<4096x1024xf32> -> tensor<4096x1024xf32>
  %m = jinx.matmul %u, %w : tensor<4096x512xf32>, tensor<512x1024xf32> -> tensor<4096x1024xf32>
  %y = jinx.add %n, %m : tensor<4096x1024xf32>, tensor<4096x1024xf32> -> tensor<4096x1024xf32>
  return %y : tensor<4096x1024xf32>
}

// Each needs the one before it: nothing is moved.
// CHECK-LABEL: @chain
// CHECK: jinx.neg
// CHECK-NEXT: dist.all_reduce
// CHECK-NEXT: jinx.exp
// CHECK-NEXT: return
// SAYS: remark: {{.*}}NothingBeside{{.*}}is waited for at once: nothing that pays lies between it and its reader, {{.*}} us are not hidden
func.func @chain(%x: tensor<64x1024xf32, #dist.on<"tp" = partial sum>>) -> tensor<64x1024xf32> attributes {dist.own = @mesh} {
  %p = jinx.neg %x : tensor<64x1024xf32, #dist.on<"tp" = partial sum>> -> tensor<64x1024xf32, #dist.on<"tp" = partial sum>>
  %a = dist.all_reduce sum %p over ["tp"] : tensor<64x1024xf32, #dist.on<"tp" = partial sum>> -> tensor<64x1024xf32>
  %y = jinx.exp %a : tensor<64x1024xf32> -> tensor<64x1024xf32>
  return %y : tensor<64x1024xf32>
}

// Weights are gathered one layer in advance: there is memory for twice as much. With no more than what one after the other takes there is none.
// CHECK-LABEL: @layers
// CHECK: %[[W1:.*]] = dist.all_gather %{{.*}} -> tensor<2048x2048xf32>
// CHECK: %[[P2:.*]] = dist.all_gather %{{.*}} -> !dist.pending
// CHECK: jinx.matmul %{{.*}}, %[[W1]]
// CHECK: dist.wait %[[P2]]
// TIGHT-LABEL: @layers
// TIGHT-NOT: dist.wait
// TIGHT: return
func.func @layers(%x: tensor<256x2048xf32>, %s1: tensor<512x2048xf32, #dist.on<"tp" = varying>>, %s2: tensor<512x2048xf32, #dist.on<"tp" = varying>>, %s3: tensor<512x2048xf32, #dist.on<"tp" = varying>>)
    -> tensor<256x2048xf32> attributes {dist.own = @mesh} {
  %w1 = dist.all_gather %s1 dim 0 over ["tp"] : tensor<512x2048xf32, #dist.on<"tp" = varying>> -> tensor<2048x2048xf32>
  %h1 = jinx.matmul %x, %w1 : tensor<256x2048xf32>, tensor<2048x2048xf32> -> tensor<256x2048xf32>
  %w2 = dist.all_gather %s2 dim 0 over ["tp"] : tensor<512x2048xf32, #dist.on<"tp" = varying>> -> tensor<2048x2048xf32>
  %h2 = jinx.matmul %h1, %w2 : tensor<256x2048xf32>, tensor<2048x2048xf32> -> tensor<256x2048xf32>
  %w3 = dist.all_gather %s3 dim 0 over ["tp"] : tensor<512x2048xf32, #dist.on<"tp" = varying>> -> tensor<2048x2048xf32>
  %h3 = jinx.matmul %h2, %w3 : tensor<256x2048xf32>, tensor<2048x2048xf32> -> tensor<256x2048xf32>
  return %h3 : tensor<256x2048xf32>
}

// Nobody here reads it: it is waited for at the end. What is made of constants alone takes no time.
// CHECK-LABEL: @unread
// CHECK: %[[P:.*]] = dist.all_reduce
// CHECK: jinx.matmul
// CHECK: %[[A:.*]] = dist.wait %[[P]]
// CHECK-NEXT: return %[[A]]
func.func @unread(%x: tensor<4096x1024xf32, #dist.on<"tp" = partial sum>>, %u: tensor<4096x512xf32>, %w: tensor<512x1024xf32>) -> (tensor<4096x1024xf32>, tensor<4096x1024xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<4096x1024xf32, #dist.on<"tp" = partial sum>> -> tensor<4096x1024xf32>
  %m = jinx.matmul %u, %w : tensor<4096x512xf32>, tensor<512x1024xf32> -> tensor<4096x1024xf32>
  return %a, %m : tensor<4096x1024xf32>, tensor<4096x1024xf32>
}

// Weights are decoded where they are multiplied: nothing lies beside the sum.
// CHECK-LABEL: @codes
// CHECK-NOT: dist.wait
// CHECK: return
func.func @codes(%x: tensor<128x4096xf32, #dist.on<"tp" = partial sum>>) -> tensor<128x4096xf32> attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<128x4096xf32, #dist.on<"tp" = partial sum>> -> tensor<128x4096xf32>
  %c = jinx.constant dense<1> : tensor<4096x4096xi8>
  %s = jinx.constant dense<0.5> : tensor<f32>
  %w = jinx.dequantize %c, %s : tensor<4096x4096xi8>, tensor<f32> -> tensor<4096x4096xf32>
  %y = jinx.matmul %a, %w : tensor<128x4096xf32>, tensor<4096x4096xf32> -> tensor<128x4096xf32>
  return %y : tensor<128x4096xf32>
}

// -----

// Sends and receives keep their order, and are waited for.
dist.mesh @mesh <"pp" = 2, "tp" = 4>
// CHECK-LABEL: @stages
// CHECK: %[[P:.*]] = dist.all_reduce {{.*}} -> !dist.pending
// CHECK: dist.send
// CHECK: dist.recv
// CHECK: jinx.matmul
// CHECK: dist.wait %[[P]]
func.func @stages(%x: tensor<4096x1024xf32, #dist.on<"tp" = partial sum>>, %u: tensor<4096x512xf32>, %w: tensor<512x1024xf32>) -> (tensor<4096x1024xf32>, tensor<4096x1024xf32>, tensor<512x1024xf32>) attributes {dist.own = @mesh} {
  dist.send %u to 1 over ["pp"] : tensor<4096x512xf32>
  %a = dist.all_reduce sum %x over ["tp"] : tensor<4096x1024xf32, #dist.on<"tp" = partial sum>> -> tensor<4096x1024xf32>
  %r = dist.recv from 1 over ["pp"] : tensor<512x1024xf32>
  %m = jinx.matmul %u, %w : tensor<4096x512xf32>, tensor<512x1024xf32> -> tensor<4096x1024xf32>
  return %a, %m, %r : tensor<4096x1024xf32>, tensor<4096x1024xf32>, tensor<512x1024xf32>
}
