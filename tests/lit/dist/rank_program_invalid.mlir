// RUN: jinx-opt %s --split-input-file --jinx-rank-program=rank=5 --verify-diagnostics

dist.mesh @mesh <"tp" = 4>
// expected-error @below {{rank is 5, expected 0..3 (ranks of @mesh)}}
func.func @too_many(%x: tensor<2xf32>) -> tensor<2xf32> attributes {dist.own = @mesh} {
  return %x : tensor<2xf32>
}
