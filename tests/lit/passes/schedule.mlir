// RUN: jinx-opt %s --split-input-file --jinx-schedule | FileCheck %s

// A chain becomes one kernel, named after its first operator, and a launch of it. One program handles up to 4096 elements.
// CHECK-LABEL: @chain
// CHECK: jinx.launch @[[K:k0_exp]](%{{.*}}) sizes [] programs "1" scratch "0" work "{{.*}}" from [] {{.*}}: (tensor<8xf32>) -> tensor<8xf32>
// CHECK: tile.kernel @[[K]](%[[X:.*]]: !tile.ptr<f32>, %[[Y:.*]]: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from ""
// CHECK: %[[T:.*]] = tile.load %[[X]]
// CHECK: %[[E:.*]] = math.exp %[[T]]
// CHECK: %[[S:.*]] = arith.addf %[[E]], %[[T]]
// CHECK: tile.store %[[S]], %[[Y]]
func.func @chain(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32>
    %s = jinx.add %e, %a : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
    jinx.yield %s : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

// A dynamic size is a parameter of the kernel; the launch says how to compute it.
// CHECK-LABEL: @symbolic
// CHECK: jinx.launch @k0_exp(%{{.*}}) sizes ["{{.*}}"{{.*}}] programs "(n - 1) floordiv 4096 + 1"
// CHECK: tile.kernel @k0_exp(%{{.*}}: !tile.ptr<f32>, %{{.*}}: !tile.ptr<f32>, %{{.*}}: index{{.*}}) inputs 1 programs "a{{[0-9]}}"
func.func @symbolic(%x: tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">> {
  %y = jinx.group "rows"(%x) : (tensor<?xf32, #jinx.dims<"n">>) -> tensor<?xf32, #jinx.dims<"n">> {
  ^bb0(%a: tensor<?xf32, #jinx.dims<"n">>):
    %e = jinx.exp %a : tensor<?xf32, #jinx.dims<"n">> -> tensor<?xf32, #jinx.dims<"n">>
    jinx.yield %e : tensor<?xf32, #jinx.dims<"n">>
  }
  return %y : tensor<?xf32, #jinx.dims<"n">>
}

// -----

// A reduction: one program a row, the lanes combined at the end.
// CHECK-LABEL: @reduce
// CHECK: jinx.launch @k0_reduce(%{{.*}}) sizes [] programs "4"
// CHECK: tile.kernel @k0_reduce
// CHECK: tile.program_id
// CHECK: tile.reduce max
func.func @reduce(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %y = jinx.group "rows"(%x) : (tensor<4x8xf32>) -> tensor<4x1xf32> {
  ^bb0(%a: tensor<4x8xf32>):
    %m = jinx.reduce max, %a axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
    jinx.yield %m : tensor<4x1xf32>
  }
  return %y : tensor<4x1xf32>
}

// -----

// A bool is a byte in memory and a bit in a tile.
// CHECK-LABEL: @bool
// CHECK: tile.kernel @k0_compare(%{{.*}}: !tile.ptr<f32>, %{{.*}}: !tile.ptr<f32>, %{{.*}}: !tile.ptr<i8>)
// CHECK: arith.cmpf olt, %{{.*}} : vector<8xf32>
// CHECK: arith.extui %{{.*}} : vector<8xi1> to vector<8xi8>
func.func @bool(%x: tensor<8xf32>, %z: tensor<8xf32>) -> tensor<8xi1> {
  %y = jinx.group "rows"(%x, %z) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xi1> {
  ^bb0(%a: tensor<8xf32>, %b: tensor<8xf32>):
    %c = jinx.compare lt, %a, %b : tensor<8xf32>, tensor<8xf32> -> tensor<8xi1>
    jinx.yield %c : tensor<8xi1>
  }
  return %y : tensor<8xi1>
}

// -----

// A product keeps its accumulator in registers; the epilogue runs on each row of it before the store.
// CHECK-LABEL: @product
// CHECK: jinx.launch @k0_packed_matmul
// CHECK: tile.kernel @k0_packed_matmul
// CHECK: %[[ACC:.*]] = tile.dot %{{.*}} : vector<4x16xf32>, <f32>, <f32> -> vector<4x16xf32>
// CHECK: %[[ROW:.*]] = vector.extract %[[ACC]][0]
// CHECK: math.tanh %[[ROW]]
// CHECK: tile.store
func.func @product(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<4x8xf32>, tensor<1x8x16xf32>) -> tensor<4x16xf32> {
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<1x8x16xf32>):
    %p = jinx.packed_matmul %a, %b : tensor<4x8xf32>, tensor<1x8x16xf32> -> tensor<4x16xf32>
    %t = jinx.tanh %p : tensor<4x16xf32> -> tensor<4x16xf32>
    jinx.yield %t : tensor<4x16xf32>
  }
  return %y : tensor<4x16xf32>
}

