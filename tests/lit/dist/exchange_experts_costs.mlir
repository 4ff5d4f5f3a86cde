// Which way tokens take, by the network's costs: what gathers and scatters sends, beside the copies of a token that go to its experts.
// RUN: jinx-opt %s --split-input-file --jinx-partition=network=h100-8 | FileCheck %s
// RUN: jinx-opt %s --split-input-file --remarks-filter='.*' --remark-format=emitRemark --jinx-partition=network=h100-8 -o /dev/null 2>&1 | FileCheck %s --check-prefix=WHY
// RUN: not jinx-opt %s --split-input-file --jinx-partition=experts=most 2>&1 | FileCheck %s --check-prefix=WRONG
// WRONG: error: experts is "most", expected "auto", "gather" or "exchange"

// Many tokens with two of 64 experts on 8 ranks: each goes to 1.88 of them.
// CHECK-LABEL: @many
// CHECK: dist.all_to_all_v
// CHECK-NOT: dist.all_gather
// WHY: ExchangesTokens{{.*}} goes to 1.89 of 8 ranks
dist.mesh @mesh <"ep" = 8>
func.func @many(%x: tensor<8192x4096xbf16, #dist.on<"ep" = shard 0>>, %c: tensor<8192x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<8192x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<64x1024x4096xbf16, #dist.on<"ep" = shard 0>>, %d: tensor<64x4096x1024xbf16, #dist.on<"ep" = shard 0>>) -> tensor<8192x4096xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<8192x4096xbf16, #dist.on<"ep" = shard 0>> -> tensor<8192x4096xbf16>
  %c0 = dist.reshard %c : tensor<8192x2xi64, #dist.on<"ep" = shard 0>> -> tensor<8192x2xi64>
  %p0 = dist.reshard %p : tensor<8192x2xf32, #dist.on<"ep" = shard 0>> -> tensor<8192x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<8192x4096xbf16>, tensor<8192x2xi64>, tensor<8192x2xf32>, tensor<64x1024x4096xbf16, #dist.on<"ep" = shard 0>>, tensor<64x1024x4096xbf16, #dist.on<"ep" = shard 0>>,
         tensor<64x4096x1024xbf16, #dist.on<"ep" = shard 0>>) -> tensor<8192x4096xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<8192x4096xf32, #dist.on<"ep" = partial sum>> -> tensor<8192x4096xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<8192x4096xf32, #dist.on<"ep" = shard 0>>
}

// -----

// Tests that few tokens are gathered: what is sent less takes no time, and counts are waited for.
// CHECK-LABEL: @few
// CHECK: dist.all_gather
// CHECK-NOT: dist.all_to_all_v
// WHY: GathersTokens{{.*}}every rank gets all tokens: {{.*}}; by an exchange it would be
dist.mesh @mesh <"ep" = 8>
func.func @few(%x: tensor<8x64xbf16, #dist.on<"ep" = shard 0>>, %c: tensor<8x2xi64, #dist.on<"ep" = shard 0>>, %p: tensor<8x2xf32, #dist.on<"ep" = shard 0>>,
    %g: tensor<64x32x64xbf16, #dist.on<"ep" = shard 0>>, %d: tensor<64x64x32xbf16, #dist.on<"ep" = shard 0>>) -> tensor<8x64xf32, #dist.on<"ep" = shard 0>> attributes {dist.placed = @mesh} {
  %x0 = dist.reshard %x : tensor<8x64xbf16, #dist.on<"ep" = shard 0>> -> tensor<8x64xbf16>
  %c0 = dist.reshard %c : tensor<8x2xi64, #dist.on<"ep" = shard 0>> -> tensor<8x2xi64>
  %p0 = dist.reshard %p : tensor<8x2xf32, #dist.on<"ep" = shard 0>> -> tensor<8x2xf32>
  %y = jinx.experts silu %x0, %c0, %p0, %g, %g, %d
      : (tensor<8x64xbf16>, tensor<8x2xi64>, tensor<8x2xf32>, tensor<64x32x64xbf16, #dist.on<"ep" = shard 0>>, tensor<64x32x64xbf16, #dist.on<"ep" = shard 0>>,
         tensor<64x64x32xbf16, #dist.on<"ep" = shard 0>>) -> tensor<8x64xf32, #dist.on<"ep" = partial sum>>
  %z = dist.reshard %y : tensor<8x64xf32, #dist.on<"ep" = partial sum>> -> tensor<8x64xf32, #dist.on<"ep" = shard 0>>
  return %z : tensor<8x64xf32, #dist.on<"ep" = shard 0>>
}
