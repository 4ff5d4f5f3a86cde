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

// A row of constant length up to 512 is a tile of a warp, eight rows to a block; a longer one is walked by a block.
// CHECK-LABEL: @cumsum
// CHECK: jinx.launch @k0_cumsum(%{{.*}}) sizes [] programs "2000"
// CHECK: jinx.launch @k1_cumsum(%{{.*}}) sizes {{.*}} programs "5"
// CHECK: tile.kernel @k0_cumsum
// CHECK-NOT: scf.for
// CHECK: tile.scan %{{.*}} exclusive : vector<512xf32>, f32
// CHECK: tile.kernel @k1_cumsum
// CHECK: scf.for
// CHECK: tile.scan %{{.*}} reverse : vector<1024xf32>, f32
#long = #jinx.dims<"5", "n">
func.func @cumsum(%x: tensor<2000x300xf32>, %z: tensor<5x?xf32, #long>) -> (tensor<2000x300xf32>, tensor<5x?xf32, #long>) {
  %y = jinx.group "scan"(%x) : (tensor<2000x300xf32>) -> tensor<2000x300xf32> {
  ^bb0(%a: tensor<2000x300xf32>):
    %c = jinx.cumsum %a axis 1 exclusive : tensor<2000x300xf32> -> tensor<2000x300xf32>
    jinx.yield %c : tensor<2000x300xf32>
  }
  %w = jinx.group "scan"(%z) : (tensor<5x?xf32, #long>) -> tensor<5x?xf32, #long> {
  ^bb0(%a: tensor<5x?xf32, #long>):
    %c = jinx.cumsum %a axis 1 reverse : tensor<5x?xf32, #long> -> tensor<5x?xf32, #long>
    jinx.yield %c : tensor<5x?xf32, #long>
  }
  return %y, %w : tensor<2000x300xf32>, tensor<5x?xf32, #long>
}

// -----

// A scatter's program owns a tile of the result, asks tiles of rows whether they name anything of it, and lists and applies those that do.
// Along an axis with lanes beside it a lane owns a line, and writes where its index says.
// CHECK-LABEL: @scatter
// CHECK: tile.kernel @k0_scatter_nd
// CHECK: %[[AT:.*]], %{{.*}} = tile.scan %{{.*}} exclusive : vector<128xi32>, i32
// CHECK-COUNT-2: tile.scatter
// CHECK: scf.for
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<128xi1>, vector<128xf32>
// CHECK: tile.kernel @k1_scatter_elements
// CHECK: tile.gather
// CHECK: tile.scatter
func.func @scatter(%x: tensor<100xf32>, %i: tensor<30x1xi64>, %u: tensor<30xf32>, %z: tensor<9x40xf32>, %j: tensor<3x40xi64>, %v: tensor<3x40xf32>)
    -> (tensor<100xf32>, tensor<9x40xf32>) {
  %y = jinx.group "scatter"(%x, %i, %u) : (tensor<100xf32>, tensor<30x1xi64>, tensor<30xf32>) -> tensor<100xf32> {
  ^bb0(%a: tensor<100xf32>, %b: tensor<30x1xi64>, %c: tensor<30xf32>):
    %d = jinx.scatter_nd add, %a, %b, %c : tensor<100xf32>, tensor<30x1xi64>, tensor<30xf32> -> tensor<100xf32>
    jinx.yield %d : tensor<100xf32>
  }
  %w = jinx.group "scatter"(%z, %j, %v) : (tensor<9x40xf32>, tensor<3x40xi64>, tensor<3x40xf32>) -> tensor<9x40xf32> {
  ^bb0(%a: tensor<9x40xf32>, %b: tensor<3x40xi64>, %c: tensor<3x40xf32>):
    %d = jinx.scatter_elements add, %a, %b, %c axis 0 : tensor<9x40xf32>, tensor<3x40xi64>, tensor<3x40xf32> -> tensor<9x40xf32>
    jinx.yield %d : tensor<9x40xf32>
  }
  return %y, %w : tensor<100xf32>, tensor<9x40xf32>
}

// -----

// The k first of a row that fits a tile are sorted there; a longer row is walked with the best so far; a k that only a run knows is ranked.
// CHECK-LABEL: @top_k
// CHECK: tile.kernel @k0_top_k
// CHECK-NOT: scf.for
// CHECK: tile.sort %{{.*}} : vector<128xi64>
// CHECK: tile.kernel @k1_top_k
// CHECK: scf.for
// CHECK: tile.sort %{{.*}} descending : vector<1024xi64>
// CHECK: arith.minsi
// CHECK: tile.sort %{{.*}} : vector<1024xi64>
// CHECK: tile.kernel @k2_top_k
// CHECK-NOT: tile.sort
// CHECK: tile.scatter
#twice = #jinx.dims<"2*n">
#once = #jinx.dims<"n">
func.func @top_k(%x: tensor<4x100xf32>, %z: tensor<9000xf32>, %d: tensor<?xf32, #twice>) -> (tensor<4x7xi64>, tensor<7xi64>, tensor<?xi64, #once>) {
  %y = jinx.group "sort"(%x) : (tensor<4x100xf32>) -> tensor<4x7xi64> {
  ^bb0(%a: tensor<4x100xf32>):
    %v:2 = jinx.top_k %a axis 1 : tensor<4x100xf32> -> tensor<4x7xf32>, tensor<4x7xi64>
    jinx.yield %v#1 : tensor<4x7xi64>
  }
  %w = jinx.group "sort"(%z) : (tensor<9000xf32>) -> tensor<7xi64> {
  ^bb0(%a: tensor<9000xf32>):
    %v:2 = jinx.top_k %a axis 0 : tensor<9000xf32> -> tensor<7xf32>, tensor<7xi64>
    jinx.yield %v#1 : tensor<7xi64>
  }
  %t = jinx.group "sort"(%d) : (tensor<?xf32, #twice>) -> tensor<?xi64, #once> {
  ^bb0(%a: tensor<?xf32, #twice>):
    %v:2 = jinx.top_k %a axis 0 : tensor<?xf32, #twice> -> tensor<?xf32, #once>, tensor<?xi64, #once>
    jinx.yield %v#1 : tensor<?xi64, #once>
  }
  return %y, %w, %t : tensor<4x7xi64>, tensor<7xi64>, tensor<?xi64, #once>
}

// -----

// A layer's block carries the states over time. A quantized one keeps those of all sequences in results, which the launch gives although
// nobody reads them.
// CHECK-LABEL: @recurrent
// CHECK: jinx.launch @k0_lstm(%{{.*}}) sizes [] programs "2" {{.*}} -> tensor<5x2x20xf32>
// CHECK: jinx.launch @k1_lstm(%{{.*}}) sizes {{.*}} programs "1" {{.*}} -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>)
// CHECK: tile.kernel @k0_lstm
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (vector<32xf32>, vector<32xf32>)
// CHECK: math.fma %{{.*}} : vector<128xf32>
func.func @recurrent(%xw: tensor<5x2x80xf32>, %r: tensor<4x2x20x16xf32>, %b: tensor<4x2x20x16xi8>, %h: tensor<2x20xf32>, %c: tensor<2x20xf32>, %s: tensor<80xf32>)
    -> (tensor<5x2x20xf32>, tensor<5x2x20xf32>) {
  %y = jinx.group "recurrent"(%xw, %r, %h, %c)
      : (tensor<5x2x80xf32>, tensor<4x2x20x16xf32>, tensor<2x20xf32>, tensor<2x20xf32>) -> tensor<5x2x20xf32> {
  ^bb0(%a: tensor<5x2x80xf32>, %w: tensor<4x2x20x16xf32>, %d: tensor<2x20xf32>, %e: tensor<2x20xf32>):
    %ys, %hn, %cn = jinx.lstm %a, %w, %d, %e
        : (tensor<5x2x80xf32>, tensor<4x2x20x16xf32>, tensor<2x20xf32>, tensor<2x20xf32>) -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>)
    jinx.yield %ys : tensor<5x2x20xf32>
  }
  %z = jinx.group "recurrent"(%xw, %b, %h, %c, %s)
      : (tensor<5x2x80xf32>, tensor<4x2x20x16xi8>, tensor<2x20xf32>, tensor<2x20xf32>, tensor<80xf32>) -> tensor<5x2x20xf32> {
  ^bb0(%a: tensor<5x2x80xf32>, %w: tensor<4x2x20x16xi8>, %d: tensor<2x20xf32>, %e: tensor<2x20xf32>, %f: tensor<80xf32>):
    %ys, %hn, %cn = jinx.lstm %a, %w, %d, %e, %f : (tensor<5x2x80xf32>, tensor<4x2x20x16xi8>, tensor<2x20xf32>, tensor<2x20xf32>, tensor<80xf32>)
        -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>)
    jinx.yield %ys : tensor<5x2x20xf32>
  }
  return %y, %z : tensor<5x2x20xf32>, tensor<5x2x20xf32>
}

