// What a product does with rows that are no multiple of 16 bytes, and why.
// RUN: jinx-opt %s --split-input-file --verify-diagnostics --remarks-filter='jinx-fetch-by-warps' --remark-format=emitRemark --jinx-fetch-by-warps -o /dev/null

func.func @small(%a: tensor<4x13xf16>, %b: tensor<20x16xf16>) -> tensor<4x20xf16> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<4x13xf16> -> tensor<4x16xf16>
  // expected-remark @below {{[Passed] Fetched | Category:jinx-fetch-by-warps | Remark="packed_matmul: warps fetch rows of 13 elements as they are: no multiple of 16 bytes, and filling them up would cost more than it saves"}}
  %y = jinx.packed_matmul %p, %b by_rows : tensor<4x16xf16>, tensor<20x16xf16> -> tensor<4x20xf16>
  return %y : tensor<4x20xf16>
}

// -----

func.func @large(%a: tensor<2048x1021xf16>, %b: tensor<2048x1024xf16>) -> tensor<2048x2048xf16> {
  %p = jinx.pad %a low ["0", "0"] mode constant : tensor<2048x1021xf16> -> tensor<2048x1024xf16>
  // expected-remark @below {{[Missed] Kept | Category:jinx-fetch-by-warps | Remark="packed_matmul: rows of 1021 elements are filled up to a multiple of 16 bytes, which costs less than it saves"}}
  %y = jinx.packed_matmul %p, %b by_rows : tensor<2048x1024xf16>, tensor<2048x1024xf16> -> tensor<2048x2048xf16>
  return %y : tensor<2048x2048xf16>
}
