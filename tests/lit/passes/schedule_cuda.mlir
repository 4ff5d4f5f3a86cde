// RUN: jinx-opt %s --split-input-file --jinx-schedule="cuda=true" | FileCheck %s

// A row is a tile of a block: wider than on the CPU.
// CHECK-LABEL: @rows
// CHECK: tile.kernel @k0_exp
// CHECK: math.exp %{{.*}} : vector<1024xf32>
func.func @rows(%x: tensor<5000xf32>) -> tensor<5000xf32> {
  %y = jinx.group "rows"(%x) : (tensor<5000xf32>) -> tensor<5000xf32> {
  ^bb0(%a: tensor<5000xf32>):
    %e = jinx.exp %a : tensor<5000xf32> -> tensor<5000xf32>
    jinx.yield %e : tensor<5000xf32>
  }
  return %y : tensor<5000xf32>
}

// -----

// A product goes through a ring of shared memory; the batch of a is part of its rows, and the bias follows by columns (stride 0, 1).
// CHECK-LABEL: @matmul
// CHECK: jinx.launch @k0_packed_matmul(%{{.*}}) sizes [] programs "1"
// CHECK: tile.ring
// CHECK: tile.mma
// CHECK: tile.load %{{.*}} strides(%c0{{.*}}, %c1{{.*}}) limits
// CHECK: arith.addf %{{.*}} : vector<64x64xf32>
func.func @matmul(%x: tensor<2x4x8xf32>, %w: tensor<2x8x16xf32>, %b: tensor<20xf32>) -> tensor<2x4x20xf32> {
  %y = jinx.group "matmul"(%x, %w, %b) : (tensor<2x4x8xf32>, tensor<2x8x16xf32>, tensor<20xf32>) -> tensor<2x4x20xf32> {
  ^bb0(%a: tensor<2x4x8xf32>, %p: tensor<2x8x16xf32>, %c: tensor<20xf32>):
    %m = jinx.packed_matmul %a, %p : tensor<2x4x8xf32>, tensor<2x8x16xf32> -> tensor<2x4x20xf32>
    %s = jinx.add %m, %c : tensor<2x4x20xf32>, tensor<20xf32> -> tensor<2x4x20xf32>
    jinx.yield %s : tensor<2x4x20xf32>
  }
  return %y : tensor<2x4x20xf32>
}

// -----

// Tests that a value per matrix of the batch keeps the batch apart: two matrices, two programs.
// CHECK-LABEL: @per_matrix
// CHECK: jinx.launch @k0_packed_matmul(%{{.*}}) sizes [] programs "2"
func.func @per_matrix(%x: tensor<2x4x8xf32>, %w: tensor<2x8x16xf32>, %b: tensor<2x1x20xf32>) -> tensor<2x4x20xf32> {
  %y = jinx.group "matmul"(%x, %w, %b) : (tensor<2x4x8xf32>, tensor<2x8x16xf32>, tensor<2x1x20xf32>) -> tensor<2x4x20xf32> {
  ^bb0(%a: tensor<2x4x8xf32>, %p: tensor<2x8x16xf32>, %c: tensor<2x1x20xf32>):
    %m = jinx.packed_matmul %a, %p : tensor<2x4x8xf32>, tensor<2x8x16xf32> -> tensor<2x4x20xf32>
    %s = jinx.add %m, %c : tensor<2x4x20xf32>, tensor<2x1x20xf32> -> tensor<2x4x20xf32>
    jinx.yield %s : tensor<2x4x20xf32>
  }
  return %y : tensor<2x4x20xf32>
}

// -----

// A group that no CUDA schedule covers goes back to operators, which run on the host. Nothing of a kernel is left.
// CHECK-LABEL: @padded
// CHECK-NOT: jinx.group
// CHECK: jinx.packed_conv
// CHECK-NOT: tile.kernel
func.func @padded(%x: tensor<1x1x8x3xf32>, %w: tensor<1x1x9x16xf32>) -> tensor<1x1x8x4xf32> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<1x1x8x3xf32>, tensor<1x1x9x16xf32>) -> tensor<1x1x8x4xf32> {
  ^bb0(%a: tensor<1x1x8x3xf32>, %p: tensor<1x1x9x16xf32>):
    %c = jinx.packed_conv %a, %p {kernel = array<i64: 1, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 1, 0, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}
        : tensor<1x1x8x3xf32>, tensor<1x1x9x16xf32> -> tensor<1x1x8x4xf32>
    jinx.yield %c : tensor<1x1x8x4xf32>
  }
  return %y : tensor<1x1x8x4xf32>
}

