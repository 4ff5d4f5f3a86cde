// Tile programs on tiles of rank 1, as the tests use them.
#pragma once

namespace jinx::cuda::testing {

constexpr const char *kScaleRelu = R"(
tile.kernel @scale_relu(%x: !tile.ptr<f32> loc("x"), %g: !tile.ptr<f32> loc("scale"), %y: !tile.ptr<f32> loc("y"), %n: index loc("n"))
    inputs 2 programs "(a0 + 1023) floordiv 1024" scratch "0" from "/act/Mul, /act/Relu" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1024 = arith.constant 1024 : index
  %p = tile.program_id
  %off = arith.muli %p, %c1024 : index
  %rest = arith.subi %n, %off : index
  %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<1024xf32>
  %s = tile.load %g[%c0] strides(%c0) : !tile.ptr<f32> -> vector<1024xf32>
  %m = arith.mulf %t, %s : vector<1024xf32>
  %z = arith.constant dense<0.0> : vector<1024xf32>
  %r = arith.maximumf %m, %z : vector<1024xf32>
  tile.store %r, %y[%off] strides(%c1) limits(%rest) : vector<1024xf32>, !tile.ptr<f32>
})";

// Rows of any length in tiles of 256; exp(x - max) kept in scratch between the passes.
constexpr const char *kSoftmax = R"(
tile.kernel @softmax(%x: !tile.ptr<f32> loc("x"), %y: !tile.ptr<f32> loc("y"), %rows: index loc("rows"), %n: index loc("n"))
    inputs 1 programs "a0" scratch "(a1 + 255) floordiv 256 * 1024" from "/attn/Softmax" {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %p = tile.program_id
  %row = arith.muli %p, %n : index
  %lowest = arith.constant dense<0xFF800000> : vector<256xf32>
  %largest = scf.for %k = %c0 to %n step %c256 iter_args(%m = %lowest) -> (vector<256xf32>) {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<256xf32>
    %lane = vector.step : vector<256xindex>
    %b = vector.broadcast %rest : index to vector<256xindex>
    %in = arith.cmpi slt, %lane, %b : vector<256xindex>
    %v = arith.select %in, %t, %lowest : vector<256xi1>, vector<256xf32>
    %next = arith.maximumf %m, %v : vector<256xf32>
    scf.yield %next : vector<256xf32>
  }
  %max = tile.reduce max, %largest : vector<256xf32> -> f32
  %maxt = vector.broadcast %max : f32 to vector<256xf32>
  %held = tile.scratch %c0 : !tile.ptr<f32>
  %zeros = arith.constant dense<0.0> : vector<256xf32>
  %sums = scf.for %k = %c0 to %n step %c256 iter_args(%s = %zeros) -> (vector<256xf32>) {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<256xf32>
    %d = arith.subf %t, %maxt : vector<256xf32>
    %e = math.exp %d : vector<256xf32>
    %lane = vector.step : vector<256xindex>
    %b = vector.broadcast %rest : index to vector<256xindex>
    %in = arith.cmpi slt, %lane, %b : vector<256xindex>
    %v = arith.select %in, %e, %zeros : vector<256xi1>, vector<256xf32>
    tile.store %v, %held[%k] strides(%c1) : vector<256xf32>, !tile.ptr<f32>
    %next = arith.addf %s, %v : vector<256xf32>
    scf.yield %next : vector<256xf32>
  }
  %sum = tile.reduce sum, %sums : vector<256xf32> -> f32
  %one = arith.constant 1.0 : f32
  %inv = arith.divf %one, %sum : f32
  %invt = vector.broadcast %inv : f32 to vector<256xf32>
  scf.for %k = %c0 to %n step %c256 {
    %off = arith.addi %row, %k : index
    %rest = arith.subi %n, %k : index
    %e = tile.load %held[%k] strides(%c1) : !tile.ptr<f32> -> vector<256xf32>
    %v = arith.mulf %e, %invt : vector<256xf32>
    tile.store %v, %y[%off] strides(%c1) limits(%rest) : vector<256xf32>, !tile.ptr<f32>
  }
})";

}  // namespace jinx::cuda::testing