// -----

// Names of nodes reach the kernel and the launch.
// CHECK-LABEL: @names
// CHECK: jinx.launch @k0_exp(%{{.*}}) {{.*}} from ["/act/Exp", "/act/Neg"]
// CHECK: tile.kernel @k0_exp({{.*}} from "/act/Exp, /act/Neg"
func.func @names(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %e = jinx.exp %a : tensor<8xf32> -> tensor<8xf32> loc("/act/Exp")
    %s = jinx.neg %e : tensor<8xf32> -> tensor<8xf32> loc("/act/Neg")
    jinx.yield %s : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

// An LSTM's state lives in private memory.
// CHECK-LABEL: @lstm
// CHECK: jinx.launch @k0_lstm
// CHECK: tile.kernel @k0_lstm
// CHECK: tile.scratch
// CHECK: tile.dot
func.func @lstm(%xw: tensor<5x2x80xf32>, %r: tensor<4x2x20x16xf32>, %h: tensor<2x20xf32>, %c: tensor<2x20xf32>) -> tensor<5x2x20xf32> {
  %y:3 = jinx.group "recurrent"(%xw, %r, %h, %c)
      : (tensor<5x2x80xf32>, tensor<4x2x20x16xf32>, tensor<2x20xf32>, tensor<2x20xf32>) -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>) {
  ^bb0(%a: tensor<5x2x80xf32>, %b: tensor<4x2x20x16xf32>, %d: tensor<2x20xf32>, %e: tensor<2x20xf32>):
    %ys, %hn, %cn = jinx.lstm %a, %b, %d, %e
        : (tensor<5x2x80xf32>, tensor<4x2x20x16xf32>, tensor<2x20xf32>, tensor<2x20xf32>) -> (tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>)
    jinx.yield %ys, %hn, %cn : tensor<5x2x20xf32>, tensor<2x20xf32>, tensor<2x20xf32>
  }
  return %y#0 : tensor<5x2x20xf32>
}

// -----

// Lanes along which tensors are joined are cut where the next one begins: each part is a run of one operand.
// CHECK-LABEL: @join_lanes
// CHECK: tile.kernel @k0_concat(%[[A:.*]]: !tile.ptr<f32>, %[[B:.*]]: !tile.ptr<f32>, %[[Y:.*]]: !tile.ptr<f32>)
// CHECK-NOT: tile.gather
// CHECK: tile.load %[[A]][
// CHECK-NOT: tile.gather
// CHECK: tile.load %[[B]][
// CHECK-NOT: tile.gather
func.func @join_lanes(%x: tensor<5x24xf32>, %z: tensor<5x40xf32>) -> tensor<5x64xf32> {
  %y = jinx.group "rows"(%x, %z) : (tensor<5x24xf32>, tensor<5x40xf32>) -> tensor<5x64xf32> {
  ^bb0(%a: tensor<5x24xf32>, %b: tensor<5x40xf32>):
    %c = jinx.concat %a, %b axis 1 : tensor<5x24xf32>, tensor<5x40xf32> -> tensor<5x64xf32>
    jinx.yield %c : tensor<5x64xf32>
  }
  return %y : tensor<5x64xf32>
}

// -----