// -----

// Tests that an attention that the CUDA kernel does not take goes back to operators, each with a kernel of its own.
// CHECK-LABEL: @attention
// CHECK-COUNT-7: jinx.launch
// CHECK: tile.kernel @k1_packed_matmul
// CHECK: tile.ring async
// CHECK: tile.kernel @k2_reduce
func.func @attention(%q: tensor<5x8xf32>, %w: tensor<1x8x16xf32>, %v: tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  %y = jinx.group "attention"(%q, %w, %v) : (tensor<5x8xf32>, tensor<1x8x16xf32>, tensor<1x7x16xf32>) -> tensor<5x16xf32> {
  ^bb0(%a: tensor<5x8xf32>, %b: tensor<1x8x16xf32>, %c: tensor<1x7x16xf32>):
    %x = jinx.packed_matmul %a, %b : tensor<5x8xf32>, tensor<1x8x16xf32> -> tensor<5x7xf32>
    %m = jinx.reduce max, %x axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %d = jinx.sub %x, %m : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %e = jinx.exp %d : tensor<5x7xf32> -> tensor<5x7xf32>
    %l = jinx.reduce sum, %e axes [1] : tensor<5x7xf32> -> tensor<5x1xf32>
    %p = jinx.div %e, %l : tensor<5x7xf32>, tensor<5x1xf32> -> tensor<5x7xf32>
    %o = jinx.packed_matmul %p, %c : tensor<5x7xf32>, tensor<1x7x16xf32> -> tensor<5x16xf32>
    jinx.yield %o : tensor<5x16xf32>
  }
  return %y : tensor<5x16xf32>
}

// -----

