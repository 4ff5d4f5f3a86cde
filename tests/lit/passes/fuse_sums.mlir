// RUN: jinx-opt %s --split-input-file --jinx-fuse=target=cuda --jinx-schedule=cuda --jinx-fuse-sums | FileCheck %s

// A residual and a norm behind a sum: the kernel takes this rank's part, too, and makes the sum. The all_reduce stays. A second reader of the sum stays as it was.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[P:.*]]: tensor<?x2048xbf16, #dist.on<"tp" = partial sum, sizes "n", "2048">>, %[[X:.*]]: tensor
// CHECK: %[[S:.*]] = dist.all_reduce sum %[[P]]
// CHECK: jinx.launch @[[K:k[0-9]+_reduce_summed]]({{.*}}%[[P]]) sizes ["n"] programs "n"
// CHECK: jinx.launch @[[OTHER:k[0-9]+_exp]](%[[S]])
// CHECK: tile.kernel @[[K]]({{.*}}) inputs 3 sums [{{[01]}}, 2, 2] programs "a0"
// CHECK: tile.kernel @[[OTHER]]({{.*}}) inputs 1 programs
module {
  dist.mesh @mesh <"tp" = 2>
  func.func @main(%p: tensor<?x2048xbf16, #dist.on<"tp" = partial sum, sizes "n", "2048">>, %x: tensor<?x2048xbf16, #jinx.dims<"n", "2048">>) -> (tensor<?x2048xf32, #jinx.dims<"n", "2048">>, tensor<?x2048xbf16, #jinx.dims<"n", "2048">>) attributes {dist.ranked = @mesh} {
    %s = dist.all_reduce sum %p over ["tp"] : tensor<?x2048xbf16, #dist.on<"tp" = partial sum, sizes "n", "2048">> -> tensor<?x2048xbf16, #jinx.dims<"n", "2048">>
    %0 = jinx.cast %s : tensor<?x2048xbf16, #jinx.dims<"n", "2048">> -> tensor<?x2048xf32, #jinx.dims<"n", "2048">>
    %1 = jinx.cast %x : tensor<?x2048xbf16, #jinx.dims<"n", "2048">> -> tensor<?x2048xf32, #jinx.dims<"n", "2048">>
    %2 = jinx.add %1, %0 : tensor<?x2048xf32, #jinx.dims<"n", "2048">>, tensor<?x2048xf32, #jinx.dims<"n", "2048">> -> tensor<?x2048xf32, #jinx.dims<"n", "2048">>
    %3 = jinx.mul %2, %2 : tensor<?x2048xf32, #jinx.dims<"n", "2048">>, tensor<?x2048xf32, #jinx.dims<"n", "2048">> -> tensor<?x2048xf32, #jinx.dims<"n", "2048">>
    %4 = jinx.reduce sum, %3 axes [1] : tensor<?x2048xf32, #jinx.dims<"n", "2048">> -> tensor<?x1xf32, #jinx.dims<"n", "1">>
    %5 = jinx.mul %2, %4 : tensor<?x2048xf32, #jinx.dims<"n", "2048">>, tensor<?x1xf32, #jinx.dims<"n", "1">> -> tensor<?x2048xf32, #jinx.dims<"n", "2048">>
    %6 = jinx.exp %s : tensor<?x2048xbf16, #jinx.dims<"n", "2048">> -> tensor<?x2048xbf16, #jinx.dims<"n", "2048">>
    return %5, %6 : tensor<?x2048xf32, #jinx.dims<"n", "2048">>, tensor<?x2048xbf16, #jinx.dims<"n", "2048">>
  }
}

// -----

// Layers that are alike share the kernel, and its sum of two ranks is another one than that of four.
// CHECK-LABEL: func.func @main(
// CHECK: jinx.launch @[[TWO:k[0-9]+_reduce_summed]](
// CHECK: jinx.launch @[[TWO]](
// CHECK: jinx.launch @[[FOUR:k[0-9]+_reduce_summed_+]](
// CHECK-DAG: tile.kernel @[[TWO]]({{.*}}) inputs 2 sums [0, 1, 2]
// CHECK-DAG: tile.kernel @[[FOUR]]({{.*}}) inputs 2 sums [0, 1, 4]
module {
  dist.mesh @mesh <"dp" = 2, "tp" = 2>
  func.func @main(%p: tensor<3x64xf32, #dist.on<"tp" = partial sum>>, %q: tensor<3x64xf32, #dist.on<"tp" = partial sum>>, %r: tensor<3x64xf32, #dist.on<"dp" = partial sum, "tp" = partial sum>>) -> (tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>) attributes {dist.ranked = @mesh} {
    %a = dist.all_reduce sum %p over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial sum>> -> tensor<3x64xf32>
    %0 = jinx.reduce sum, %a axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    %b = dist.all_reduce sum %q over ["tp"] : tensor<3x64xf32, #dist.on<"tp" = partial sum>> -> tensor<3x64xf32>
    %1 = jinx.reduce sum, %b axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    %c = dist.all_reduce sum %r over ["dp", "tp"] : tensor<3x64xf32, #dist.on<"dp" = partial sum, "tp" = partial sum>> -> tensor<3x64xf32>
    %2 = jinx.reduce sum, %c axes [1] : tensor<3x64xf32> -> tensor<3x1xf32>
    return %0, %1, %2 : tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>
  }
}