// -----

// Sums of halves in a scatter, and sorts of elements of 64 bits, have no kernel: they become host calls, and what these need besides is one.
// CHECK-LABEL: @on_host
// CHECK: %[[U:.*]] = jinx.host_call "" "ScatterND" 21 {reduction = "add"}(%{{.*}}, %{{.*}}, %{{.*}})
// CHECK: %[[K:.*]] = jinx.launch @{{.*}}_sizes() sizes ["n"]
// CHECK: jinx.host_call "" "TopK" 21 {axis = 0 : i64, largest = 1 : i64}(%{{.*}}, %[[K]])
#twice = #jinx.dims<"2*n">
#once = #jinx.dims<"n">
func.func @on_host(%x: tensor<8xf16>, %i: tensor<3x1xi64>, %u: tensor<3xf16>, %z: tensor<?xf64, #twice>) -> (tensor<8xf16>, tensor<?xi64, #once>) {
  %t = jinx.scatter_nd add, %x, %i, %u : tensor<8xf16>, tensor<3x1xi64>, tensor<3xf16> -> tensor<8xf16>
  %v:2 = jinx.top_k %z axis 0 : tensor<?xf64, #twice> -> tensor<?xf64, #once>, tensor<?xi64, #once>
  return %t, %v#1 : tensor<8xf16>, tensor<?xi64, #once>
}