// The edges of a pad cut them too: only a part that lies on both sides of one is read lane by lane. Here [1, 7) are x, lane 0 is fill.
// CHECK-LABEL: @pad_lanes
// CHECK: tile.kernel @k0_pad
// CHECK: tile.load
func.func @pad_lanes(%x: tensor<5x6xf32>) -> tensor<5x7xf32> {
  %y = jinx.group "rows"(%x) : (tensor<5x6xf32>) -> tensor<5x7xf32> {
  ^bb0(%a: tensor<5x6xf32>):
    %c = jinx.pad %a low ["0", "1"] mode constant : tensor<5x6xf32> -> tensor<5x7xf32>
    jinx.yield %c : tensor<5x7xf32>
  }
  return %y : tensor<5x7xf32>
}

// -----

// Of a last panel of which at most half is wanted, half is computed: 24 columns are a panel and a half.
// CHECK-LABEL: @half_panel
// CHECK: tile.dot {{.*}} : vector<2x24xf32>
func.func @half_panel(%x: tensor<2x8xf32>, %w: tensor<2x8x16xf32>) -> tensor<2x24xf32> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<2x8xf32>, tensor<2x8x16xf32>) -> tensor<2x24xf32> {
  ^bb0(%a: tensor<2x8xf32>, %b: tensor<2x8x16xf32>):
    %c = jinx.packed_matmul %a, %b : tensor<2x8xf32>, tensor<2x8x16xf32> -> tensor<2x24xf32>
    jinx.yield %c : tensor<2x24xf32>
  }
  return %y : tensor<2x24xf32>
}

// -----

// Tests that 25 columns are two panels, of which the last lanes are not stored.
// CHECK-LABEL: @whole_panels
// CHECK: tile.dot {{.*}} : vector<2x32xf32>
// CHECK: tile.store {{.*}} limits
func.func @whole_panels(%x: tensor<2x8xf32>, %w: tensor<2x8x16xf32>) -> tensor<2x25xf32> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<2x8xf32>, tensor<2x8x16xf32>) -> tensor<2x25xf32> {
  ^bb0(%a: tensor<2x8xf32>, %b: tensor<2x8x16xf32>):
    %c = jinx.packed_matmul %a, %b : tensor<2x8xf32>, tensor<2x8x16xf32> -> tensor<2x25xf32>
    jinx.yield %c : tensor<2x25xf32>
  }
  return %y : tensor<2x25xf32>
}

// -----

// A depthwise convolution walks rows in blocks of four positions, which share what they load: 3 columns of w and 6 of x for 12 products.
// CHECK-LABEL: @depthwise
// CHECK: tile.kernel @k0_depthwise_conv(%[[X:.*]]: !tile.ptr<f32>, %[[W:.*]]: !tile.ptr<f32>, %{{.*}}: !tile.ptr<f32>) inputs 2 programs "9"
// CHECK: step %c4
// CHECK-COUNT-12: vector.fma
// CHECK-NOT: vector.fma
// CHECK-COUNT-4: tile.store
func.func @depthwise(%x: tensor<1x9x9x16xf32>, %w: tensor<3x3x16xf32>) -> tensor<1x9x9x16xf32> {
  %y = jinx.group "rows"(%x, %w) : (tensor<1x9x9x16xf32>, tensor<3x3x16xf32>) -> tensor<1x9x9x16xf32> {
  ^bb0(%a: tensor<1x9x9x16xf32>, %b: tensor<3x3x16xf32>):
    %c = jinx.depthwise_conv %a, %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
        : tensor<1x9x9x16xf32>, tensor<3x3x16xf32> -> tensor<1x9x9x16xf32>
    %r = jinx.relu %c : tensor<1x9x9x16xf32> -> tensor<1x9x9x16xf32>
    jinx.yield %r : tensor<1x9x9x16xf32>
  }
  return %y : tensor<1x9x9x16xf32>
}

// -----

