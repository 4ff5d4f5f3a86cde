// RUN: jinx-opt %s --split-input-file --remarks-filter='.*' --remark-format=emitRemark --jinx-combine-collectives 2>/dev/null | FileCheck %s
// RUN: jinx-opt %s --split-input-file --remarks-filter='.*' --remark-format=emitRemark --jinx-combine-collectives -o /dev/null 2>&1 | FileCheck %s --check-prefix=SAYS
// RUN: jinx-opt %s --split-input-file --jinx-combine-collectives=max-bytes=300 | FileCheck %s --check-prefix=BOUND
// RUN: jinx-opt %s --split-input-file --jinx-combine-collectives=network=host | FileCheck %s --check-prefix=HOST
// RUN: jinx-opt %s --split-input-file --jinx-combine-collectives --jinx-rank-program=rank=1 --jinx-lower-collectives | FileCheck %s --check-prefix=RANKED
// Tests which collectives become one, and why others stay apart.

dist.mesh @mesh <"tp" = 4>

// Two sums of one type become one over a row; readers get their part of it, in the old shape. 276 bytes together.
// CHECK-LABEL: @sums
// CHECK-SAME: (%[[X:.*]]: {{.*}}, %[[Y:.*]]: {{.*}})
// CHECK: %[[B:.*]] = jinx.reshape %[[Y]] : tensor<5x1xf32, #dist.on<"tp" = partial sum>> -> tensor<5xf32, #dist.on<"tp" = partial sum>>
// CHECK: %[[C:.*]] = jinx.concat %[[X]], %[[B]] axis 0 : {{.*}} -> tensor<69xf32, #dist.on<"tp" = partial sum>>
// CHECK: %[[R:.*]] = dist.all_reduce sum %[[C]] over ["tp"] : {{.*}} -> tensor<69xf32>
// CHECK-NOT: dist.all_reduce
// CHECK-DAG: %[[X1:.*]] = jinx.slice %[[R]] starts ["0"] {{.*}} -> tensor<64xf32>
// CHECK-DAG: %[[Y0:.*]] = jinx.slice %[[R]] starts ["64"] {{.*}} -> tensor<5xf32>
// CHECK-DAG: %[[Y1:.*]] = jinx.reshape %[[Y0]] : tensor<5xf32> -> tensor<5x1xf32>
// CHECK-DAG: %[[N:.*]] = jinx.neg %[[X1]]
// CHECK: return %[[N]], %[[Y1]]
// SAYS: remark: {{.*}}Combined{{.*}}goes with all_reduce: one call less saves {{.*}} us, copies take {{.*}} us
// BOUND-LABEL: @sums
// BOUND: dist.all_reduce sum {{.*}} -> tensor<69xf32>
// HOST-LABEL: @sums
// HOST: dist.all_reduce sum {{.*}} -> tensor<69xf32>
func.func @sums(%x: tensor<64xf32, #dist.on<"tp" = partial sum>>, %y: tensor<5x1xf32, #dist.on<"tp" = partial sum>>) -> (tensor<64xf32>, tensor<5x1xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  %n = jinx.neg %a : tensor<64xf32> -> tensor<64xf32>
  %b = dist.all_reduce sum %y over ["tp"] : tensor<5x1xf32, #dist.on<"tp" = partial sum>> -> tensor<5x1xf32>
  return %n, %b : tensor<64xf32>, tensor<5x1xf32>
}

// A bound, by hand: 512 bytes together.
// CHECK-LABEL: @bound
// CHECK: dist.all_reduce sum {{.*}} -> tensor<128xf32>
// BOUND-LABEL: @bound
// BOUND: dist.all_reduce sum {{.*}} -> tensor<64xf32>
// BOUND: dist.all_reduce sum {{.*}} -> tensor<64xf32>
func.func @bound(%x: tensor<64xf32, #dist.on<"tp" = partial sum>>, %y: tensor<64xf32, #dist.on<"tp" = partial sum>>) -> (tensor<64xf32>, tensor<64xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  %b = dist.all_reduce sum %y over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  return %a, %b : tensor<64xf32>, tensor<64xf32>
}