// -----

// What was fused with an operator of the host gets a kernel of its own.
// CHECK-LABEL: @beside_host
// CHECK: %[[C:.*]] = jinx.packed_conv
// CHECK: jinx.launch @[[K:.*_relu]](%[[C]])
// CHECK: tile.kernel @[[K]]
func.func @beside_host(%x: tensor<1x1x8x3xf32>, %w: tensor<1x1x9x16xf32>) -> tensor<1x1x8x4xf32> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<1x1x8x3xf32>, tensor<1x1x9x16xf32>) -> tensor<1x1x8x4xf32> {
  ^bb0(%a: tensor<1x1x8x3xf32>, %p: tensor<1x1x9x16xf32>):
    %c = jinx.packed_conv %a, %p {kernel = array<i64: 1, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 1, 0, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}
        : tensor<1x1x8x3xf32>, tensor<1x1x9x16xf32> -> tensor<1x1x8x4xf32>
    %r = jinx.relu %c : tensor<1x1x8x4xf32> -> tensor<1x1x8x4xf32>
    jinx.yield %r : tensor<1x1x8x4xf32>
  }
  return %y : tensor<1x1x8x4xf32>
}

// -----

// A sum over many rows is one of parts of them, and one of those: 2003 rows in parts of 64, of which the last has 19, by blocks with 64 columns,
// 8 a thread, and 32 rows at a time; 32 partial rows, which are f32, by blocks with 32 columns. A thread finishes a column.
// CHECK-LABEL: @rows_in_parts
// CHECK: %[[P:.*]] = jinx.launch @k0_reduce(%arg0) sizes [] programs "32768"{{.*}} -> tensor<32x200xf32>
// CHECK: jinx.launch @k1_reduce(%[[P]], %arg1) sizes [] programs "1792"{{.*}} -> tensor<1x200xf16>
// CHECK: tile.kernel @k0_reduce
// CHECK: %[[ROWS:.*]] = arith.minsi %c64, %{{.*}} : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[ROWS]] step %c32
// CHECK: tile.load {{.*}} limits({{.*}}) : <f16> -> vector<8xf16>
// CHECK: tile.store {{.*}} : vector<8xf32>, <f32>
// CHECK: scf.for %{{.*}} = %c1 to %c32
// CHECK: tile.store {{.*}} limits({{.*}}) : vector<1xf32>, <f32>
func.func @rows_in_parts(%x: tensor<2003x200xf16>, %s: tensor<200xf16>) -> tensor<1x200xf16> {
  %y = jinx.group "rows"(%x, %s) : (tensor<2003x200xf16>, tensor<200xf16>) -> tensor<1x200xf16> {
  ^bb0(%a: tensor<2003x200xf16>, %b: tensor<200xf16>):
    %t = jinx.reduce sum, %a axes [0] : tensor<2003x200xf16> -> tensor<1x200xf16>
    %r = jinx.mul %t, %b : tensor<1x200xf16>, tensor<200xf16> -> tensor<1x200xf16>
    jinx.yield %r : tensor<1x200xf16>
  }
  return %y : tensor<1x200xf16>
}

