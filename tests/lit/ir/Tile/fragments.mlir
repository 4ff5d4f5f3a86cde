// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// RUN: jinx-opt %s --emit-bytecode | jinx-opt | FileCheck %s

// Products between rings and registers, and rows of a fragment.
// CHECK: tile.kernel @fragments
tile.kernel @fragments(%q: !tile.ptr<bf16>, %y: !tile.ptr<f32>) inputs 1 programs "1" scratch "0" from "" {
  %c0 = arith.constant 0 : index
  %queries = tile.ring bulk stages 1 [vector<64x64xbf16>] names ["q"]
  %keys = tile.ring bulk stages 2 [vector<128x64xbf16>, vector<1x128xf32>] names ["k", "values"]
  %zero = arith.constant dense<0.0> : vector<64x64xf32>
  tile.roles consumers 1 registers 24, 240 producer {
  } consumer {
    %qs = tile.ring_wait %queries
    %ks = tile.ring_wait %keys
    // CHECK: %[[S:.*]] = tile.mma_shared %[[QS:.*]] 0 row %{{.*}}, %[[KS:.*]] 0 : vector<64x128xf32>
    %s = tile.mma_shared %qs 0 row %c0, %ks 0 : vector<64x128xf32>
    // CHECK: %[[S1:.*]] = tile.mma_wait %[[S]] pending 1 : vector<64x128xf32> -> vector<64x128xf32>
    %s1 = tile.mma_wait %s pending 1 : vector<64x128xf32> -> vector<64x128xf32>
    // CHECK: %[[M:.*]] = tile.row_reduce max, %[[S1]] : vector<64x128xf32> -> vector<64x1xf32>
    %m = tile.row_reduce max, %s1 : vector<64x128xf32> -> vector<64x1xf32>
    // CHECK: %[[P:.*]] = tile.row_reduce sum, %[[S1]] parts : vector<64x128xf32> -> vector<64x1xf32>
    %p = tile.row_reduce sum, %s1 parts : vector<64x128xf32> -> vector<64x1xf32>
    // CHECK: tile.row_combine sum, %[[P]] : vector<64x1xf32>
    %l = tile.row_combine sum, %p : vector<64x1xf32>
    // CHECK: tile.mma_wait %[[S]] behind %[[P]] : vector<64x128xf32>, vector<64x1xf32> -> vector<64x128xf32>
    %s2 = tile.mma_wait %s behind %p : vector<64x128xf32>, vector<64x1xf32> -> vector<64x128xf32>
    // CHECK: tile.mma_wait %[[S]] pending 1 behind %[[P]] : vector<64x128xf32>, vector<64x1xf32> -> vector<64x128xf32>
    %s3 = tile.mma_wait %s pending 1 behind %p : vector<64x128xf32>, vector<64x1xf32> -> vector<64x128xf32>
    // CHECK: %[[SAYS:.*]] = arith.cmpf ogt
    %says = arith.cmpf ogt, %m, %l : vector<64x1xf32>
    // CHECK: tile.warp_any %[[SAYS]] : vector<64x1xi1>
    %any = tile.warp_any %says : vector<64x1xi1>
    // CHECK: tile.iota 0 : vector<64x1xi32>
    %i = tile.iota 0 : vector<64x1xi32>
    // CHECK: tile.iota 1 : vector<64x128xi32>
    %j = tile.iota 1 : vector<64x128xi32>
    // CHECK: tile.column_load %[[KS]] 1 : vector<1x128xf32>
    %c = tile.column_load %ks 1 : vector<1x128xf32>
    // CHECK: %[[R:.*]] = tile.mma_operand %[[S1]] : vector<64x128xf32> -> vector<64x128xbf16>
    %r = tile.mma_operand %s1 : vector<64x128xf32> -> vector<64x128xbf16>
    // CHECK: tile.mma_registers %{{.*}}, %[[R]], %[[KS]] 0 : (vector<64x64xf32>, vector<64x128xbf16>)
    %o = tile.mma_registers %zero, %r, %ks 0 : (vector<64x64xf32>, vector<64x128xbf16>)
    // CHECK: tile.mma_registers %{{.*}}, %[[R]], %[[KS]] 0 lag 1 : (vector<64x64xf32>, vector<64x128xbf16>)
    %o1 = tile.mma_registers %o, %r, %ks 0 lag 1 : (vector<64x64xf32>, vector<64x128xbf16>)
    tile.ring_release %keys lag 0
    tile.ring_release %queries lag 0
  }
}
