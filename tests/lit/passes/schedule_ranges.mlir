// A product whose rows only the run knows has a kernel for each range of them, all but one without programs; a grouped one has two ranges, by its rows a group.
// RUN: jinx-opt %s --split-input-file --jinx-schedule=cuda=true | FileCheck %s

// CHECK-LABEL: @dense
// CHECK: %[[A:.*]] = jinx.launch @k0_packed_matmul_8(%arg0, %arg1) {{.*}}programs "{{.*}}max(0, min(-n + 9, 1))
// CHECK: %[[B:.*]] = jinx.launch @k0_packed_matmul_32(%arg0, %arg1, %[[A]]) {{.*}}in_place = array<i64: 2>
// CHECK: %[[C:.*]] = jinx.launch @k0_packed_matmul_60(%arg0, %arg1, %[[B]])
// CHECK: %[[D:.*]] = jinx.launch @k0_packed_matmul_256(%arg0, %arg1, %[[C]])
// CHECK: jinx.launch @k0_packed_matmul(%arg0, %arg1, %[[D]]) {{.*}}programs "{{.*}}max(0, min(1, n - 256))
func.func @dense(%x: tensor<?x1024xbf16, #jinx.dims<"n", "1024">>, %w: tensor<512x1024xbf16>) -> tensor<?x512xbf16, #jinx.dims<"n", "512">> {
  %y = jinx.group "matmul"(%x, %w) : (tensor<?x1024xbf16, #jinx.dims<"n", "1024">>, tensor<512x1024xbf16>) -> tensor<?x512xbf16, #jinx.dims<"n", "512">> {
  ^bb0(%a: tensor<?x1024xbf16, #jinx.dims<"n", "1024">>, %p: tensor<512x1024xbf16>):
    %m = jinx.packed_matmul %a, %p by_rows : tensor<?x1024xbf16, #jinx.dims<"n", "1024">>, tensor<512x1024xbf16> -> tensor<?x512xbf16, #jinx.dims<"n", "512">>
    jinx.yield %m : tensor<?x512xbf16, #jinx.dims<"n", "512">>
  }
  return %y : tensor<?x512xbf16, #jinx.dims<"n", "512">>
}

// -----

// Eight rows of each of six groups: tokens are columns, and blocks share k.
// CHECK-LABEL: @grouped
// CHECK: %[[FEW:.*]] = jinx.launch @k0_packed_grouped_matmul_48(%arg0, %arg1, %arg2) {{.*}}programs "{{.*}}max(0, min(-t + 49, 1)){{.*}}jinx.choice = "{{.*}}splits=2"{{.*}}wgmma grouped transposed {{.*}}up to 48
// CHECK: jinx.launch @k0_packed_grouped_matmul(%arg0, %arg1, %arg2, %[[FEW]]) {{.*}}programs "{{.*}}max(0, min(1, t - 48)){{.*}}in_place = array<i64: 3>{{.*}}"wgmma grouped bf16
func.func @grouped(%x: tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, %w: tensor<6x512x1024xbf16>, %e: tensor<6xi32>) -> tensor<?x512xbf16, #jinx.dims<"t", "512">> {
  %y = jinx.group "grouped"(%x, %w, %e) : (tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, tensor<6x512x1024xbf16>, tensor<6xi32>) -> tensor<?x512xbf16, #jinx.dims<"t", "512">> {
  ^bb0(%a: tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, %p: tensor<6x512x1024xbf16>, %g: tensor<6xi32>):
    %m = jinx.packed_grouped_matmul %a, %p by_rows, %g : tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, tensor<6x512x1024xbf16>, tensor<6xi32> -> tensor<?x512xbf16, #jinx.dims<"t", "512">>
    jinx.yield %m : tensor<?x512xbf16, #jinx.dims<"t", "512">>
  }
  return %y : tensor<?x512xbf16, #jinx.dims<"t", "512">>
}

// -----

// Two grouped products: the same ranges, and both weights in each launch.
// CHECK-LABEL: @grouped_pair
// CHECK: %[[FEW:.*]] = jinx.launch @k0_packed_grouped_matmul_48(%arg0, %arg1, %arg3, %arg2) {{.*}}wgmma grouped transposed {{.*}}up to 48 {{.*}}paired
// CHECK: jinx.launch @k0_packed_grouped_matmul(%arg0, %arg1, %arg3, %arg2, %[[FEW]]) {{.*}}in_place = array<i64: 4>{{.*}}"wgmma grouped bf16 {{.*}}paired
func.func @grouped_pair(%x: tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, %wg: tensor<6x512x1024xbf16>, %wu: tensor<6x512x1024xbf16>, %e: tensor<6xi32>) -> tensor<?x512xbf16, #jinx.dims<"t", "512">> {
  %y = jinx.group "grouped"(%x, %wg, %e, %wu) : (tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, tensor<6x512x1024xbf16>, tensor<6xi32>, tensor<6x512x1024xbf16>) -> tensor<?x512xbf16, #jinx.dims<"t", "512">> {
  ^bb0(%a: tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, %b: tensor<6x512x1024xbf16>, %c: tensor<6xi32>, %d: tensor<6x512x1024xbf16>):
    %g = jinx.packed_grouped_matmul %a, %b by_rows, %c : tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, tensor<6x512x1024xbf16>, tensor<6xi32> -> tensor<?x512xbf16, #jinx.dims<"t", "512">>
    %u = jinx.packed_grouped_matmul %a, %d by_rows, %c : tensor<?x1024xbf16, #jinx.dims<"t", "1024">>, tensor<6x512x1024xbf16>, tensor<6xi32> -> tensor<?x512xbf16, #jinx.dims<"t", "512">>
    %v = jinx.mul %g, %u : tensor<?x512xbf16, #jinx.dims<"t", "512">>, tensor<?x512xbf16, #jinx.dims<"t", "512">> -> tensor<?x512xbf16, #jinx.dims<"t", "512">>
    jinx.yield %v : tensor<?x512xbf16, #jinx.dims<"t", "512">>
  }
  return %y : tensor<?x512xbf16, #jinx.dims<"t", "512">>
}
