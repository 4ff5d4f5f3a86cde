// RUN: jinx-opt %s | jinx-opt | FileCheck %s

// CHECK-LABEL: @floats
// CHECK: %[[K:.*]] = jinx.write_pages keys %{{.*}}, %{{.*}}, %{{.*}} : tensor<40x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<40x2x16x64xf32>
// CHECK: %[[V:.*]] = jinx.write_pages values
// CHECK: jinx.paged_attention %{{.*}}, %[[K]], %[[V]], %{{.*}}, %{{.*}}, %{{.*}} scale 1.250000e-01 window 128 : tensor<3x6x64xf32>, {{.*}} -> tensor<3x6x32xf32>
func.func @floats(%keys: tensor<40x2x16x64xf32>, %values: tensor<40x2x16x32xf32>, %q: tensor<3x6x64xf32>, %k: tensor<3x2x64xf32>, %v: tensor<3x2x32xf32>,
                  %slots: tensor<3xi32>, %table: tensor<2x8xi32>, %sequence: tensor<3xi32>, %position: tensor<3xi32>) -> tensor<3x6x32xf32> {
  %k1 = jinx.write_pages keys %keys, %k, %slots : tensor<40x2x16x64xf32>, tensor<3x2x64xf32>, tensor<3xi32> -> tensor<40x2x16x64xf32>
  %v1 = jinx.write_pages values %values, %v, %slots : tensor<40x2x16x32xf32>, tensor<3x2x32xf32>, tensor<3xi32> -> tensor<40x2x16x32xf32>
  %y = jinx.paged_attention %q, %k1, %v1, %table, %sequence, %position scale 0.125 window 128
    : tensor<3x6x64xf32>, tensor<40x2x16x64xf32>, tensor<40x2x16x32xf32>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x6x32xf32>
  return %y : tensor<3x6x32xf32>
}

// CHECK-LABEL: @codes
// CHECK: %[[K:.*]], %[[S:.*]] = jinx.write_pages keys %{{.*}}, %{{.*}}, %{{.*}} scales %{{.*}} : {{.*}} scales tensor<40x2x16xf32> -> tensor<40x2x16x64xi8> scales tensor<40x2x16xf32>
// CHECK: jinx.paged_attention %{{.*}}, %[[K]], {{.*}} scales %[[S]], %{{.*}} scale 1.250000e-01 :
func.func @codes(%keys: tensor<40x2x16x64xi8>, %values: tensor<40x2x16x64xi8>, %ks: tensor<40x2x16xf32>, %vs: tensor<40x2x16xf32>, %q: tensor<3x6x64xbf16>,
                 %k: tensor<3x2x64xbf16>, %slots: tensor<3xi32>, %table: tensor<2x8xi32>, %sequence: tensor<3xi32>) -> tensor<3x6x64xbf16> {
  %k1, %ks1 = jinx.write_pages keys %keys, %k, %slots scales %ks : tensor<40x2x16x64xi8>, tensor<3x2x64xbf16>, tensor<3xi32> scales tensor<40x2x16xf32> -> tensor<40x2x16x64xi8> scales tensor<40x2x16xf32>
  %v1, %vs1 = jinx.write_pages values %values, %k, %slots scales %vs : tensor<40x2x16x64xi8>, tensor<3x2x64xbf16>, tensor<3xi32> scales tensor<40x2x16xf32> -> tensor<40x2x16x64xi8> scales tensor<40x2x16xf32>
  %y = jinx.paged_attention %q, %k1, %v1, %table, %sequence, %sequence scales %ks1, %vs1 scale 0.125
    : tensor<3x6x64xbf16>, tensor<40x2x16x64xi8>, tensor<40x2x16x64xi8>, tensor<2x8xi32>, tensor<3xi32>, tensor<3xi32> scales tensor<40x2x16xf32>, tensor<40x2x16xf32> -> tensor<3x6x64xbf16>
  return %y : tensor<3x6x64xbf16>
}