// Running sums, scatters and sorts have no CUDA schedule: they become host calls, and what these need besides is a kernel again.
// CHECK-LABEL: @on_host
// CHECK: %[[A:.*]] = jinx.constant dense<0> : tensor<1xi64>
// CHECK: %[[S:.*]] = jinx.host_call "" "CumSum" 21 {exclusive = 1 : i64, reverse = 0 : i64}(%{{.*}}, %[[A]])
// CHECK: %[[U:.*]] = jinx.host_call "" "ScatterND" 21 {reduction = "none"}(%[[S]], %{{.*}}, %{{.*}})
// CHECK: %[[K:.*]] = jinx.launch @{{.*}}_sizes() sizes ["n"]
// CHECK: jinx.host_call "" "TopK" 21 {axis = 0 : i64, largest = 1 : i64}(%[[U]], %[[K]])
#twice = #jinx.dims<"2*n">
#once = #jinx.dims<"n">
func.func @on_host(%x: tensor<?xf32, #twice>, %i: tensor<3x1xi64>, %u: tensor<3xf32>) -> tensor<?xi64, #once> {
  %s = jinx.group "scan"(%x) : (tensor<?xf32, #twice>) -> tensor<?xf32, #twice> {
  ^bb0(%a: tensor<?xf32, #twice>):
    %c = jinx.cumsum %a axis 0 exclusive : tensor<?xf32, #twice> -> tensor<?xf32, #twice>
    jinx.yield %c : tensor<?xf32, #twice>
  }
  %t = jinx.group "scatter"(%s, %i, %u) : (tensor<?xf32, #twice>, tensor<3x1xi64>, tensor<3xf32>) -> tensor<?xf32, #twice> {
  ^bb0(%a: tensor<?xf32, #twice>, %b: tensor<3x1xi64>, %c: tensor<3xf32>):
    %d = jinx.scatter_nd set, %a, %b, %c : tensor<?xf32, #twice>, tensor<3x1xi64>, tensor<3xf32> -> tensor<?xf32, #twice>
    jinx.yield %d : tensor<?xf32, #twice>
  }
  %y = jinx.group "sort"(%t) : (tensor<?xf32, #twice>) -> tensor<?xi64, #once> {
  ^bb0(%a: tensor<?xf32, #twice>):
    %v:2 = jinx.top_k %a axis 0 : tensor<?xf32, #twice> -> tensor<?xf32, #once>, tensor<?xi64, #once>
    jinx.yield %v#1 : tensor<?xi64, #once>
  }
  return %y : tensor<?xi64, #once>
}

// -----

// What was fused with an operator of the host gets a kernel of its own.
// CHECK-LABEL: @beside_host
// CHECK: %[[D:.*]] = jinx.launch @[[K:.*_div]](%{{.*}}, %{{.*}})
// CHECK: jinx.host_call "" "CumSum" 21 {{.*}}(%[[D]], %{{.*}})
// CHECK: tile.kernel @[[K]]
func.func @beside_host(%x: tensor<5x40xf32>, %s: tensor<5x1xf32>) -> tensor<5x40xf32> {
  %y = jinx.group "scan"(%x, %s) : (tensor<5x40xf32>, tensor<5x1xf32>) -> tensor<5x40xf32> {
  ^bb0(%a: tensor<5x40xf32>, %b: tensor<5x1xf32>):
    %d = jinx.div %a, %b : tensor<5x40xf32>, tensor<5x1xf32> -> tensor<5x40xf32>
    %c = jinx.cumsum %d axis 1 : tensor<5x40xf32> -> tensor<5x40xf32>
    jinx.yield %c : tensor<5x40xf32>
  }
  return %y : tensor<5x40xf32>
}

// -----

// A sum over many rows is one of parts of them, and one of those: 2000 rows in parts of 32, of which the last has 16. Partial results are f32.
// CHECK-LABEL: @rows_in_parts
// CHECK: %[[P:.*]] = jinx.launch @k0_reduce(%arg0) sizes [] programs "126"{{.*}} -> tensor<63x200xf32>
// CHECK: jinx.launch @k1_reduce(%[[P]], %arg1){{.*}} -> tensor<1x200xf16>
// CHECK: tile.kernel @k0_reduce
// CHECK: arith.minsi %c32, %{{.*}} : index
// CHECK: tile.load {{.*}} -> vector<128xf16>
func.func @rows_in_parts(%x: tensor<2000x200xf16>, %s: tensor<200xf16>) -> tensor<1x200xf16> {
  %y = jinx.group "rows"(%x, %s) : (tensor<2000x200xf16>, tensor<200xf16>) -> tensor<1x200xf16> {
  ^bb0(%a: tensor<2000x200xf16>, %b: tensor<200xf16>):
    %t = jinx.reduce sum, %a axes [0] : tensor<2000x200xf16> -> tensor<1x200xf16>
    %r = jinx.mul %t, %b : tensor<1x200xf16>, tensor<200xf16> -> tensor<1x200xf16>
    jinx.yield %r : tensor<1x200xf16>
  }
  return %y : tensor<1x200xf16>
}

// -----

// Tests that two reductions of which one needs the other stay one kernel.
// CHECK-LABEL: @rows_in_phases
// CHECK-COUNT-1: jinx.launch
// CHECK-NOT: jinx.launch
func.func @rows_in_phases(%x: tensor<2000x200xf32>) -> tensor<1x200xf32> {
  %y = jinx.group "rows"(%x) : (tensor<2000x200xf32>) -> tensor<1x200xf32> {
  ^bb0(%a: tensor<2000x200xf32>):
    %m = jinx.reduce max, %a axes [0] : tensor<2000x200xf32> -> tensor<1x200xf32>
    %d = jinx.sub %a, %m : tensor<2000x200xf32>, tensor<1x200xf32> -> tensor<2000x200xf32>
    %s = jinx.reduce sum, %d axes [0] : tensor<2000x200xf32> -> tensor<1x200xf32>
    jinx.yield %s : tensor<1x200xf32>
  }
  return %y : tensor<1x200xf32>
}

// -----

// A map with a short innermost dimension: a program is a thread with a run of 16 bytes.
// CHECK-LABEL: @runs
// CHECK: tile.kernel @k0_transpose{{.*}} programs "162"
// CHECK: tile.load {{.*}} -> vector<8xf16>
func.func @runs(%x: tensor<2x9x3x24xf16>) -> tensor<2x3x9x24xf16> {
  %y = jinx.group "rows"(%x) : (tensor<2x9x3x24xf16>) -> tensor<2x3x9x24xf16> {
  ^bb0(%a: tensor<2x9x3x24xf16>):
    %t = jinx.transpose %a, [0, 2, 1, 3] : tensor<2x9x3x24xf16> -> tensor<2x3x9x24xf16>
    jinx.yield %t : tensor<2x3x9x24xf16>
  }
  return %y : tensor<2x3x9x24xf16>
}
