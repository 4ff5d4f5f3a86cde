// Which sums are made by the kernel that reads them, and why others are not.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-fuse-sums' --remark-format=emitRemark --jinx-fuse=target=cuda --jinx-schedule=cuda --jinx-fuse-sums -o /dev/null

module {
  dist.mesh @mesh <"tp" = 2>
  func.func @main(%p: tensor<3x64xf32, #dist.on<"tp" = partial sum>>, %q: tensor<3x64xf32, #dist.on<"tp" = partial max>>, %i: tensor<3x64xi32, #dist.on<"tp" = partial sum>>, %x: tensor<3x64xf32>) -> (tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xi32>, tensor<3x1xf32>, tensor<3x64xf32>) attributes {dist.ranked = @mesh} {
    // expected-remark @below {{[Passed] Fused | Category:jinx-fuse-sums | Remark="k0_reduce_summed adds up what 2 ranks have"}}
    %a = dist.all_reduce sum %p over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial sum>> -> tensor<3x64xf32>
    %0 = jinx.reduce sum, %a axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="is no sum, or only starts"}}
    %b = dist.all_reduce max %q over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial max>> -> tensor<3x64xf32>
    %1 = jinx.reduce sum, %b axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="is a sum of i32, expected f32, f16 or bf16"}}
    %c = dist.all_reduce sum %i over ["tp"] : tensor<3x64xi32, #dist.on<"tp" = partial sum>> -> tensor<3x64xi32>
    %2 = jinx.reduce sum, %c axes [1] : tensor<3x64xi32> -> tensor<3x1xi32>
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="what stands behind it is no kernel that reads it as one operand"}}
    %d = dist.all_reduce sum %p over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial sum>> -> tensor<3x64xf32>
    %3 = jinx.reduce max, %x axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    return %0, %1, %2, %3, %d : tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xi32>, tensor<3x1xf32>, tensor<3x64xf32>
  }
}

// -----

// Rows of warps; rows that are read twice; rows that a block reads in pieces.
module {
  dist.mesh @mesh <"tp" = 2>
  func.func @main(%p: tensor<?x64xf32, #dist.on<"tp" = partial sum, sizes "n", "64">>, %q: tensor<3x40000xf32, #dist.on<"tp" = partial sum>>, %r: tensor<8x64xf32, #dist.on<"tp" = partial sum>>) -> (tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<3x40000xf32>, tensor<64x8xf32>) attributes {dist.ranked = @mesh} {
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="the kernel has a warp or a thread a row, where a block is expected"}}
    %a = dist.all_reduce sum %p over ["tp"] : tensor<?x64xf32, #dist.on<"tp" = partial sum, sizes "n", "64">> -> tensor<?x64xf32, #jinx.dims<"n", "64">>
    %0 = jinx.reduce sum, %a axes [1] : tensor<?x64xf32, #jinx.dims<"n", "64">> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="the kernel reads the sum at several places, or by gathers"}}
    %b = dist.all_reduce sum %q over ["tp"] : tensor<3x40000xf32, #dist.on<"tp" = partial sum>> -> tensor<3x40000xf32>
    %1 = jinx.reduce sum, %b axes [1] : tensor<3x40000xf32> -> tensor<3x1xf32>
    %2 = jinx.mul %b, %1 : tensor<3x40000xf32>, tensor<3x1xf32> -> tensor<3x40000xf32>
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="the kernel reads the sum at several places, or by gathers"}}
    %c = dist.all_reduce sum %r over ["tp"] : tensor<8x64xf32, #dist.on<"tp" = partial sum>> -> tensor<8x64xf32>
    %3 = jinx.transpose %c, [1, 0] : tensor<8x64xf32> -> tensor<64x8xf32>
    return %0, %2, %3 : tensor<?x1xf32, #jinx.dims<"n", "1">>, tensor<3x40000xf32>, tensor<64x8xf32>
  }
}

// -----

// More ranks than reach each other's memory.
module {
  dist.mesh @mesh <"tp" = 16>
  func.func @main(%p: tensor<3x64xf32, #dist.on<"tp" = partial sum>>) -> tensor<3x1xf32> attributes {dist.ranked = @mesh} {
    // expected-remark @below {{[Missed] NotFused | Category:jinx-fuse-sums | Remark="is a sum of 16 ranks, expected 2 to 8"}}
    %a = dist.all_reduce sum %p over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial sum>> -> tensor<3x64xf32>
    %0 = jinx.reduce sum, %a axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    return %0 : tensor<3x1xf32>
  }
}
