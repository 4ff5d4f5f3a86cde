// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s

// An asynchronous ring: every thread fills and reads.
// CHECK: tile.kernel @async
tile.kernel @async(%a: !tile.ptr<f32>, %b: !tile.ptr<f32>, %y: !tile.ptr<f32>, %m: index, %k: index) inputs 2 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: tile.num_programs
  %programs = tile.num_programs
  // CHECK: %[[RING:.*]] = tile.ring async stages 3 [vector<16x64xf32>, vector<16x64xf32>] names ["a", "b"] pads [4, 0]
  %ring = tile.ring async stages 3 [vector<16x64xf32>, vector<16x64xf32>] names ["a", "b"] pads [4, 0]
  // CHECK: %[[FILL:.*]] = tile.ring_acquire %[[RING]]
  %fill = tile.ring_acquire %ring
  // CHECK: tile.copy %{{.*}}[%{{.*}}] strides(%{{.*}}, %{{.*}}) limits(%{{.*}}, %{{.*}}) into %[[FILL]] 0 : <f32>
  tile.copy %a[%c0] strides(%c1, %k) limits(%k, %m) into %fill 0 : !tile.ptr<f32>
  // CHECK: tile.copy %{{.*}}[%{{.*}}] strides(%{{.*}}, %{{.*}}) limits(%{{.*}}, %{{.*}}) panel %{{.*}} into %[[FILL]] 1 : <f32>
  tile.copy %b[%c0] strides(%c1, %c1) limits(%k, %m) panel %k into %fill 1 : !tile.ptr<f32>
  // CHECK: tile.ring_commit %[[FILL]]
  tile.ring_commit %fill
  %zero = arith.constant dense<0.0> : vector<64x64xf32>
  // CHECK: %[[READ:.*]] = tile.ring_wait %[[RING]] behind 1
  %read = tile.ring_wait %ring behind 1
  // CHECK: tile.mma %{{.*}}, %[[READ]] 0, 1 : vector<64x64xf32> -> vector<64x64xf32>
  %acc = tile.mma %zero, %read 0, 1 : vector<64x64xf32> -> vector<64x64xf32>
  // CHECK: tile.ring_release %[[RING]] lag 0
  tile.ring_release %ring lag 0
  // CHECK: tile.ring_drain %[[RING]]
  tile.ring_drain %ring
}

// A bulk ring: one producer thread, consumer warpgroups.
// CHECK: tile.kernel @bulk
tile.kernel @bulk(%a: !tile.ptr<bf16>, %b: !tile.ptr<bf16>, %y: !tile.ptr<bf16>, %m: index, %k: index) inputs 2 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  // CHECK: tile.cluster_rank 0
  %rank = tile.cluster_rank 0
  // CHECK: %[[MAP:.*]] = tile.tensor_map %{{.*}} dims ["a1", "a0"] strides ["2*a1"] box [64, 128] swizzle 128 : <bf16>
  %map = tile.tensor_map %a dims ["a1", "a0"] strides ["2*a1"] box [64, 128] swizzle 128 : !tile.ptr<bf16>
  // CHECK: %[[RING:.*]] = tile.ring bulk stages 4 [vector<128x64xbf16>, vector<256x64xbf16>] names ["a", "b"]
  %ring = tile.ring bulk stages 4 [vector<128x64xbf16>, vector<256x64xbf16>] names ["a", "b"]
  %zero = arith.constant dense<0.0> : vector<64x256xf32>
  // CHECK: tile.roles consumers 2 registers 40, 232 producer {
  tile.roles consumers 2 registers 40, 232 producer {
    %s = tile.ring_acquire %ring
    // CHECK: tile.copy_bulk %[[MAP]][%{{.*}}, %{{.*}}] into %{{.*}} 0{{$}}
    tile.copy_bulk %map[%c0, %c0] into %s 0
    // CHECK: tile.copy_bulk %[[MAP]][%{{.*}}, %{{.*}}] into %{{.*}} 1 across 1
    tile.copy_bulk %map[%c0, %c0] into %s 1 across 1
    tile.ring_commit %s
  // CHECK: } consumer {
  } consumer {
    // CHECK: %[[ID:.*]] = tile.consumer_id
    %id = tile.consumer_id
    %s = tile.ring_wait %ring
    // CHECK: %[[ACC:.*]] = tile.mma %{{.*}}, %{{.*}} 0, 1 row %[[ID]] pending 1 : vector<64x256xf32> -> vector<64x256xf32>
    %acc = tile.mma %zero, %s 0, 1 row %id pending 1 : vector<64x256xf32> -> vector<64x256xf32>
    // CHECK: %[[DONE:.*]] = tile.mma_wait %[[ACC]] : vector<64x256xf32> -> vector<64x256xf32>
    %done = tile.mma_wait %acc : vector<64x256xf32> -> vector<64x256xf32>
    %zeros = arith.constant dense<0.0> : vector<128x8xf32>
    // CHECK: %[[BOTH:.*]] = tile.mma %{{.*}}, %{{.*}} 0, 1 row_step 128 : vector<128x8xf32> -> vector<128x8xf32>
    %both = tile.mma %zeros, %s 0, 1 row_step 128 : vector<128x8xf32> -> vector<128x8xf32>
    // CHECK: %{{.*}}, %{{.*}} = tile.unpair %[[BOTH]] : vector<128x8xf32> -> vector<64x8xf32>, vector<64x8xf32>
    %first, %second = tile.unpair %both : vector<128x8xf32> -> vector<64x8xf32>, vector<64x8xf32>
    %out = arith.truncf %done : vector<64x256xf32> to vector<64x256xbf16>
    // CHECK: tile.store_bulk %{{.*}}, %[[MAP]][%{{.*}}, %{{.*}}] : vector<64x256xbf16>
    tile.store_bulk %out, %map[%c0, %c0] : vector<64x256xbf16>
  }
}