// Tests that one whose image is computed in the group is evaluated position by position: blocks load from memory.
// CHECK-LABEL: @depthwise_of_a_chain
// CHECK: tile.kernel @k0_depthwise_conv
// CHECK: math.exp
// CHECK-COUNT-1: vector.fma
// CHECK-NOT: vector.fma
func.func @depthwise_of_a_chain(%x: tensor<1x9x9x16xf32>, %w: tensor<3x3x16xf32>) -> tensor<1x9x9x16xf32> {
  %y = jinx.group "rows"(%x, %w) : (tensor<1x9x9x16xf32>, tensor<3x3x16xf32>) -> tensor<1x9x9x16xf32> {
  ^bb0(%a: tensor<1x9x9x16xf32>, %b: tensor<3x3x16xf32>):
    %e = jinx.exp %a : tensor<1x9x9x16xf32> -> tensor<1x9x9x16xf32>
    %c = jinx.depthwise_conv %e, %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
        : tensor<1x9x9x16xf32>, tensor<3x3x16xf32> -> tensor<1x9x9x16xf32>
    jinx.yield %c : tensor<1x9x9x16xf32>
  }
  return %y : tensor<1x9x9x16xf32>
}

// -----

// An image's few channels come last by shuffles of whole loads.
// CHECK-LABEL: @interleave
// CHECK: tile.kernel @k0_transpose
// CHECK-COUNT-3: tile.load {{.*}} -> vector<16xf32>
// CHECK: vector.shuffle {{.*}} [0, 16, 32, 1, 17, 33,
// CHECK: tile.store {{.*}} : vector<48xf32>
func.func @interleave(%x: tensor<2x3x100xf32>) -> tensor<2x100x3xf32> {
  %y = jinx.group "rows"(%x) : (tensor<2x3x100xf32>) -> tensor<2x100x3xf32> {
  ^bb0(%a: tensor<2x3x100xf32>):
    %t = jinx.transpose %a, [0, 2, 1] : tensor<2x3x100xf32> -> tensor<2x100x3xf32>
    jinx.yield %t : tensor<2x100x3xf32>
  }
  return %y : tensor<2x100x3xf32>
}

// -----

// A running sum along the lanes: a scan of each tile, and a total that is carried.
// CHECK-LABEL: @cumsum_along
// CHECK: jinx.launch @k0_cumsum(%{{.*}}) sizes [] programs "4" scratch "0"
// CHECK: scf.for {{.*}} iter_args(%[[TOTAL:.*]] = %{{.*}}) -> (f32)
// CHECK: %[[SUMS:.*]], %[[ALL:.*]] = tile.scan %{{.*}} : vector<16xf32>, f32
// CHECK: %[[BEFORE:.*]] = vector.broadcast %[[TOTAL]]
// CHECK: %[[Y:.*]] = arith.addf %[[BEFORE]], %[[SUMS]]
// CHECK: tile.store %[[Y]],
// CHECK: arith.addf %[[TOTAL]], %[[ALL]]
func.func @cumsum_along(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %y = jinx.group "scan"(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
  ^bb0(%a: tensor<4x64xf32>):
    %s = jinx.cumsum %a axis 1 : tensor<4x64xf32> -> tensor<4x64xf32>
    jinx.yield %s : tensor<4x64xf32>
  }
  return %y : tensor<4x64xf32>
}

// -----

// Beside the lanes: a tile of totals; what is around it is evaluated at each step.
// CHECK-LABEL: @cumsum_beside
// CHECK: jinx.launch @k0_cumsum(%{{.*}}) sizes [] programs "2"
// CHECK: scf.for {{.*}} iter_args(%[[TOTAL:.*]] = %{{.*}}) -> (vector<32xf32>)
// CHECK: %[[E:.*]] = math.exp
// CHECK: %[[SUM:.*]] = arith.addf %[[TOTAL]], %[[E]]
// CHECK: %[[Y:.*]] = arith.negf %[[SUM]]
// CHECK: tile.store %[[Y]]
// CHECK: scf.yield %[[SUM]]
func.func @cumsum_beside(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %y = jinx.group "scan"(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
  ^bb0(%a: tensor<4x64xf32>):
    %e = jinx.exp %a : tensor<4x64xf32> -> tensor<4x64xf32>
    %s = jinx.cumsum %e axis 0 : tensor<4x64xf32> -> tensor<4x64xf32>
    %n = jinx.neg %s : tensor<4x64xf32> -> tensor<4x64xf32>
    jinx.yield %n : tensor<4x64xf32>
  }
  return %y : tensor<4x64xf32>
}

