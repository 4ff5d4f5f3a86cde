// RUN: jinx-opt %s --split-input-file --verify-diagnostics

// A group sees its operands only.
func.func @isolated(%x: tensor<8xf32>) {
  // expected-note @+1 {{required by region isolation constraints}}
  %y = jinx.group "rows"() : () -> tensor<8xf32> {
    // expected-error @+1 {{'jinx.exp' op using value defined outside the region}}
    %e = jinx.exp %x : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  return
}
