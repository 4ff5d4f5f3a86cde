// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s

// Buffers come first, then sizes; `inputs` says how many of the buffers are read.
// CHECK: tile.kernel @relu(%[[X:.*]]: !tile.ptr<f32>, %[[Y:.*]]: !tile.ptr<f32>, %[[N:.*]]: index) inputs 1 programs "(a0 + 63) floordiv 64" scratch "0" from "/act/Relu" {
tile.kernel @relu(%x: !tile.ptr<f32>, %y: !tile.ptr<f32>, %n: index) inputs 1 programs "(a0 + 63) floordiv 64" scratch "0" from "/act/Relu" {
  // CHECK: %[[P:.*]] = tile.program_id
  %p = tile.program_id
  %c64 = arith.constant 64 : index
  %c1 = arith.constant 1 : index
  %off = arith.muli %p, %c64 : index
  %rest = arith.subi %n, %off : index
  // CHECK: %[[T:.*]] = tile.load %[[X]][%[[OFF:.*]]] strides(%[[ONE:.*]]) limits(%[[REST:.*]]) : <f32> -> vector<64xf32>
  %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<64xf32>
  %z = arith.constant dense<0.0> : vector<64xf32>
  %r = arith.maximumf %t, %z : vector<64xf32>
  // CHECK: tile.store %{{.*}}, %[[Y]][%[[OFF]]] strides(%[[ONE]]) limits(%[[REST]]) : vector<64xf32>, <f32>
  tile.store %r, %y[%off] strides(%c1) limits(%rest) : vector<64xf32>, !tile.ptr<f32>
}

// A kernel without sizes; tiles of rank 2 have two strides.
// CHECK: tile.kernel @transpose(%[[X:.*]]: !tile.ptr<i8>, %[[Y:.*]]: !tile.ptr<i8>) inputs 1 programs "1" scratch "0" from ""
tile.kernel @transpose(%x: !tile.ptr<i8>, %y: !tile.ptr<i8>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  // CHECK: tile.load %[[X]][%{{.*}}] strides(%{{.*}}, %{{.*}}) : <i8> -> vector<4x4xi8>
  %t = tile.load %x[%c0] strides(%c1, %c4) : !tile.ptr<i8> -> vector<4x4xi8>
  // CHECK: tile.store %{{.*}}, %[[Y]][%{{.*}}] strides(%{{.*}}, %{{.*}}) : vector<4x4xi8>, <i8>
  tile.store %t, %y[%c0] strides(%c4, %c1) : vector<4x4xi8>, !tile.ptr<i8>
}

// CHECK: tile.kernel @lookup
tile.kernel @lookup(%x: !tile.ptr<f32>, %i: !tile.ptr<i64>, %y: !tile.ptr<f32>) inputs 2 programs "1" scratch "64" from "" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %i64 = tile.load %i[%c0] strides(%c1) : !tile.ptr<i64> -> vector<8xi64>
  %at = arith.index_cast %i64 : vector<8xi64> to vector<8xindex>
  %mask = arith.constant dense<true> : vector<8xi1>
  // CHECK: tile.gather %{{.*}}[%{{.*}}] mask %{{.*}} : <f32>, vector<8xindex>, vector<8xi1> -> vector<8xf32>
  %t = tile.gather %x[%at] mask %mask : !tile.ptr<f32>, vector<8xindex>, vector<8xi1> -> vector<8xf32>
  // CHECK: tile.scratch %{{.*}} : <f32>
  %s = tile.scratch %c0 : !tile.ptr<f32>
  tile.store %t, %s[%c0] strides(%c1) : vector<8xf32>, !tile.ptr<f32>
  // CHECK: tile.reduce sum, %{{.*}} : vector<8xf32> -> f32
  %sum = tile.reduce sum, %t : vector<8xf32> -> f32
  // CHECK: tile.reduce max,
  %max = tile.reduce max, %t : vector<8xf32> -> f32
  // CHECK: tile.reduce min,
  %min = tile.reduce min, %t : vector<8xf32> -> f32
  // CHECK: tile.reduce prod,
  %prod = tile.reduce prod, %t : vector<8xf32> -> f32
}

// CHECK: tile.kernel @lanes
tile.kernel @lanes(%x: !tile.ptr<i64>, %y: !tile.ptr<i64>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tile.load %x[%c0] strides(%c1) : !tile.ptr<i64> -> vector<32xi64>
  // CHECK: tile.scan %{{.*}} : vector<32xi64>, i64
  %sums, %total = tile.scan %t : vector<32xi64>, i64
  // CHECK: tile.scan %{{.*}} exclusive reverse : vector<32xi64>, i64
  %after, %all = tile.scan %t exclusive reverse : vector<32xi64>, i64
  // CHECK: tile.sort %{{.*}} : vector<32xi64>
  %up = tile.sort %sums : vector<32xi64>
  // CHECK: tile.sort %{{.*}} descending : vector<32xi64>
  %down = tile.sort %up descending : vector<32xi64>
  %at = vector.step : vector<32xindex>
  %mask = arith.constant dense<true> : vector<32xi1>
  // CHECK: tile.scatter %{{.*}}, %{{.*}}[%{{.*}}] mask %{{.*}} : vector<32xi64>, <i64>, vector<32xindex>, vector<32xi1>
  tile.scatter %down, %y[%at] mask %mask : vector<32xi64>, !tile.ptr<i64>, vector<32xindex>, vector<32xi1>
}

// CHECK: tile.kernel @product
tile.kernel @product(%a: !tile.ptr<f32>, %b: !tile.ptr<f32>, %y: !tile.ptr<f32>, %rows: index, %k: index) inputs 2 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : vector<6x16xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}[%{{.*}}] stride %{{.*}} rows %{{.*}}, %{{.*}}[%{{.*}}] panel %{{.*}} depth %{{.*}} : vector<6x16xf32>, <f32>, <f32> -> vector<6x16xf32>
  %edge = tile.dot %zero, %a[%c0] stride %k rows %rows, %b[%c0] panel %k depth %k : vector<6x16xf32>, !tile.ptr<f32>, !tile.ptr<f32> -> vector<6x16xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}[%{{.*}}] stride %{{[^ ]*}}, %{{.*}}[%{{.*}}] panel
  %whole = tile.dot %edge, %a[%c0] stride %k, %b[%c0] panel %k depth %k : vector<6x16xf32>, !tile.ptr<f32>, !tile.ptr<f32> -> vector<6x16xf32>
}