// -----

// A scatter along axis 1: each position before it is a program, which copies its part, then writes the updates that are in range.
// CHECK-LABEL: @scatter_elements
// CHECK: jinx.launch @k0_scatter_elements(%{{.*}}) sizes [] programs "4"
// CHECK: tile.kernel @k0_scatter_elements(%[[X:.*]]: !tile.ptr<f32>, %[[I:.*]]: !tile.ptr<i64>, %[[U:.*]]: !tile.ptr<f32>, %[[Y:.*]]: !tile.ptr<f32>)
// CHECK: %[[C:.*]] = tile.load %[[X]]
// CHECK: tile.store %[[C]], %[[Y]]
// CHECK: tile.load %[[I]]
// CHECK: %[[IN:.*]] = arith.cmpi ult
// CHECK: scf.if %[[IN]]
// CHECK: %[[NEW:.*]] = tile.load %[[U]]
// CHECK: %[[OLD:.*]] = tile.load %[[Y]]
// CHECK: arith.addf %[[OLD]], %[[NEW]]
// CHECK: tile.store
func.func @scatter_elements(%x: tensor<4x8xf32>, %i: tensor<4x3xi64>, %u: tensor<4x3xf32>) -> tensor<4x8xf32> {
  %y = jinx.group "scatter"(%x, %i, %u) : (tensor<4x8xf32>, tensor<4x3xi64>, tensor<4x3xf32>) -> tensor<4x8xf32> {
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<4x3xi64>, %c: tensor<4x3xf32>):
    %s = jinx.scatter_elements add, %a, %b, %c axis 1 : tensor<4x8xf32>, tensor<4x3xi64>, tensor<4x3xf32> -> tensor<4x8xf32>
    jinx.yield %s : tensor<4x8xf32>
  }
  return %y : tensor<4x8xf32>
}

// -----