// A flag takes a byte: 400 together.
// CHECK-LABEL: @flags
// CHECK: dist.all_gather {{.*}} -> tensor<4x100xi1>
// BOUND-LABEL: @flags
// BOUND: dist.all_gather {{.*}} -> tensor<200xi1>
// BOUND: dist.all_gather {{.*}} -> tensor<200xi1>
func.func @flags(%x: tensor<50xi1, #dist.on<"tp" = varying>>, %y: tensor<50xi1, #dist.on<"tp" = varying>>) -> (tensor<200xi1>, tensor<200xi1>) attributes {dist.own = @mesh} {
  %a = dist.all_gather %x dim 0 over ["tp"] : tensor<50xi1, #dist.on<"tp" = varying>> -> tensor<200xi1>
  %b = dist.all_gather %y dim 0 over ["tp"] : tensor<50xi1, #dist.on<"tp" = varying>> -> tensor<200xi1>
  return %a, %b : tensor<200xi1>, tensor<200xi1>
}

// Too large to copy: 256 MB each.
// CHECK-LABEL: @large
// CHECK: dist.all_reduce sum {{.*}} -> tensor<8192x8192xf32>
// CHECK: dist.all_reduce sum {{.*}} -> tensor<8192x8192xf32>
// SAYS: remark: {{.*}}TooLarge{{.*}}stays apart from all_reduce: one call less saves {{.*}} us, copies take {{.*}} us
func.func @large(%x: tensor<8192x8192xf32, #dist.on<"tp" = partial sum>>, %y: tensor<8192x8192xf32, #dist.on<"tp" = partial sum>>) -> (tensor<8192x8192xf32>, tensor<8192x8192xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<8192x8192xf32, #dist.on<"tp" = partial sum>> -> tensor<8192x8192xf32>
  %b = dist.all_reduce sum %y over ["tp"] : tensor<8192x8192xf32, #dist.on<"tp" = partial sum>> -> tensor<8192x8192xf32>
  return %a, %b : tensor<8192x8192xf32>, tensor<8192x8192xf32>
}

// A kB for a GPU is nothing, for processes of a host it takes longer to copy than a call takes: 64 kB each.
// CHECK-LABEL: @by_network
// CHECK: dist.all_reduce sum {{.*}} -> tensor<32768xf32>
// HOST-LABEL: @by_network
// HOST: dist.all_reduce sum {{.*}} -> tensor<16384xf32>
// HOST: dist.all_reduce sum {{.*}} -> tensor<16384xf32>
func.func @by_network(%x: tensor<16384xf32, #dist.on<"tp" = partial sum>>, %y: tensor<16384xf32, #dist.on<"tp" = partial sum>>) -> (tensor<16384xf32>, tensor<16384xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<16384xf32, #dist.on<"tp" = partial sum>> -> tensor<16384xf32>
  %b = dist.all_reduce sum %y over ["tp"] : tensor<16384xf32, #dist.on<"tp" = partial sum>> -> tensor<16384xf32>
  return %a, %b : tensor<16384xf32>, tensor<16384xf32>
}

// The second needs the first, through what lies between.
// CHECK-LABEL: @chain
// CHECK: dist.all_reduce sum {{.*}} -> tensor<64xf32>
// CHECK: dist.all_reduce sum {{.*}} -> tensor<64xf32>
// SAYS: remark: {{.*}}Dependent{{.*}}stays apart from all_reduce: it needs its result
func.func @chain(%x: tensor<64xf32, #dist.on<"tp" = partial sum>>, %y: tensor<64xf32, #dist.on<"tp" = varying>>) -> tensor<64xf32> attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  %u = jinx.mul %a, %y : tensor<64xf32>, tensor<64xf32, #dist.on<"tp" = varying>> -> tensor<64xf32, #dist.on<"tp" = partial sum>>
  %b = dist.all_reduce sum %u over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  return %b : tensor<64xf32>
}

// Other kinds, other types.
// CHECK-LABEL: @kinds
// CHECK: dist.all_reduce sum {{.*}} -> tensor<64xf32>
// CHECK: dist.all_reduce max {{.*}} -> tensor<64xf32>
// CHECK: dist.all_reduce sum {{.*}} -> tensor<64xf16>
func.func @kinds(%x: tensor<64xf32, #dist.on<"tp" = partial sum>>, %y: tensor<64xf32, #dist.on<"tp" = partial max>>, %z: tensor<64xf16, #dist.on<"tp" = partial sum>>)
    -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf16>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  %b = dist.all_reduce max %y over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial max>> -> tensor<64xf32>
  %c = dist.all_reduce sum %z over ["tp"] : tensor<64xf16, #dist.on<"tp" = partial sum>> -> tensor<64xf16>
  return %a, %b, %c : tensor<64xf32>, tensor<64xf32>, tensor<64xf16>
}