// Boxes that fill a buffer between them, and rows behind the last valid one.
// CHECK: tile.kernel @rows
tile.kernel @rows(%x: !tile.ptr<f16>, %n: index) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %map = tile.tensor_map %x dims ["64", "56"] strides ["128"] box [64, 16] swizzle 128 : !tile.ptr<f16>
  %ring = tile.ring bulk stages 2 [vector<32x64xf16>] names ["a"]
  tile.roles consumers 1 registers 24, 240 producer {
    %s = tile.ring_acquire %ring
    tile.copy_bulk %map[%c0, %c0] into %s 0
    // CHECK: tile.copy_bulk %{{.*}}[%{{.*}}, %{{.*}}] into %{{.*}} 0 row 16
    tile.copy_bulk %map[%c0, %c0] into %s 0 row 16
    tile.ring_commit %s
  } consumer {
    // CHECK: %[[SLOT:.*]] = tile.ring_wait
    %s = tile.ring_wait %ring
    // CHECK: tile.clear_rows %[[SLOT]] 0 from %{{.*}}
    tile.clear_rows %s 0 from %n
  }
}

// A run of pixels, as a convolution of 3 x 3 with padding 1 walks them.
// CHECK: tile.kernel @pixels
tile.kernel @pixels(%x: !tile.ptr<f16>, %y: !tile.ptr<f16>, %n: index) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  // CHECK: %[[MAP:.*]] = tile.tensor_map %{{.*}} dims ["64", "56", "56", "a0"] strides ["128", "7168", "401408"] box [64, 128] swizzle 128 window [-1, -1, -1, -1, 1, 1] : <f16>
  %map = tile.tensor_map %x dims ["64", "56", "56", "a0"] strides ["128", "7168", "401408"] box [64, 128] swizzle 128 window [-1, -1, -1, -1, 1, 1] : !tile.ptr<f16>
  %ring = tile.ring bulk stages 2 [vector<128x64xf16>] names ["a"]
  %s = tile.ring_acquire %ring
  // CHECK: tile.copy_bulk %[[MAP]][%[[C:.*]], %[[C]], %[[C]], %[[C]]] tap(%[[C]], %[[C]]) into %{{.*}} 0
  tile.copy_bulk %map[%c0, %c0, %c0, %c0] tap(%c0, %c0) into %s 0
  tile.ring_commit %s
}

// Consumers that take turns at tiles of their own.
// CHECK: tile.kernel @turns
tile.kernel @turns(%a: !tile.ptr<bf16>, %steps: index) inputs 1 programs "1" scratch "0" from "" {
  %ring = tile.ring bulk stages 4 [vector<64x64xbf16>] names ["a"]
  // CHECK: tile.roles consumers 2 turns registers 40, 232 producer {
  tile.roles consumers 2 turns registers 40, 232 producer {
    tile.ring_drain %ring
  } consumer {
    // CHECK: tile.turn_wait
    tile.turn_wait
    // CHECK: tile.turn_pass
    tile.turn_pass
    // CHECK: tile.ring_skip %{{.*}} count %{{.*}}
    tile.ring_skip %ring count %steps
  }
}
