// RUN: jinx-opt %s | jinx-opt | FileCheck %s
// Tests that products of codes survive a round trip, with all that is optional and without.
// CHECK-LABEL: tile.kernel @codes
tile.kernel @codes(%a: !tile.ptr<bf16>, %codes: !tile.ptr<i8>, %scales: !tile.ptr<f16>, %offsets: !tile.ptr<f16>) inputs 4 programs "1" scratch "0" from "" {
  %c = arith.constant 64 : index
  // CHECK: %[[P:.*]] = tile.dot_codes %{{.*}}[%[[C:.*]]] stride %[[C]] rows %[[C]], %{{.*}}[%[[C]]] line %[[C]], %{{.*}}[%[[C]]] line %[[C]] depth %[[C]] chunks %[[C]] to %[[C]] bits 4 group 128 zero 8 : <bf16>, <i8>, <f16> -> vector<8x8x64xf32>
  %p = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales[%c] line %c depth %c chunks %c to %c bits 4 group 128 zero 8 : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> -> vector<8x8x64xf32>
  // CHECK: tile.sum_warps %[[P]] : vector<8x8x64xf32> -> vector<8x64xf32>
  %sums = tile.sum_warps %p : vector<8x8x64xf32> -> vector<8x64xf32>
  // CHECK: tile.dot_codes {{.*}} offsets %{{.*}}[%[[C]]] line %[[C]] blocks %[[C]] depth %[[C]] chunks %[[C]] to %[[C]] bits 4 group 32 levels [0.000000e+00, {{.*}}] : <bf16>, <i8>, <f16> offsets !tile.ptr<f16> -> vector<4x8x64xf32>
  %q = tile.dot_codes %a[%c] stride %c rows %c, %codes[%c] line %c, %scales offsets %offsets[%c] line %c blocks %c depth %c chunks %c to %c bits 4 group 32 levels [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0] : !tile.ptr<bf16>, !tile.ptr<i8>, !tile.ptr<f16> offsets !tile.ptr<f16> -> vector<4x8x64xf32>
}