// What lies between would hide the first one: a product of 8 Tflop.
// CHECK-LABEL: @hidden
// CHECK: dist.all_reduce
// CHECK: dist.all_reduce
// SAYS: remark: {{.*}}Hidden{{.*}}stays apart from all_reduce: one call less saves {{.*}} us, what lies between hides {{.*}} us
func.func @hidden(%x: tensor<64xf32, #dist.on<"tp" = partial sum>>, %u: tensor<16384x16384xf32>, %y: tensor<64xf32, #dist.on<"tp" = partial sum>>)
    -> (tensor<64xf32>, tensor<16384x16384xf32>, tensor<64xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  %m = jinx.matmul %u, %u : tensor<16384x16384xf32>, tensor<16384x16384xf32> -> tensor<16384x16384xf32>
  %b = dist.all_reduce sum %y over ["tp"] : tensor<64xf32, #dist.on<"tp" = partial sum>> -> tensor<64xf32>
  return %a, %m, %b : tensor<64xf32>, tensor<16384x16384xf32>, tensor<64xf32>
}

// Each sum of the one kind needs one of the other: %a1 and %a2 may be one, and then %b1 and %b2 may not.
// CHECK-LABEL: @crossed
// CHECK-COUNT-3: dist.all_reduce
// CHECK-NOT: dist.all_reduce
// CHECK: return
func.func @crossed(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>, %y: tensor<8xf32, #dist.on<"tp" = partial max>>, %v: tensor<8xf32, #dist.on<"tp" = varying>>)
    -> (tensor<8xf32>, tensor<8xf32>) attributes {dist.own = @mesh} {
  %a1 = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %b1 = dist.all_reduce max %y over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial max>> -> tensor<8xf32>
  %u = jinx.mul %b1, %v : tensor<8xf32>, tensor<8xf32, #dist.on<"tp" = varying>> -> tensor<8xf32, #dist.on<"tp" = partial sum>>
  %a2 = dist.all_reduce sum %u over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %w = jinx.mul %a1, %v : tensor<8xf32>, tensor<8xf32, #dist.on<"tp" = varying>> -> tensor<8xf32, #dist.on<"tp" = partial max>>
  %b2 = dist.all_reduce max %w over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial max>> -> tensor<8xf32>
  return %a2, %b2 : tensor<8xf32>, tensor<8xf32>
}

// A row of what each rank has; behind the gather the parts of each value are put together along its dimension. Sizes may be formulas.
// CHECK-LABEL: @gathers
// CHECK: %[[A:.*]] = jinx.reshape %{{.*}} -> tensor<1x?xf32, #dist.on<"tp" = varying, sizes "1", "3*n">>
// CHECK: %[[B:.*]] = jinx.reshape %{{.*}} -> tensor<1x8xf32, #dist.on<"tp" = varying>>
// CHECK: %[[C:.*]] = jinx.concat %[[A]], %[[B]] axis 1
// CHECK: %[[R:.*]] = dist.all_gather %[[C]] dim 0 over ["tp"] : {{.*}} -> tensor<4x?xf32, #jinx.dims<"4", "3*n + 8">>
// CHECK: jinx.slice %[[R]] starts ["0", "0"]
// CHECK: jinx.transpose %{{.*}}, [1, 0, 2]
// CHECK: jinx.slice %[[R]] starts ["0", "3*n"] {{.*}} -> tensor<4x8xf32>
// CHECK: jinx.reshape %{{.*}} : tensor<4x8xf32> -> tensor<32xf32>
// CHECK-NOT: dist.all_gather
// CHECK: return
// RANKED-LABEL: @gathers
// RANKED: dist.all_gather %{{.*}} dim 0
// RANKED-NOT: dist.all_gather
func.func @gathers(%x: tensor<?x3xf32, #dist.on<"tp" = varying, sizes "n", "3">>, %y: tensor<8xf32, #dist.on<"tp" = varying>>) -> (tensor<?x12xf32, #jinx.dims<"n", "12">>, tensor<32xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_gather %x dim 1 over ["tp"] : tensor<?x3xf32, #dist.on<"tp" = varying, sizes "n", "3">> -> tensor<?x12xf32, #jinx.dims<"n", "12">>
  %b = dist.all_gather %y dim 0 over ["tp"] : tensor<8xf32, #dist.on<"tp" = varying>> -> tensor<32xf32>
  return %a, %b : tensor<?x12xf32, #jinx.dims<"n", "12">>, tensor<32xf32>
}

// A row for each rank.
// CHECK-LABEL: @scatters
// CHECK: %[[A:.*]] = jinx.transpose {{.*}}, [1, 0, 2]
// CHECK: %[[A1:.*]] = jinx.reshape %[[A]] : {{.*}} -> tensor<4x6xf32, #dist.on<"tp" = partial sum>>
// CHECK: %[[B:.*]] = jinx.reshape %{{.*}} -> tensor<4x2xf32, #dist.on<"tp" = partial sum>>
// CHECK: %[[C:.*]] = jinx.concat %[[A1]], %[[B]] axis 1
// CHECK: %[[R:.*]] = dist.reduce_scatter sum %[[C]] dim 0 over ["tp"] : tensor<4x8xf32, #dist.on<"tp" = partial sum>> -> tensor<1x8xf32, #dist.on<"tp" = varying>>
// CHECK: jinx.reshape %{{.*}} : tensor<1x6xf32, {{.*}} -> tensor<2x3xf32, #dist.on<"tp" = varying>>
// CHECK-NOT: dist.reduce_scatter
// CHECK: return
func.func @scatters(%x: tensor<2x12xf32, #dist.on<"tp" = partial sum>>, %y: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> (tensor<2x3xf32, #dist.on<"tp" = varying>>, tensor<2xf32, #dist.on<"tp" = varying>>)
    attributes {dist.own = @mesh} {
  %a = dist.reduce_scatter sum %x dim 1 over ["tp"] : tensor<2x12xf32, #dist.on<"tp" = partial sum>> -> tensor<2x3xf32, #dist.on<"tp" = varying>>
  %b = dist.reduce_scatter sum %y dim 0 over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<2xf32, #dist.on<"tp" = varying>>
  return %a, %b : tensor<2x3xf32, #dist.on<"tp" = varying>>, tensor<2xf32, #dist.on<"tp" = varying>>
}

// A rank reads its part alone.
// CHECK-LABEL: @part
// CHECK: %[[Y:.*]] = dist.reduce_scatter max %{{.*}} dim 1 over ["tp"] : {{.*}} -> tensor<3x2xf32, #dist.on<"tp" = varying>>
// CHECK-NEXT: return %[[Y]]
// SAYS: remark: {{.*}}Scattered{{.*}}a rank reads its part of dimension 1 alone: all_reduce and slice are a reduce_scatter
func.func @part(%x: tensor<3x8xf32, #dist.on<"tp" = partial max>>) -> tensor<3x2xf32, #dist.on<"tp" = varying>> attributes {dist.own = @mesh} {
  %a = dist.all_reduce max %x over ["tp"] : tensor<3x8xf32, #dist.on<"tp" = partial max>> -> tensor<3x8xf32>
  %y = jinx.slice %a starts ["0", "2*rank.tp"] steps [1, 1] : tensor<3x8xf32> -> tensor<3x2xf32, #dist.on<"tp" = varying>>
  return %y : tensor<3x2xf32, #dist.on<"tp" = varying>>
}

// Somebody reads all of it, or the part is another one.
// CHECK-LABEL: @all_of_it
// CHECK: dist.all_reduce
// CHECK-LABEL: @another_part
// CHECK: dist.all_reduce
func.func @all_of_it(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> (tensor<2xf32, #dist.on<"tp" = varying>>, tensor<8xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %y = jinx.slice %a starts ["2*rank.tp"] steps [1] : tensor<8xf32> -> tensor<2xf32, #dist.on<"tp" = varying>>
  return %y, %a : tensor<2xf32, #dist.on<"tp" = varying>>, tensor<8xf32>
}
func.func @another_part(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<2xf32, #dist.on<"tp" = varying>> attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %y = jinx.slice %a starts ["-2*rank.tp + 6"] steps [1] : tensor<8xf32> -> tensor<2xf32, #dist.on<"tp" = varying>>
  return %y : tensor<2xf32, #dist.on<"tp" = varying>>
}

// -----

// Values of another stage come between: its program would not see what goes along.
dist.mesh @mesh <"pp" = 2, "tp" = 4>
// CHECK-LABEL: @stages
// CHECK: dist.all_reduce
// CHECK: dist.recv
// CHECK: dist.all_reduce
func.func @stages(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  %r = dist.recv from 0 over ["pp"] : tensor<8xf32>
  %b = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  return %a, %r, %b : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}
