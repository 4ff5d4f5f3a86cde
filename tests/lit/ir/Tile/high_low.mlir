// RUN: jinx-opt %s | jinx-opt | FileCheck %s

// f32 in high and low parts: a splitter between the producer and the consumers.
// CHECK: tile.kernel @high_low
tile.kernel @high_low(%a: !tile.ptr<f32>, %y: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %map = tile.tensor_map %a dims ["64", "64"] strides ["256"] box [32, 64] swizzle 128 : !tile.ptr<f32>
  %ring = tile.ring bulk stages 2 [vector<64x32xf32>, vector<64x32xf32>, vector<64x32xf32>] names ["a", "b", "b_low"]
  // CHECK: tile.roles consumers 1 registers 40, 240 producer {
  tile.roles consumers 1 registers 40, 240 producer {
    %s = tile.ring_acquire %ring
    tile.copy_bulk %map[%c0, %c0] into %s 0
    tile.copy_bulk %map[%c0, %c0] into %s 1
    tile.ring_commit %s
  // CHECK: } splitter {
  } splitter {
    %s = tile.ring_wait %ring
    // CHECK: tile.split_low %{{.*}} from 1 to 2
    tile.split_low %s from 1 to 2
  // CHECK: } consumer {
  } consumer {
    %s = tile.ring_wait %ring
    // CHECK: tile.mma_high_low %{{.*}} 0 row %{{.*}}, 1 low 2 : vector<64x64xf32>
    %p = tile.mma_high_low %s 0 row %c0, 1 low 2 : vector<64x64xf32>
    %d = tile.mma_wait %p : vector<64x64xf32> -> vector<64x64xf32>
    tile.ring_release %ring lag 0
  }
}