// -----

// Parts of 96 rows rather than 64, where they come out even: no row is asked for.
// CHECK-LABEL: @rows_in_even_parts
// CHECK: jinx.launch @k0_reduce(%arg0) {{.*}} -> tensor<25x256xf32>
// CHECK: tile.kernel @k0_reduce
// CHECK-NOT: minsi
// CHECK: scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK: tile.load {{.*}} strides(%c1) : <f16> -> vector<8xf16>
func.func @rows_in_even_parts(%x: tensor<2400x256xf16>) -> tensor<1x256xf16> {
  %y = jinx.group "rows"(%x) : (tensor<2400x256xf16>) -> tensor<1x256xf16> {
  ^bb0(%a: tensor<2400x256xf16>):
    %t = jinx.reduce sum, %a axes [0] : tensor<2400x256xf16> -> tensor<1x256xf16>
    jinx.yield %t : tensor<1x256xf16>
  }
  return %y : tensor<1x256xf16>
}

// -----

// Tests that rows are not cut where their columns are 625 strips: one kernel, in which 32 teams share all rows.
// CHECK-LABEL: @rows_of_many_columns
// CHECK: jinx.launch @k0_reduce(%arg0) sizes [] programs "160000"{{.*}} -> tensor<1x40000xf16>
// CHECK-NEXT: return
// CHECK: scf.for %{{.*}} = %c0 to %c32 step %c1
// CHECK: tile.store {{.*}} : vector<1xf16>, <f16>
func.func @rows_of_many_columns(%x: tensor<1024x40000xf16>) -> tensor<1x40000xf16> {
  %y = jinx.group "rows"(%x) : (tensor<1024x40000xf16>) -> tensor<1x40000xf16> {
  ^bb0(%a: tensor<1024x40000xf16>):
    %t = jinx.reduce sum, %a axes [0] : tensor<1024x40000xf16> -> tensor<1x40000xf16>
    jinx.yield %t : tensor<1x40000xf16>
  }
  return %y : tensor<1x40000xf16>
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

// -----

// Dimensions that a transpose leaves side by side are one: 256 places in 4 tiles of 64, for 64 channels.
// CHECK-LABEL: @channels_last
// CHECK: tile.kernel @k0_mul{{.*}} programs "512"
func.func @channels_last(%x: tensor<2x64x16x16xf16>, %s: tensor<64x1x1xf16>) -> tensor<2x16x16x64xf16> {
  %y = jinx.group "rows"(%x, %s) : (tensor<2x64x16x16xf16>, tensor<64x1x1xf16>) -> tensor<2x16x16x64xf16> {
  ^bb0(%a: tensor<2x64x16x16xf16>, %b: tensor<64x1x1xf16>):
    %m = jinx.mul %a, %b : tensor<2x64x16x16xf16>, tensor<64x1x1xf16> -> tensor<2x64x16x16xf16>
    %t = jinx.transpose %m, [0, 2, 3, 1] : tensor<2x64x16x16xf16> -> tensor<2x16x16x64xf16>
    jinx.yield %t : tensor<2x16x16x64xf16>
  }
  return %y : tensor<2x16x16x64xf16>
}

// -----

// Tests that an operand for each column keeps them apart: 16 tiles of a line, of which a quarter is there.
// CHECK-LABEL: @channels_last_columns
// CHECK: tile.kernel @k0_mul{{.*}} programs "2048"
func.func @channels_last_columns(%x: tensor<2x64x16x16xf16>, %s: tensor<16xf16>) -> tensor<2x16x16x64xf16> {
  %y = jinx.group "rows"(%x, %s) : (tensor<2x64x16x16xf16>, tensor<16xf16>) -> tensor<2x16x16x64xf16> {
  ^bb0(%a: tensor<2x64x16x16xf16>, %b: tensor<16xf16>):
    %m = jinx.mul %a, %b : tensor<2x64x16x16xf16>, tensor<16xf16> -> tensor<2x64x16x16xf16>
    %t = jinx.transpose %m, [0, 2, 3, 1] : tensor<2x64x16x16xf16> -> tensor<2x16x16x64xf16>
    jinx.yield %t : tensor<2x16x16x64xf16>
  }
  return %y : tensor<2x16x16x64xf16>
}

// -----

// Products of groups: as many blocks as any sizes of the groups want, at most one a multiprocessor; the walk is over groups, then over tiles.
// CHECK-LABEL: @grouped
// CHECK: jinx.launch @k0_packed_grouped_matmul(%{{.*}}) sizes [] programs
// CHECK: tile.roles
// CHECK: scf.for %{{.*}} iter_args
// CHECK: tile.load %{{.*}} -> vector<1xi64>
// CHECK: tile.copy_bulk
// CHECK: tile.store_bulk
// CHECK: tile.store %
func.func @grouped(%x: tensor<4096x64xbf16>, %w: tensor<3x256x64xbf16>, %e: tensor<3xi64>) -> tensor<4096x256xbf16> {
  %y = jinx.group "grouped"(%x, %w, %e) : (tensor<4096x64xbf16>, tensor<3x256x64xbf16>, tensor<3xi64>) -> tensor<4096x256xbf16> {
  ^bb0(%a: tensor<4096x64xbf16>, %b: tensor<3x256x64xbf16>, %c: tensor<3xi64>):
    %p = jinx.packed_grouped_matmul %a, %b by_rows, %c : tensor<4096x64xbf16>, tensor<3x256x64xbf16>, tensor<3xi64> -> tensor<4096x256xbf16>
    jinx.yield %p : tensor<4096x256xbf16>
  }
  return %y : tensor<4096x256xbf16>
}

// -----

// Two grouped products: each has a map of its own, whose boxes are halves of a slot.
// CHECK-LABEL: @grouped_pair
// CHECK: jinx.launch @k0_packed_grouped_matmul(%{{.*}}) {{.*}} paired"
// CHECK: tile.roles
// CHECK: tile.copy_bulk %[[FIRST:.*]][%[[AT:.*]]] into %[[SLOT:[0-9]+]] 1{{$}}
// CHECK-NOT: tile.copy_bulk %[[FIRST]]
// CHECK: tile.copy_bulk %{{.*}}[%[[AT]]] into %[[SLOT]] 1 row 128
// CHECK: tile.unpair
// CHECK: tile.store_bulk
func.func @grouped_pair(%x: tensor<4096x64xbf16>, %wg: tensor<3x256x64xbf16>, %wu: tensor<3x256x64xbf16>, %e: tensor<3xi32>) -> tensor<4096x256xbf16> {
  %y = jinx.group "grouped"(%x, %wg, %e, %wu) : (tensor<4096x64xbf16>, tensor<3x256x64xbf16>, tensor<3xi32>, tensor<3x256x64xbf16>) -> tensor<4096x256xbf16> {
  ^bb0(%a: tensor<4096x64xbf16>, %b: tensor<3x256x64xbf16>, %c: tensor<3xi32>, %d: tensor<3x256x64xbf16>):
    %g = jinx.packed_grouped_matmul %a, %b by_rows, %c : tensor<4096x64xbf16>, tensor<3x256x64xbf16>, tensor<3xi32> -> tensor<4096x256xbf16>
    %u = jinx.packed_grouped_matmul %a, %d by_rows, %c : tensor<4096x64xbf16>, tensor<3x256x64xbf16>, tensor<3xi32> -> tensor<4096x256xbf16>
    %v = jinx.mul %g, %u : tensor<4096x256xbf16>, tensor<4096x256xbf16> -> tensor<4096x256xbf16>
    jinx.yield %v : tensor<4096x256xbf16>
  }
  return %y : tensor<4096x256xbf16>
}

// -----

// Rows of other groups are no pair: the group is taken apart.
// CHECK-LABEL: @grouped_other_ends
// CHECK: %[[G:.*]] = jinx.launch @[[K:k[0-9]+_packed_grouped_matmul]](%arg0, %arg1, %arg2)
// CHECK: %[[U:.*]] = jinx.launch @[[K]](%arg0, %arg1, %arg3)
// CHECK: jinx.launch @{{.*}}mul(%[[G]], %[[U]])
func.func @grouped_other_ends(%x: tensor<8x64xbf16>, %w: tensor<3x16x64xbf16>, %e: tensor<3xi32>, %f: tensor<3xi32>) -> tensor<8x16xbf16> {
  %y = jinx.group "grouped"(%x, %w, %e, %f) : (tensor<8x64xbf16>, tensor<3x16x64xbf16>, tensor<3xi32>, tensor<3xi32>) -> tensor<8x16xbf16> {
  ^bb0(%a: tensor<8x64xbf16>, %b: tensor<3x16x64xbf16>, %c: tensor<3xi32>, %d: tensor<3xi32>):
    %g = jinx.packed_grouped_matmul %a, %b by_rows, %c : tensor<8x64xbf16>, tensor<3x16x64xbf16>, tensor<3xi32> -> tensor<8x16xbf16>
    %u = jinx.packed_grouped_matmul %a, %b by_rows, %d : tensor<8x64xbf16>, tensor<3x16x64xbf16>, tensor<3xi32> -> tensor<8x16xbf16>
    %m = jinx.mul %g, %u : tensor<8x16xbf16>, tensor<8x16xbf16> -> tensor<8x16xbf16>
    jinx.yield %m : tensor<8x16xbf16>
  }
  return %y : tensor<8x16xbf16>
}

// -----

// No product at all: nor has this one a kernel as a whole.
// CHECK-LABEL: @no_product
// CHECK: jinx.launch @{{.*}}exp
func.func @no_product(%x: tensor<5000xf32>) -> tensor<5000xf32> {
  %y = jinx.group "grouped"(%x) : (tensor<5000xf32>) -> tensor<5000xf32> {
  ^bb0(%a: tensor<5000xf32>):
    %e = jinx.exp %a : tensor<5000xf32> -> tensor<5000xf32>
    %n = jinx.neg %e : tensor<5000xf32> -> tensor<5000xf32>
    jinx.yield %n : tensor<5000xf32>
  }
  return %y : tensor<5000xf32>
}
