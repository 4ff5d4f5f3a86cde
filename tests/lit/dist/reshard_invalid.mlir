// RUN: jinx-opt %s --split-input-file --jinx-partition --verify-diagnostics

// No move makes parts of a sum.
dist.mesh @mesh <"tp" = 4>
func.func @to_partial(%x: tensor<8xf32>) -> tensor<8xf32, #dist.on<"tp" = partial sum>> attributes {dist.placed = @mesh} {
  // expected-error @below {{no moves lead from replicated to "tp" = partial sum}}
  %y = dist.reshard %x : tensor<8xf32> -> tensor<8xf32, #dist.on<"tp" = partial sum>>
  return %y : tensor<8xf32, #dist.on<"tp" = partial sum>>
}