// Long slices are cut: a program owns 4096 columns of every slice.
// CHECK-LABEL: @scatter_nd
// CHECK: jinx.launch @k0_scatter_nd(%{{.*}}) sizes [{{.*}}] programs "(n - 1) floordiv 4096 + 1"
func.func @scatter_nd(%x: tensor<4x?xf32, #jinx.dims<"4", "n">>, %i: tensor<3x1xi64>, %u: tensor<3x?xf32, #jinx.dims<"3", "n">>) -> tensor<4x?xf32, #jinx.dims<"4", "n">> {
  %y = jinx.group "scatter"(%x, %i, %u) : (tensor<4x?xf32, #jinx.dims<"4", "n">>, tensor<3x1xi64>, tensor<3x?xf32, #jinx.dims<"3", "n">>) -> tensor<4x?xf32, #jinx.dims<"4", "n">> {
  ^bb0(%a: tensor<4x?xf32, #jinx.dims<"4", "n">>, %b: tensor<3x1xi64>, %c: tensor<3x?xf32, #jinx.dims<"3", "n">>):
    %s = jinx.scatter_nd set, %a, %b, %c : tensor<4x?xf32, #jinx.dims<"4", "n">>, tensor<3x1xi64>, tensor<3x?xf32, #jinx.dims<"3", "n">> -> tensor<4x?xf32, #jinx.dims<"4", "n">>
    jinx.yield %s : tensor<4x?xf32, #jinx.dims<"4", "n">>
  }
  return %y : tensor<4x?xf32, #jinx.dims<"4", "n">>
}

// -----

// Sorting: a program a row, keys of 64 bits in scratch, compared by minimum and maximum.
// CHECK-LABEL: @top_k
// CHECK: jinx.launch @k0_top_k(%{{.*}}) sizes [] programs "4" scratch "704"
// CHECK: arith.bitcast %{{.*}} : vector<16xf32> to vector<16xi32>
// CHECK: tile.reduce min
// CHECK: arith.minsi %{{.*}} : vector<16xi64>
// CHECK: arith.maxsi %{{.*}} : vector<16xi64>
// CHECK: tile.gather
func.func @top_k(%x: tensor<4x1000xf32>) -> (tensor<4x5xf32>, tensor<4x5xi64>) {
  %y:2 = jinx.group "sort"(%x) : (tensor<4x1000xf32>) -> (tensor<4x5xf32>, tensor<4x5xi64>) {
  ^bb0(%a: tensor<4x1000xf32>):
    %v:2 = jinx.top_k %a axis 1 : tensor<4x1000xf32> -> tensor<4x5xf32>, tensor<4x5xi64>
    jinx.yield %v#0, %v#1 : tensor<4x5xf32>, tensor<4x5xi64>
  }
  return %y#0, %y#1 : tensor<4x5xf32>, tensor<4x5xi64>
}

// -----

// What has no kernel for its element type becomes a call; ONNX's operand K is a constant, or a kernel that computes the formula.
// CHECK-LABEL: @without_kernel
// CHECK: %[[K:.*]] = jinx.constant dense<5> : tensor<1xi64>
// CHECK: jinx.host_call "" "TopK" 21 {axis = 0 : i64, largest = 1 : i64}(%{{.*}}, %[[K]])
// CHECK: %[[N:.*]] = jinx.launch @k0_sizes() sizes ["n"]
// CHECK: jinx.host_call "" "TopK" 21 {axis = 0 : i64, largest = 0 : i64}(%{{.*}}, %[[N]])
func.func @without_kernel(%x: tensor<9xf64>, %z: tensor<?xi64, #jinx.dims<"2*n">>) -> (tensor<5xf64>, tensor<?xi64, #jinx.dims<"n">>) {
  %v:2 = jinx.top_k %x axis 0 : tensor<9xf64> -> tensor<5xf64>, tensor<5xi64>
  %w:2 = jinx.top_k %z axis 0 ascending : tensor<?xi64, #jinx.dims<"2*n">> -> tensor<?xi64, #jinx.dims<"n">>, tensor<?xi64, #jinx.dims<"n">>
  return %v#0, %w#0 : tensor<5xf64>, tensor<?xi64, #jinx.dims<"n">>
}

// -----

// Products of groups: a program a group and block of columns, and one more group for the rows behind the last. Where rows lie is read.
// CHECK-LABEL: @grouped
// CHECK: jinx.launch @k0_packed_grouped_matmul(%{{.*}}) sizes ["t"] programs "4" scratch "0"
// CHECK: scf.for {{.*}} iter_args
// CHECK: tile.load %{{.*}} limits({{.*}}) : <i32> -> vector<1xi32>
// CHECK: tile.dot
func.func @grouped(%x: tensor<?x8xf32, #jinx.dims<"t", "8">>, %w: tensor<3x2x8x16xf32>, %e: tensor<3xi32>) -> tensor<?x20xf32, #jinx.dims<"t", "20">> {
  %y = jinx.group "grouped"(%x, %w, %e) : (tensor<?x8xf32, #jinx.dims<"t", "8">>, tensor<3x2x8x16xf32>, tensor<3xi32>) -> tensor<?x20xf32, #jinx.dims<"t", "20">> {
  ^bb0(%a: tensor<?x8xf32, #jinx.dims<"t", "8">>, %b: tensor<3x2x8x16xf32>, %c: tensor<3xi32>):
    %p = jinx.packed_grouped_matmul %a, %b, %c : tensor<?x8xf32, #jinx.dims<"t", "8">>, tensor<3x2x8x16xf32>, tensor<3xi32> -> tensor<?x20xf32, #jinx.dims<"t", "20">>
    jinx.yield %p : tensor<?x20xf32, #jinx.dims<"t", "20">>
  }
  return %y : tensor<?x20xf32, #jinx.dims<"t", "20">>
}
