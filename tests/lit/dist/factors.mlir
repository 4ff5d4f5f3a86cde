// The factor rule of each operator (ir/Graph/Factors.h), a function each, or more where attributes and shapes decide.
// What a rule promises tests/numeric/factors.py computes; here is that it is printed, and what it is where sizes are formulas.
// RUN: jinx-opt %s --jinx-print-factors -o /dev/null | FileCheck %s --match-full-lines --implicit-check-not='{{.+}}'

// ---- Elementwise: operands that broadcast have not every factor.
// CHECK: abs: x[d0, d1] -> y[d0, d1]
func.func @abs(%x0: tensor<3x4xf32>) {
  %y0 = jinx.abs %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: neg: x[d0, d1] -> y[d0, d1]; partial: x (sum)
func.func @neg(%x0: tensor<3x4xf32>) {
  %y0 = jinx.neg %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: exp: x[d0, d1] -> y[d0, d1]
func.func @exp(%x0: tensor<3x4xf32>) {
  %y0 = jinx.exp %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: expm1: x[d0, d1] -> y[d0, d1]
func.func @expm1(%x0: tensor<3x4xf32>) {
  %y0 = jinx.expm1 %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: sin: x[d0, d1] -> y[d0, d1]
func.func @sin(%x0: tensor<3x4xf32>) {
  %y0 = jinx.sin %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: cos: x[d0, d1] -> y[d0, d1]
func.func @cos(%x0: tensor<3x4xf32>) {
  %y0 = jinx.cos %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: tanh: x[d0, d1] -> y[d0, d1]
func.func @tanh(%x0: tensor<3x4xf32>) {
  %y0 = jinx.tanh %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: atan: x[d0, d1] -> y[d0, d1]
func.func @atan(%x0: tensor<3x4xf32>) {
  %y0 = jinx.atan %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: erf: x[d0, d1] -> y[d0, d1]
func.func @erf(%x0: tensor<3x4xf32>) {
  %y0 = jinx.erf %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: sigmoid: x[d0, d1] -> y[d0, d1]
func.func @sigmoid(%x0: tensor<3x4xf32>) {
  %y0 = jinx.sigmoid %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: relu: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @relu(%x0: tensor<3x4xf32>) {
  %y0 = jinx.relu %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: floor: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @floor(%x0: tensor<3x4xf32>) {
  %y0 = jinx.floor %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: ceil: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @ceil(%x0: tensor<3x4xf32>) {
  %y0 = jinx.ceil %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: round: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @round(%x0: tensor<3x4xf32>) {
  %y0 = jinx.round %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: log: x[d0, d1] -> y[d0, d1]
func.func @log(%x0: tensor<3x4xf32>) {
  %y0 = jinx.log %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: log1p: x[d0, d1] -> y[d0, d1]
func.func @log1p(%x0: tensor<3x4xf32>) {
  %y0 = jinx.log1p %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: sqrt: x[d0, d1] -> y[d0, d1]
func.func @sqrt(%x0: tensor<3x4xf32>) {
  %y0 = jinx.sqrt %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: rsqrt: x[d0, d1] -> y[d0, d1]
func.func @rsqrt(%x0: tensor<3x4xf32>) {
  %y0 = jinx.rsqrt %x0 : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: not: x[d0, d1] -> y[d0, d1]
func.func @not(%x0: tensor<3x4xi32>) {
  %y0 = jinx.not %x0 : tensor<3x4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: add: a[d0, d1] b[d0, d1] -> y[d0, d1]; partial: a+b (sum)
func.func @add(%x0: tensor<3x4xf32>, %x1: tensor<3x4xf32>) {
  %y0 = jinx.add %x0, %x1 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: add: a[d0, 1, d2] b[d1, 1] -> y[d0, d1, d2]; partial: a+b (sum)
func.func @add_2(%x0: tensor<2x1x4xi32>, %x1: tensor<3x1xi32>) {
  %y0 = jinx.add %x0, %x1 : tensor<2x1x4xi32>, tensor<3x1xi32> -> tensor<2x3x4xi32>
  return
}

// CHECK: sub: a[d0, d1] b[d0, d1] -> y[d0, d1]; partial: a+b (sum)
func.func @sub(%x0: tensor<3x4xf32>, %x1: tensor<3x4xf32>) {
  %y0 = jinx.sub %x0, %x1 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: mul: a[d0, d1] b[d0, d1] -> y[d0, d1]; partial: a (sum), b (sum), a+b (prod)
func.func @mul(%x0: tensor<3x4xf32>, %x1: tensor<3x4xf32>) {
  %y0 = jinx.mul %x0, %x1 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: max: a[d0, d1] b[d0, d1] -> y[d0, d1]; partial: a (max), b (max), a+b (max)
func.func @max(%x0: tensor<3x4xf32>, %x1: tensor<3x4xf32>) {
  %y0 = jinx.max %x0, %x1 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: min: a[d0, d1] b[d0, d1] -> y[d0, d1]; partial: a (min), b (min), a+b (min)
func.func @min(%x0: tensor<3x4xf32>, %x1: tensor<3x4xf32>) {
  %y0 = jinx.min %x0, %x1 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: div: a[d0, d1] b[d1] -> y[d0, d1]; partial: a (sum), a+b (prod)
func.func @div(%x0: tensor<3x4xf32>, %x1: tensor<4xf32>) {
  %y0 = jinx.div %x0, %x1 : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: div: a[d0, d1] b[d1] -> y[d0, d1]
func.func @div_2(%x0: tensor<3x4xi32>, %x1: tensor<4xi32>) {
  %y0 = jinx.div %x0, %x1 : tensor<3x4xi32>, tensor<4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: mod: a[d0, d1] b[d1] -> y[d0, d1]
func.func @mod(%x0: tensor<3x4xi32>, %x1: tensor<4xi32>) {
  %y0 = jinx.mod %x0, %x1 : tensor<3x4xi32>, tensor<4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: pow: a[d0, d1] b[d1] -> y[d0, d1]
func.func @pow(%x0: tensor<3x4xf32>, %x1: tensor<4xf32>) {
  %y0 = jinx.pow %x0, %x1 : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: and: a[d0, d1] b[d1] -> y[d0, d1]
func.func @and(%x0: tensor<3x4xi32>, %x1: tensor<4xi32>) {
  %y0 = jinx.and %x0, %x1 : tensor<3x4xi32>, tensor<4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: or: a[d0, d1] b[d1] -> y[d0, d1]
func.func @or(%x0: tensor<3x4xi32>, %x1: tensor<4xi32>) {
  %y0 = jinx.or %x0, %x1 : tensor<3x4xi32>, tensor<4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: xor: a[d0, d1] b[d1] -> y[d0, d1]
func.func @xor(%x0: tensor<3x4xi32>, %x1: tensor<4xi32>) {
  %y0 = jinx.xor %x0, %x1 : tensor<3x4xi32>, tensor<4xi32> -> tensor<3x4xi32>
  return
}

// CHECK: compare: a[d0, d1] b[d1] -> y[d0, d1]
func.func @compare(%x0: tensor<3x4xf32>, %x1: tensor<4xf32>) {
  %y0 = jinx.compare lt, %x0, %x1 : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xi1>
  return
}

// CHECK: select: condition[d0, d1] a[d0, d1] b[] -> y[d0, d1]; partial: a+b (any)
func.func @select(%x0: tensor<3x4xi1>, %x1: tensor<3x4xf32>, %x2: tensor<f32>) {
  %y0 = jinx.select %x0, %x1, %x2 : tensor<3x4xi1>, tensor<3x4xf32>, tensor<f32> -> tensor<3x4xf32>
  return
}

// CHECK: cast: x[d0, d1] -> y[d0, d1]; partial: x (sum), x (max or min)
func.func @cast(%x0: tensor<3x4xf16>) {
  %y0 = jinx.cast %x0 : tensor<3x4xf16> -> tensor<3x4xf32>
  return
}

// CHECK: cast: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @cast_2(%x0: tensor<3x4xf32>) {
  %y0 = jinx.cast %x0 : tensor<3x4xf32> -> tensor<3x4xf16>
  return
}

// CHECK: cast: x[d0, d1] -> y[d0, d1]; partial: x (max or min)
func.func @cast_3(%x0: tensor<3x4xf16>) {
  %y0 = jinx.cast %x0 : tensor<3x4xf16> -> tensor<3x4xbf16>
  return
}

// CHECK: cast: x[d0, d1] -> y[d0, d1]
func.func @cast_4(%x0: tensor<3x4xf32>) {
  %y0 = jinx.cast %x0 : tensor<3x4xf32> -> tensor<3x4xi32>
  return
}

// ---- Data.
// CHECK: constant: -> y[d0, d1]
func.func @constant() {
  %y0 = jinx.constant dense<1.0> : tensor<3x4xf32>
  return
}

// CHECK: sizes: -> y[y0]; whole: y0
func.func @sizes() {
  %y0 = jinx.sizes ["1", "2", "3"] : tensor<3xi64>
  return
}

// CHECK: iota: -> y[d0, axis]; whole: axis
func.func @iota() {
  %y0 = jinx.iota axis 1 {start = 3 : i64} : tensor<3x4xi64>
  return
}

// CHECK: transpose: x[d0, d1, d2] -> y[d1, d2, d0]; partial: x (any)
func.func @transpose(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.transpose %x0, [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  return
}

// CHECK: broadcast: x[d1, 1] -> y[d0, d1, d2]; partial: x (any)
func.func @broadcast(%x0: tensor<3x1xf32>) {
  %y0 = jinx.broadcast %x0 : tensor<3x1xf32> -> tensor<2x3x4xf32>
  return
}

// CHECK: reshape: x[i0*i1, i2] -> y[i0, i1*i2]; partial: x (any)
func.func @reshape(%x0: tensor<6x4xf32>) {
  %y0 = jinx.reshape %x0 : tensor<6x4xf32> -> tensor<2x12xf32>
  return
}

// CHECK: reshape: x[i0*x0, x1] -> y[i0*y0, y1]; whole: x0, y0, y1, x1; partial: x (any)
func.func @reshape_2(%x0: tensor<6x4xf32>) {
  %y0 = jinx.reshape %x0 : tensor<6x4xf32> -> tensor<4x6xf32>
  return
}

// CHECK: reshape: x[i0*i1*i2] -> y[i0, i1, i2]; partial: x (any)
func.func @reshape_3(%x0: tensor<24xf32>) {
  %y0 = jinx.reshape %x0 : tensor<24xf32> -> tensor<2x3x4xf32>
  return
}

// CHECK: reshape: x[i0, i1, i2] -> y[i0*i1*i2]; partial: x (any)
func.func @reshape_4(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.reshape %x0 : tensor<2x3x4xf32> -> tensor<24xf32>
  return
}

// CHECK: reshape: x[i0*x0, x1] -> y[i0*y0, y1]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_5(%x0: tensor<4x6xf32>) {
  %y0 = jinx.reshape %x0 : tensor<4x6xf32> -> tensor<6x4xf32>
  return
}

// CHECK: reshape: x[i0, 1, i1*i2] -> y[1, i0*i1, i2]; partial: x (any)
func.func @reshape_6(%x0: tensor<2x1x6xf32>) {
  %y0 = jinx.reshape %x0 : tensor<2x1x6xf32> -> tensor<1x4x3xf32>
  return
}

// CHECK: reshape: x[x0, x1, i0*i1] -> y[y0, y1, i0, i1]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_7(%x0: tensor<3x5x4xf32>) {
  %y0 = jinx.reshape %x0 : tensor<3x5x4xf32> -> tensor<5x3x2x2xf32>
  return
}

// CHECK: reshape: x[x0, x1, i0] -> y[y0, y1, i0]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_8(%x0: tensor<2x15x4xf32>) {
  %y0 = jinx.reshape %x0 : tensor<2x15x4xf32> -> tensor<3x10x4xf32>
  return
}

// CHECK: reshape: x[1, 1] -> y[1]; partial: x (any)
func.func @reshape_9(%x0: tensor<1x1xf32>) {
  %y0 = jinx.reshape %x0 : tensor<1x1xf32> -> tensor<1xf32>
  return
}

// CHECK: reshape: x[x0, x1, x2] -> y[y0, y1]; whole: x0, y0, y1, x1, x2; partial: x (any)
func.func @reshape_10(%x0: tensor<2x0x3xf32>) {
  %y0 = jinx.reshape %x0 : tensor<2x0x3xf32> -> tensor<0x5xf32>
  return
}

// CHECK: slice: x[d0, x1, x2] -> y[d0, y1, 1]; whole: x1, y1, x2; partial: x (any)
func.func @slice(%x0: tensor<4x8x2xf32>) {
  %y0 = jinx.slice %x0 starts ["0", "2", "1"] steps [1, 1, 1] : tensor<4x8x2xf32> -> tensor<4x3x1xf32>
  return
}

// CHECK: slice: x[d0, x1] -> y[d0, y1]; whole: x1, y1; partial: x (any)
func.func @slice_2(%x0: tensor<4x6xf32>) {
  %y0 = jinx.slice %x0 starts ["0", "5"] steps [1, -2] : tensor<4x6xf32> -> tensor<4x3xf32>
  return
}

// CHECK: concat: xs0[d0, axis0] xs1[d0, axis1] -> y[d0, axis]; whole: axis0, axis1, axis; partial: xs0+xs1 (any)
func.func @concat(%x0: tensor<4x3xf32>, %x1: tensor<4x2xf32>) {
  %y0 = jinx.concat %x0, %x1 axis 1 : tensor<4x3xf32>, tensor<4x2xf32> -> tensor<4x5xf32>
  return
}

// CHECK: pad: x[d0, x1] value[] -> y[d0, y1]; whole: x1, y1; partial: x (max or min), x+value (any)
func.func @pad(%x0: tensor<4x3xf32>, %x1: tensor<f32>) {
  %y0 = jinx.pad %x0 value %x1 low ["0", "1"] mode constant : tensor<4x3xf32>, tensor<f32> -> tensor<4x6xf32>
  return
}

// CHECK: pad: x[d0, x1] -> y[d0, y1]; whole: x1, y1; partial: x (sum), x (max or min)
func.func @pad_2(%x0: tensor<4x3xf32>) {
  %y0 = jinx.pad %x0 low ["0", "1"] mode constant : tensor<4x3xf32> -> tensor<4x6xf32>
  return
}

// CHECK: pad: x[x0, d1] -> y[y0, d1]; whole: x0, y0; partial: x (any)
func.func @pad_3(%x0: tensor<4x3xf32>) {
  %y0 = jinx.pad %x0 low ["1", "0"] mode edge : tensor<4x3xf32> -> tensor<6x3xf32>
  return
}

// CHECK: resize: x[d0, d1, x2] -> y[d0, d1, y2]; whole: x2, y2; partial: x (sum)
func.func @resize(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.resize %x0 {mode = "linear", coordinates = "half_pixel", rounding = "floor", scales = array<f64: 1.0, 0.0, 2.0>}
      : tensor<2x3x4xf32> -> tensor<2x3x8xf32>
  return
}

// CHECK: resize: x[d0, x1] -> y[d0, y1]; whole: x1, y1; partial: x (any)
func.func @resize_2(%x0: tensor<2x3xf32>) {
  %y0 = jinx.resize %x0 {mode = "nearest", coordinates = "asymmetric", rounding = "floor", scales = array<f64: 1.0, 0.0>} : tensor<2x3xf32> -> tensor<2x6xf32>
  return
}

// ---- Indices.
// CHECK: gather: x[d0, v, d2] indices[i0, i1] -> y[d0, i0, i1, d2]; gathered: v; partial: x (any)
func.func @gather(%x0: tensor<2x5x3xf32>, %x1: tensor<2x2xi64>) {
  %y0 = jinx.gather %x0, %x1 axis 1 : tensor<2x5x3xf32>, tensor<2x2xi64> -> tensor<2x2x2x3xf32>
  return
}

// CHECK: gather_elements: x[v, d1] indices[i0, d1] -> y[i0, d1]; gathered: v; partial: x (any)
func.func @gather_elements(%x0: tensor<5x4xf32>, %x1: tensor<3x4xi64>) {
  %y0 = jinx.gather_elements %x0, %x1 axis 0 : tensor<5x4xf32>, tensor<3x4xi64> -> tensor<3x4xf32>
  return
}

// CHECK: gather_elements: x[v, x1] indices[i0, i1] -> y[i0, i1]; gathered: v; whole: x1, i1; partial: x (any)
func.func @gather_elements_2(%x0: tensor<5x4xf32>, %x1: tensor<3x2xi64>) {
  %y0 = jinx.gather_elements %x0, %x1 axis 0 : tensor<5x4xf32>, tensor<3x2xi64> -> tensor<3x2xf32>
  return
}

// CHECK: gather_nd: x[v0, v1, d2] indices[i0, coordinate] -> y[i0, d2]; gathered: v0, v1; whole: coordinate; partial: x (any)
func.func @gather_nd(%x0: tensor<3x4x2xf32>, %x1: tensor<5x2xi64>) {
  %y0 = jinx.gather_nd %x0, %x1 : tensor<3x4x2xf32>, tensor<5x2xi64> -> tensor<5x2xf32>
  return
}

// CHECK: gather_nd: x[d0, v1, d2] indices[d0, i1, 1] -> y[d0, i1, d2]; gathered: v1; partial: x (any)
func.func @gather_nd_2(%x0: tensor<3x4x2xf32>, %x1: tensor<3x5x1xi64>) {
  %y0 = jinx.gather_nd %x0, %x1 {batch = 1 : i64} : tensor<3x4x2xf32>, tensor<3x5x1xi64> -> tensor<3x5x2xf32>
  return
}

// CHECK: scatter_elements: x[axis, d1] indices[i0, d1] updates[i0, d1] -> y[axis, d1]; whole: axis, i0; partial: x+updates (any)
func.func @scatter_elements(%x0: tensor<5x4xf32>, %x1: tensor<3x4xi64>, %x2: tensor<3x4xf32>) {
  %y0 = jinx.scatter_elements set, %x0, %x1, %x2 axis 0 : tensor<5x4xf32>, tensor<3x4xi64>, tensor<3x4xf32> -> tensor<5x4xf32>
  return
}

// CHECK: scatter_nd: x[v0, d1] indices[i0, 1] updates[i0, d1] -> y[v0, d1]; whole: v0, i0; partial: x+updates (any)
func.func @scatter_nd(%x0: tensor<3x4xf32>, %x1: tensor<5x1xi64>, %x2: tensor<5x4xf32>) {
  %y0 = jinx.scatter_nd set, %x0, %x1, %x2 : tensor<3x4xf32>, tensor<5x1xi64>, tensor<5x4xf32> -> tensor<3x4xf32>
  return
}

// CHECK: scatter_elements: x[axis, d1] indices[i0, d1] updates[i0, d1] -> y[axis, d1]; whole: axis, i0; partial: x+updates (sum)
func.func @scatter_elements_2(%x0: tensor<5x4xf32>, %x1: tensor<3x4xi64>, %x2: tensor<3x4xf32>) {
  %y0 = jinx.scatter_elements add, %x0, %x1, %x2 axis 0 : tensor<5x4xf32>, tensor<3x4xi64>, tensor<3x4xf32> -> tensor<5x4xf32>
  return
}

// CHECK: scatter_elements: x[axis, d1] indices[i0, d1] updates[i0, d1] -> y[axis, d1]; whole: axis, i0; partial: x (max), updates (max), x+updates (max)
func.func @scatter_elements_3(%x0: tensor<5x4xf32>, %x1: tensor<3x4xi64>, %x2: tensor<3x4xf32>) {
  %y0 = jinx.scatter_elements max, %x0, %x1, %x2 axis 0 : tensor<5x4xf32>, tensor<3x4xi64>, tensor<3x4xf32> -> tensor<5x4xf32>
  return
}

// CHECK: scatter_elements: x[axis, x1] indices[i0, i1] updates[i0, i1] -> y[axis, x1]; whole: x1, i1, axis, i0; partial: x+updates (sum)
func.func @scatter_elements_4(%x0: tensor<5x4xf32>, %x1: tensor<3x2xi64>, %x2: tensor<3x2xf32>) {
  %y0 = jinx.scatter_elements add, %x0, %x1, %x2 axis 0 : tensor<5x4xf32>, tensor<3x2xi64>, tensor<3x2xf32> -> tensor<5x4xf32>
  return
}

// CHECK: top_k: x[d0, axis] -> values[d0, k] indices[d0, k]; whole: axis, k
func.func @top_k(%x0: tensor<4x6xf32>) {
  %y0, %y1 = jinx.top_k %x0 axis 1 : tensor<4x6xf32> -> tensor<4x3xf32>, tensor<4x3xi64>
  return
}

// ---- Reductions and windows.
// CHECK: reduce: x[d0, d1, d2] -> y[d0, 1, 1]; d1 sums; d2 sums; partial: x (sum)
func.func @reduce(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.reduce sum, %x0 axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  return
}

// CHECK: reduce: x[d0, d1, d2] -> y[d0, 1, 1]; d1 takes the maximum; d2 takes the maximum; partial: x (max)
func.func @reduce_2(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.reduce max, %x0 axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  return
}

// CHECK: reduce: x[d0, d1, d2] -> y[d0, 1, 1]; d1 takes the minimum; d2 takes the minimum; partial: x (min)
func.func @reduce_3(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.reduce min, %x0 axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  return
}

// CHECK: reduce: x[d0, d1, d2] -> y[d0, 1, 1]; d1 multiplies; d2 multiplies; partial: x (prod)
func.func @reduce_4(%x0: tensor<2x3x4xf32>) {
  %y0 = jinx.reduce prod, %x0 axes [1, 2] : tensor<2x3x4xf32> -> tensor<2x1x1xf32>
  return
}

// CHECK: cumsum: x[d0, axis] -> y[d0, axis]; whole: axis; partial: x (sum)
func.func @cumsum(%x0: tensor<3x5xf32>) {
  %y0 = jinx.cumsum %x0 axis 1 : tensor<3x5xf32> -> tensor<3x5xf32>
  return
}

// CHECK: pool: x[n, c, x0] -> y[n, c, y0]; whole: x0, y0; partial: x (max)
func.func @pool(%x0: tensor<2x3x8xf32>) {
  %y0 = jinx.pool max, %x0 {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<2x3x8xf32> -> tensor<2x3x4xf32>
  return
}

// CHECK: pool: x[n, c, x0] -> y[n, c, y0]; whole: x0, y0; partial: x (sum)
func.func @pool_2(%x0: tensor<2x3x8xf32>) {
  %y0 = jinx.pool average, %x0 {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<2x3x8xf32> -> tensor<2x3x4xf32>
  return
}

// CHECK: pool: x[n, s0, x1, c] -> y[n, s0, y1, c]; whole: x1, y1; partial: x (max)
func.func @pool_3(%x0: tensor<2x4x5x3xf32>) {
  %y0 = jinx.pool max, %x0 {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, channels_last}
      : tensor<2x4x5x3xf32> -> tensor<2x4x4x3xf32>
  return
}

// CHECK: conv: x[n, c, x0] w[o, c, w0] -> y[n, o, y0]; c sums; whole: x0, y0, w0; partial: x (sum), w (sum)
func.func @conv(%x0: tensor<2x6x7xf32>, %x1: tensor<4x6x3xf32>) {
  %y0 = jinx.conv %x0, %x1 {strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<2x6x7xf32>, tensor<4x6x3xf32> -> tensor<2x4x4xf32>
  return
}

// CHECK: conv: x[n, g*c, x0] w[g*o, c, w0] -> y[n, g*o, y0]; c sums; whole: x0, y0, w0; partial: x (sum), w (sum)
func.func @conv_2(%x0: tensor<2x6x5xf32>, %x1: tensor<4x3x3xf32>) {
  %y0 = jinx.conv %x0, %x1 {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, group = 2 : i64}
      : tensor<2x6x5xf32>, tensor<4x3x3xf32> -> tensor<2x4x5xf32>
  return
}

// CHECK: conv: x[n, g, x0] w[g*o, 1, w0] -> y[n, g*o, y0]; whole: x0, y0, w0; partial: x (sum), w (sum)
func.func @conv_3(%x0: tensor<2x4x5xf32>, %x1: tensor<8x1x3xf32>) {
  %y0 = jinx.conv %x0, %x1 {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 4 : i64}
      : tensor<2x4x5xf32>, tensor<8x1x3xf32> -> tensor<2x8x3xf32>
  return
}

// CHECK: conv: x[n, s0, x1, g*c] w[g*o, c, 1, w1] -> y[n, s0, y1, g*o]; c sums; whole: x1, y1, w1; partial: x (sum), w (sum)
func.func @conv_4(%x0: tensor<2x4x5x6xf32>, %x1: tensor<4x3x1x2xf32>) {
  %y0 = jinx.conv %x0, %x1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64, channels_last}
      : tensor<2x4x5x6xf32>, tensor<4x3x1x2xf32> -> tensor<2x4x4x4xf32>
  return
}

// CHECK: conv: x[n, c, x0] w[o, c, w0] -> y[n, o, y0]; c sums; whole: x0, y0, w0
func.func @conv_5(%x0: tensor<2x6x5xi8>, %x1: tensor<4x6x3xi8>) {
  %y0 = jinx.conv %x0, %x1 {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, group = 1 : i64}
      : tensor<2x6x5xi8>, tensor<4x6x3xi8> -> tensor<2x4x5xi32>
  return
}

// CHECK: depthwise_conv: x[n, x0, x1, c] w[w0, w1, c] -> y[n, y0, y1, c]; whole: x0, y0, w0, x1, y1, w1; partial: x (sum), w (sum)
func.func @depthwise_conv(%x0: tensor<2x4x5x3xf32>, %x1: tensor<3x3x3xf32>) {
  %y0 = jinx.depthwise_conv %x0, %x1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
      : tensor<2x4x5x3xf32>, tensor<3x3x3xf32> -> tensor<2x4x5x3xf32>
  return
}

// ---- Products.
// CHECK: matmul: a[m, k] b[k, n] -> y[m, n]; k sums; partial: a (sum), b (sum)
func.func @matmul(%x0: tensor<4x6xf32>, %x1: tensor<6x8xf32>) {
  %y0 = jinx.matmul %x0, %x1 : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  return
}

// CHECK: matmul: a[b0, 1, m, k] b[b1, k, n] -> y[b0, b1, m, n]; k sums; partial: a (sum), b (sum)
func.func @matmul_2(%x0: tensor<2x1x4x6xf32>, %x1: tensor<3x6x8xf32>) {
  %y0 = jinx.matmul %x0, %x1 : tensor<2x1x4x6xf32>, tensor<3x6x8xf32> -> tensor<2x3x4x8xf32>
  return
}

// CHECK: matmul: a[b0, m, k] b[b0, n, k] -> y[b0, m, n]; k sums; partial: a (sum), b (sum)
func.func @matmul_3(%x0: tensor<2x4x6xf32>, %x1: tensor<2x8x6xf32>) {
  %y0 = jinx.matmul %x0, %x1 transpose_b : tensor<2x4x6xf32>, tensor<2x8x6xf32> -> tensor<2x4x8xf32>
  return
}

// CHECK: matmul: a[1, k] b[k, n] -> y[1, n]; k sums
func.func @matmul_4(%x0: tensor<1x6xi8>, %x1: tensor<6x8xi8>) {
  %y0 = jinx.matmul %x0, %x1 : tensor<1x6xi8>, tensor<6x8xi8> -> tensor<1x8xi32>
  return
}

// CHECK: grouped_matmul: x[t, k] w[g, k, n] ends[g] -> y[t, n]; k sums; whole: t, g; partial: x (sum), w (sum)
func.func @grouped_matmul(%x0: tensor<9x4xf32>, %x1: tensor<3x4x6xf32>, %x2: tensor<3xi32>) {
  %y0 = jinx.grouped_matmul %x0, %x1, %x2 : tensor<9x4xf32>, tensor<3x4x6xf32>, tensor<3xi32> -> tensor<9x6xf32>
  return
}

// CHECK: grouped_matmul: x[t, k] w[g, n, k] ends[g] -> y[t, n]; k sums; whole: t, g; partial: x (sum), w (sum)
func.func @grouped_matmul_2(%x0: tensor<9x4xf32>, %x1: tensor<3x6x4xf32>, %x2: tensor<3xi32>) {
  %y0 = jinx.grouped_matmul %x0, %x1 transpose_w, %x2 : tensor<9x4xf32>, tensor<3x6x4xf32>, tensor<3xi32> -> tensor<9x6xf32>
  return
}

// CHECK: experts: x[n, h] chosen[n, j] weights[n, j] gate[e, f, h] up[e, f, h] down[e, o, f] -> y[n, o]; f sums; gathered: e; whole: h, j; partial: weights (sum), up (sum), down (sum)
func.func @experts(%x0: tensor<7x3xf32>, %x1: tensor<7x2xi64>, %x2: tensor<7x2xf32>, %x3: tensor<5x4x3xf32>, %x4: tensor<5x4x3xf32>, %x5: tensor<5x6x4xf32>) {
  %y0 = jinx.experts silu %x0, %x1, %x2, %x3, %x4, %x5 : (tensor<7x3xf32>, tensor<7x2xi64>, tensor<7x2xf32>, tensor<5x4x3xf32>, tensor<5x4x3xf32>, tensor<5x6x4xf32>) -> tensor<7x6xf32>
  return
}

// CHECK: pack: b[b0, k, n*nr] -> y[b0, n, k, nr]; whole: nr; partial: b (any)
func.func @pack(%x0: tensor<2x6x48xf32>) {
  %y0 = jinx.pack %x0 : tensor<2x6x48xf32> -> tensor<2x3x6x16xf32>
  return
}

// CHECK: pack: b[nx, k] -> y[np, k, nr]; whole: nr, nx, np; partial: b (any)
func.func @pack_2(%x0: tensor<20x6xf32>) {
  %y0 = jinx.pack %x0 transpose : tensor<20x6xf32> -> tensor<2x6x16xf32>
  return
}

// CHECK: pack: b[k*kr, n*nr] -> y[n, k, nr*kr]; whole: nr, kr; partial: b (any)
func.func @pack_3(%x0: tensor<16x32xi8>) {
  %y0 = jinx.pack %x0 interleave 4 : tensor<16x32xi8> -> tensor<2x4x64xi8>
  return
}

// CHECK: packed_matmul: a[b0, m, k] b[b0, n, k, nr] -> y[b0, m, n*nr]; k sums; whole: nr; partial: a (sum), b (sum)
func.func @packed_matmul(%x0: tensor<2x4x6xf32>, %x1: tensor<2x2x6x16xf32>) {
  %y0 = jinx.packed_matmul %x0, %x1 : tensor<2x4x6xf32>, tensor<2x2x6x16xf32> -> tensor<2x4x32xf32>
  return
}

// CHECK: packed_matmul: a[m, k] b[np, k, nr] -> y[m, nx]; k sums; whole: nr, nx, np; partial: a (sum), b (sum)
func.func @packed_matmul_2(%x0: tensor<4x6xf32>, %x1: tensor<2x6x16xf32>) {
  %y0 = jinx.packed_matmul %x0, %x1 : tensor<4x6xf32>, tensor<2x6x16xf32> -> tensor<4x20xf32>
  return
}

// CHECK: packed_matmul: a[m, k*kr] b[n, k, nr*kr] -> y[m, n*nr]; k sums; whole: nr, kr
func.func @packed_matmul_3(%x0: tensor<4x8xui8>, %x1: tensor<2x2x64xi8>) {
  %y0 = jinx.packed_matmul %x0, %x1 : tensor<4x8xui8>, tensor<2x2x64xi8> -> tensor<4x32xi32>
  return
}

// CHECK: packed_matmul: a[m, kx] b[n, kp, nr*kr] -> y[m, n*nr]; whole: nr, kr, kx, kp
func.func @packed_matmul_4(%x0: tensor<4x6xui8>, %x1: tensor<2x2x64xi8>) {
  %y0 = jinx.packed_matmul %x0, %x1 : tensor<4x6xui8>, tensor<2x2x64xi8> -> tensor<4x32xi32>
  return
}

// CHECK: packed_matmul: a[b0, m, k] b[b0, n, k] -> y[b0, m, n]; k sums; partial: a (sum), b (sum)
func.func @packed_matmul_5(%x0: tensor<3x4x16xf16>, %x1: tensor<3x6x16xf16>) {
  %y0 = jinx.packed_matmul %x0, %x1 by_rows : tensor<3x4x16xf16>, tensor<3x6x16xf16> -> tensor<3x4x6xf16>
  return
}

// CHECK: packed_matmul: a[m, kx] b[n, kp] -> y[m, n]; whole: kx, kp; partial: a (sum), b (sum)
func.func @packed_matmul_6(%x0: tensor<4x12xf16>, %x1: tensor<6x16xf16>) {
  %y0 = jinx.packed_matmul %x0, %x1 by_rows : tensor<4x12xf16>, tensor<6x16xf16> -> tensor<4x6xf16>
  return
}

// CHECK: packed_grouped_matmul: x[t, k] w[g, n, k, nr] ends[g] -> y[t, n*nr]; k sums; whole: t, g, nr; partial: x (sum), w (sum)
func.func @packed_grouped_matmul(%x0: tensor<9x4xf32>, %x1: tensor<3x2x4x16xf32>, %x2: tensor<3xi32>) {
  %y0 = jinx.packed_grouped_matmul %x0, %x1, %x2 : tensor<9x4xf32>, tensor<3x2x4x16xf32>, tensor<3xi32> -> tensor<9x32xf32>
  return
}

// CHECK: packed_grouped_matmul: x[t, k] w[g, n, k] ends[g] -> y[t, n]; k sums; whole: t, g; partial: x (sum), w (sum)
func.func @packed_grouped_matmul_2(%x0: tensor<9x8xbf16>, %x1: tensor<3x6x8xbf16>, %x2: tensor<3xi32>) {
  %y0 = jinx.packed_grouped_matmul %x0, %x1 by_rows, %x2 : tensor<9x8xbf16>, tensor<3x6x8xbf16>, tensor<3xi32> -> tensor<9x6xbf16>
  return
}

// CHECK: packed_conv: x[n, 1, x1, g*c] w[g, o, taps*c, or] -> y[n, 1, y1, g*o*or]; c sums; whole: x1, y1, or, taps; partial: x (sum), w (sum)
func.func @packed_conv(%x0: tensor<2x1x5x6xf32>, %x1: tensor<2x2x6x16xf32>) {
  %y0 = jinx.packed_conv %x0, %x1 {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 2 : i64}
      : tensor<2x1x5x6xf32>, tensor<2x2x6x16xf32> -> tensor<2x1x4x64xf32>
  return
}

// CHECK: packed_conv: x[n, 1, x1, c] w[1, op, taps*c, or] -> y[n, 1, y1, ox]; c sums; whole: x1, y1, or, ox, op, taps; partial: x (sum), w (sum)
func.func @packed_conv_2(%x0: tensor<2x1x5x4xf32>, %x1: tensor<1x2x8x16xf32>) {
  %y0 = jinx.packed_conv %x0, %x1 {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<2x1x5x4xf32>, tensor<1x2x8x16xf32> -> tensor<2x1x4x20xf32>
  return
}

// CHECK: packed_conv: x[n, 1, x1, c] w[1, 1, row, or*i] -> y[n, 1, y1, or]; whole: x1, y1, c, or, row, i
func.func @packed_conv_3(%x0: tensor<2x1x5x4xui8>, %x1: tensor<1x1x2x64xi8>) {
  %y0 = jinx.packed_conv %x0, %x1 {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<2x1x5x4xui8>, tensor<1x1x2x64xi8> -> tensor<2x1x4x16xi32>
  return
}

// CHECK: packed_conv: x[n, 1, x1, c] w[o, row] -> y[n, 1, y1, o]; whole: x1, y1, c, row; partial: x (sum), w (sum)
func.func @packed_conv_4(%x0: tensor<2x1x5x8xf16>, %x1: tensor<6x128xf16>) {
  %y0 = jinx.packed_conv %x0, %x1 by_rows {kernel = array<i64: 1, 2>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64}
      : tensor<2x1x5x8xf16>, tensor<6x128xf16> -> tensor<2x1x4x6xf16>
  return
}

// ---- Codes and scales.
// CHECK: quantize: x[d0, d1] scale[] zero[] -> y[d0, d1]
func.func @quantize(%x0: tensor<4x6xf32>, %x1: tensor<f32>, %x2: tensor<ui8>) {
  %y0 = jinx.quantize %x0, %x1 zero %x2 : tensor<4x6xf32>, tensor<f32> zero tensor<ui8> -> tensor<4x6xui8>
  return
}

// CHECK: quantize: x[d0, d1] scale[1, d1] -> y[d0, d1]
func.func @quantize_2(%x0: tensor<4x6xf32>, %x1: tensor<1x6xf32>) {
  %y0 = jinx.quantize %x0, %x1 : tensor<4x6xf32>, tensor<1x6xf32> -> tensor<4x6xui8>
  return
}

// CHECK: quantize: x[q*i, d1] scale[q, d1] zero[q, d1] -> y[q*i, d1]
func.func @quantize_3(%x0: tensor<8x6xf32>, %x1: tensor<2x6xf32>, %x2: tensor<2x6xui8>) {
  %y0 = jinx.quantize %x0, %x1 zero %x2 block 4 along 0 : tensor<8x6xf32>, tensor<2x6xf32> zero tensor<2x6xui8> -> tensor<8x6xui8>
  return
}

// CHECK: quantize: x[x0, d1] scale[q, d1] -> y[x0, d1]; whole: x0, q
func.func @quantize_4(%x0: tensor<6x3xf32>, %x1: tensor<2x3xf32>) {
  %y0 = jinx.quantize %x0, %x1 block 4 along 0 : tensor<6x3xf32>, tensor<2x3xf32> -> tensor<6x3xui8>
  return
}

// CHECK: dequantize: q[d0, d1] scale[] -> y[d0, d1]
func.func @dequantize(%x0: tensor<4x6xi8>, %x1: tensor<f32>) {
  %y0 = jinx.dequantize %x0, %x1 : tensor<4x6xi8>, tensor<f32> -> tensor<4x6xf32>
  return
}

// CHECK: dequantize: q[d0, q*i] scale[d0, q] zero[d0, q] offset[d0, q] -> y[d0, q*i]
func.func @dequantize_2(%x0: tensor<3x8xui8>, %x1: tensor<3x2xf32>, %x2: tensor<3x2xui8>, %x3: tensor<3x2xf32>) {
  %y0 = jinx.dequantize %x0, %x1 zero %x2 offset %x3 block 4 along 1
      : tensor<3x8xui8>, tensor<3x2xf32> zero tensor<3x2xui8> offset tensor<3x2xf32> -> tensor<3x8xf32>
  return
}

// CHECK: dequantize: q[d0, x1] scale[d0, q] -> y[d0, x1]; whole: x1, q
func.func @dequantize_3(%x0: tensor<3x6xi8>, %x1: tensor<3x2xf32>) {
  %y0 = jinx.dequantize %x0, %x1 block 4 along 1 : tensor<3x6xi8>, tensor<3x2xf32> -> tensor<3x6xf32>
  return
}

// CHECK: decode_blocks: blocks[n, k*bytes] -> y[n, k*elements]; whole: bytes, elements
func.func @decode_blocks(%x0: tensor<3x102xui8>) {
  %y0 = jinx.decode_blocks %x0 "Q8_0" : tensor<3x102xui8> -> tensor<3x96xf32>
  return
}

// CHECK: pack_codes: codes[k*kr, n*nr] -> y[n, k, nr]; whole: kr, nr
func.func @pack_codes(%x0: tensor<24x32xui4>) {
  %y0 = jinx.pack_codes %x0 : tensor<24x32xui4> -> tensor<2x3x16xui32>
  return
}

// CHECK: pack_codes: codes[nx, k*kr] -> y[np, k, nr]; whole: kr, nr, nx, np
func.func @pack_codes_2(%x0: tensor<20x24xui4>) {
  %y0 = jinx.pack_codes %x0 transpose : tensor<20x24xui4> -> tensor<2x3x16xui32>
  return
}

// CHECK: pack_codes: codes[k*kr, n*nr] -> y[n, k, run]; whole: kr, nr, run
func.func @pack_codes_3(%x0: tensor<128x192xui4>) {
  %y0 = jinx.pack_codes %x0 : tensor<128x192xui4> -> tensor<3x2x512xui32>
  return
}

// CHECK: pack_codes: codes[kx, nr] -> y[1, kp, run]; whole: kx, kp, nr, run
func.func @pack_codes_4(%x0: tensor<72x64xui4>) {
  %y0 = jinx.pack_codes %x0 : tensor<72x64xui4> -> tensor<1x2x512xui32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[n, k*kc, run] scales[n, k, nr] -> y[m0, n*nr]; k sums; whole: ka, kc, nr, run; partial: a (sum)
func.func @dequant_matmul(%x0: tensor<3x64xf32>, %x1: tensor<2x8x16xui32>, %x2: tensor<2x2x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x64xf32>, tensor<2x8x16xui32>, tensor<2x2x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, ka] codes[n, kc, run] scales[n, ks, nr] -> y[m0, n*nr]; whole: ka, kc, ks, nr, run; partial: a (sum)
func.func @dequant_matmul_2(%x0: tensor<3x40xf32>, %x1: tensor<2x5x16xui32>, %x2: tensor<2x2x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x40xf32>, tensor<2x5x16xui32>, tensor<2x2x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[n, k, run] scales[n, 1, nr] -> y[m0, n*nr]; k sums; whole: ka, nr, run; partial: a (sum)
func.func @dequant_matmul_3(%x0: tensor<3x64xf32>, %x1: tensor<2x8x16xui32>, %x2: tensor<2x1x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 64 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x64xf32>, tensor<2x8x16xui32>, tensor<2x1x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[n, k, run] scales[n, k, nr] -> y[m0, n*nr]; k sums; whole: ka, nr, run; partial: a (sum)
func.func @dequant_matmul_4(%x0: tensor<3x64xf32>, %x1: tensor<2x8x16xui32>, %x2: tensor<2x8x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 8 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x64xf32>, tensor<2x8x16xui32>, tensor<2x8x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, m1, k*ka] codes[np, k*kc, run] scales[np, k, nr] offsets[np, k, nr] -> y[m0, m1, nx]; k sums; whole: ka, kc, nr, nx, np, run; partial: a (sum)
func.func @dequant_matmul_5(%x0: tensor<2x3x48xf32>, %x1: tensor<2x48x16xi8>, %x2: tensor<2x3x16xf32>, %x3: tensor<2x3x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 offsets %x3 group 16
      : tensor<2x3x48xf32>, tensor<2x48x16xi8>, tensor<2x3x16xf32> offsets tensor<2x3x16xf32> -> tensor<2x3x20xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k] codes[n, k, run] scales[n, 1, nr] -> y[m0, n*nr]; k sums; whole: nr, run; partial: a (sum)
func.func @dequant_matmul_6(%x0: tensor<3x48xf32>, %x1: tensor<2x48x16xi8>, %x2: tensor<2x1x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 48 : tensor<3x48xf32>, tensor<2x48x16xi8>, tensor<2x1x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[n, k, run] scales[n*ns, k*ks, nr16] -> y[m0, n*nr]; k sums; whole: ka, ks, nr, ns, nr16, run
func.func @dequant_matmul_7(%x0: tensor<3x128xf16>, %x1: tensor<2x2x512xui32>, %x2: tensor<8x4x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x128xf16>, tensor<2x2x512xui32>, tensor<8x4x16xf32> -> tensor<3x128xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[1, k*kc, run] scales[ns, k, nr16] -> y[m0, nr]; k sums; whole: ka, kc, nr, ns, nr16, run
func.func @dequant_matmul_8(%x0: tensor<3x256xf16>, %x1: tensor<1x4x512xui32>, %x2: tensor<4x2x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 128 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x256xf16>, tensor<1x4x512xui32>, tensor<4x2x16xf32> -> tensor<3x64xf32>
  return
}

// CHECK: dequant_matmul: a[m0, ka] codes[1, kc, run] scales[ns, ks, nr16] -> y[m0, nr]; whole: ka, kc, ks, nr, ns, nr16, run
func.func @dequant_matmul_9(%x0: tensor<3x96xf16>, %x1: tensor<1x2x512xui32>, %x2: tensor<4x3x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 32 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x96xf16>, tensor<1x2x512xui32>, tensor<4x3x16xf32> -> tensor<3x64xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k*ka] codes[np, k, run] scales[ns, k, nr16] -> y[m0, nx]; k sums; whole: ka, nx, np, ns, nr16, run
func.func @dequant_matmul_10(%x0: tensor<3x128xf16>, %x1: tensor<2x2x512xui32>, %x2: tensor<5x2x16xf32>) {
  %y0 = jinx.dequant_matmul %x0, %x1, %x2 group 64 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x128xf16>, tensor<2x2x512xui32>, tensor<5x2x16xf32> -> tensor<3x80xf32>
  return
}

// CHECK: split_digits: a[m0, m1, k*kr] -> words[m0, m1, k, w] factors[m0, m1, k, f]; whole: kr, w, f
func.func @split_digits(%x0: tensor<2x3x24xf32>) {
  %y0, %y1 = jinx.split_digits %x0 group 8 digits 1 zero 8 : tensor<2x3x24xf32> -> tensor<2x3x3x3xi32>, tensor<2x3x3x2xf32>
  return
}

// CHECK: split_digits: a[m0, kx] -> words[m0, kp, w] factors[m0, kp, f]; whole: kx, kp, w, f
func.func @split_digits_2(%x0: tensor<3x24xf32>) {
  %y0, %y1 = jinx.split_digits %x0 group 16 digits 1 zero 8 : tensor<3x24xf32> -> tensor<3x2x5xi32>, tensor<3x2x2xf32>
  return
}

// CHECK: dequant_matmul: a[m0, k, w] factors[m0, k, f] codes[n, k*kc, run] scales[n, k, nr] -> y[m0, n*nr]; k sums; whole: kc, nr, w, f, run
func.func @dequant_matmul_11(%x0: tensor<3x3x5xi32>, %x1: tensor<3x3x2xf32>, %x2: tensor<2x6x16xui32>, %x3: tensor<2x3x16xf32>) {
  %y0 = jinx.dequant_matmul %x0 factors %x1, %x2, %x3 group 16 levels [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
      : tensor<3x3x5xi32> factors tensor<3x3x2xf32>, tensor<2x6x16xui32>, tensor<2x3x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: dequant_matmul: a[m0, ks, w] factors[m0, ks, f] codes[n, kc, run] scales[n, ks, nr] -> y[m0, n*nr]; whole: kc, ks, nr, w, f, run
func.func @dequant_matmul_12(%x0: tensor<3x2x5xi32>, %x1: tensor<3x2x2xf32>, %x2: tensor<2x6x64xui8>, %x3: tensor<2x2x16xf32>) {
  %y0 = jinx.dequant_matmul %x0 factors %x1, %x2, %x3 group 16
      : tensor<3x2x5xi32> factors tensor<3x2x2xf32>, tensor<2x6x64xui8>, tensor<2x2x16xf32> -> tensor<3x32xf32>
  return
}

// CHECK: scaled_matmul: a[m0, k*kr] b[n, k*kr] a_scales[m0, k] b_scales[n, k] -> y[m0, n]; k sums; whole: kr
func.func @scaled_matmul(%x0: tensor<4x256xf8E4M3FN>, %x1: tensor<6x256xf8E4M3FN>, %x2: tensor<4x2xf32>, %x3: tensor<6x2xf32>) {
  %y0 = jinx.scaled_matmul %x0, %x1 scales %x2, %x3 shared 1
      : tensor<4x256xf8E4M3FN>, tensor<6x256xf8E4M3FN> scales tensor<4x2xf32>, tensor<6x2xf32> -> tensor<4x6xf32>
  return
}

// CHECK: scaled_matmul: a[m0, k*kr] b[n*nr, k*kr] a_scales[m0, k] b_scales[n, k] -> y[m0, n*nr]; k sums; whole: kr, nr
func.func @scaled_matmul_2(%x0: tensor<4x256xf8E4M3FN>, %x1: tensor<128x256xf8E4M3FN>, %x2: tensor<4x2xf32>, %x3: tensor<2x2xf32>) {
  %y0 = jinx.scaled_matmul %x0, %x1 scales %x2, %x3 shared 64
      : tensor<4x256xf8E4M3FN>, tensor<128x256xf8E4M3FN> scales tensor<4x2xf32>, tensor<2x2xf32> -> tensor<4x128xf32>
  return
}

// CHECK: scaled_matmul: a[m0, kx] b[nx, kx] a_scales[m0, kp] b_scales[np, kp] -> y[m0, nx]; whole: kx, kp, nx, np
func.func @scaled_matmul_3(%x0: tensor<4x144xf8E4M3FN>, %x1: tensor<80x144xf8E4M3FN>, %x2: tensor<4x2xf32>, %x3: tensor<2x2xf32>) {
  %y0 = jinx.scaled_matmul %x0, %x1 scales %x2, %x3 shared 64
      : tensor<4x144xf8E4M3FN>, tensor<80x144xf8E4M3FN> scales tensor<4x2xf32>, tensor<2x2xf32> -> tensor<4x80xf32>
  return
}

// ---- Recurrences, attention, pages.
// CHECK: lstm: xw[t, n, gates] r[r0, r1] h0[n, h] c0[n, h] -> ys[t, n, h] hn[n, h] cn[n, h]; whole: t, h, gates, r0, r1
func.func @lstm(%x0: tensor<3x4x8xf32>, %x1: tensor<8x2xf32>, %x2: tensor<4x2xf32>, %x3: tensor<4x2xf32>) {
  %y0, %y1, %y2 = jinx.lstm %x0, %x1, %x2, %x3
      : (tensor<3x4x8xf32>, tensor<8x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) -> (tensor<3x4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// CHECK: lstm: xw[t, n, gates] r[r0, r1] h0[n, h] c0[n, h] r_scale[gates] -> ys[t, n, h] hn[n, h] cn[n, h]; whole: t, n, h, gates, r0, r1
func.func @lstm_2(%x0: tensor<3x4x8xf32>, %x1: tensor<8x2xf32>, %x2: tensor<4x2xf32>, %x3: tensor<4x2xf32>, %x4: tensor<8xf32>) {
  %y0, %y1, %y2 = jinx.lstm %x0, %x1, %x2, %x3, %x4 : (tensor<3x4x8xf32>, tensor<8x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<8xf32>)
      -> (tensor<3x4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// CHECK: gru: xw[t, n, gates] r[r0, r1] rb[gates] h0[n, h] -> ys[t, n, h] hn[n, h]; whole: t, h, gates, r0, r1
func.func @gru(%x0: tensor<3x4x6xf32>, %x1: tensor<6x2xf32>, %x2: tensor<6xf32>, %x3: tensor<4x2xf32>) {
  %y0, %y1 = jinx.gru %x0, %x1, %x2, %x3 : (tensor<3x4x6xf32>, tensor<6x2xf32>, tensor<6xf32>, tensor<4x2xf32>) -> (tensor<3x4x2xf32>, tensor<4x2xf32>)
  return
}

// CHECK: attention_grad: q[b, g*s, n, d] k[b, g, m, d] v[b, g, m, d] dy[b, g*s, n, d] lse[b, g*s, n] delta[b, g*s, n] -> dq[b, g*s, n, d] dk[b, g, m, d] dv[b, g, m, d]; s sums; n sums; m sums; whole: d; partial: dy+delta (sum)
func.func @attention_grad(%x0: tensor<2x6x4x2xf32>, %x1: tensor<2x3x5x2xf32>, %x2: tensor<2x3x5x2xf32>,
                          %x3: tensor<2x6x4x2xf32>, %x4: tensor<2x6x4xf32>, %x5: tensor<2x6x4xf32>) {
  %y0, %y1, %y2 = jinx.attention_grad %x0, %x1, %x2, %x3, %x4, %x5 scale 0.5
      : (tensor<2x6x4x2xf32>, tensor<2x3x5x2xf32>, tensor<2x3x5x2xf32>, tensor<2x6x4x2xf32>, tensor<2x6x4xf32>, tensor<2x6x4xf32>)
      -> (tensor<2x6x4x2xf32>, tensor<2x3x5x2xf32>, tensor<2x3x5x2xf32>)
  return
}

// CHECK: attention_grad: q[b, g*s, n, d] k[b, g, m, d] v[b, g, m, d] dy[b, g*s, n, d] lse[b, g*s, n] delta[b, g*s, n] -> dq[b, g*s, n, d] dk[b, g, m, d] dv[b, g, m, d]; s sums; whole: d, n, m; partial: dy+delta (sum)
func.func @attention_grad_2(%x0: tensor<2x6x4x2xf32>, %x1: tensor<2x3x5x2xf32>, %x2: tensor<2x3x5x2xf32>,
                            %x3: tensor<2x6x4x2xf32>, %x4: tensor<2x6x4xf32>, %x5: tensor<2x6x4xf32>) {
  %y0, %y1, %y2 = jinx.attention_grad %x0, %x1, %x2, %x3, %x4, %x5 scale 0.5 causal
      : (tensor<2x6x4x2xf32>, tensor<2x3x5x2xf32>, tensor<2x3x5x2xf32>, tensor<2x6x4x2xf32>, tensor<2x6x4xf32>, tensor<2x6x4xf32>)
      -> (tensor<2x6x4x2xf32>, tensor<2x3x5x2xf32>, tensor<2x3x5x2xf32>)
  return
}

// CHECK: write_pages: pool[page, g, row, d] rows[t, g, d] slots[t] -> pages[page, g, row, d]; whole: page, row, d, t
func.func @write_pages(%x0: tensor<3x4x16x16xf32>, %x1: tensor<5x4x16xf32>, %x2: tensor<5xi32>) {
  %y0 = jinx.write_pages keys %x0, %x1, %x2 : tensor<3x4x16x16xf32>, tensor<5x4x16xf32>, tensor<5xi32> -> tensor<3x4x16x16xf32>
  return
}

// CHECK: write_pages: pool[page, g, row, d] rows[t, g, d] slots[t] scales[page, g, row] -> pages[page, g, row, d] page_scales[page, g, row]; whole: page, row, d, t
func.func @write_pages_2(%x0: tensor<3x4x16x16xi8>, %x1: tensor<5x4x16xf32>, %x2: tensor<5xi32>, %x3: tensor<3x4x16xf32>) {
  %y0, %y1 = jinx.write_pages values %x0, %x1, %x2 scales %x3
      : tensor<3x4x16x16xi8>, tensor<5x4x16xf32>, tensor<5xi32> scales tensor<3x4x16xf32> -> tensor<3x4x16x16xi8> scales tensor<3x4x16xf32>
  return
}

// CHECK: paged_attention: q[t, g*s, d] keys[page, g, row, d] values[page, g, row, e] table[sequences, entries] sequence[t] position[t] -> y[t, g*s, e]; whole: page, row, d, e, sequences, entries
func.func @paged_attention(%x0: tensor<5x6x16xf32>, %x1: tensor<3x2x16x16xf32>, %x2: tensor<3x2x16x32xf32>,
                           %x3: tensor<2x2xi32>, %x4: tensor<5xi32>, %x5: tensor<5xi32>) {
  %y0 = jinx.paged_attention %x0, %x1, %x2, %x3, %x4, %x5 scale 0.25
      : tensor<5x6x16xf32>, tensor<3x2x16x16xf32>, tensor<3x2x16x32xf32>, tensor<2x2xi32>, tensor<5xi32>, tensor<5xi32> -> tensor<5x6x32xf32>
  return
}

// CHECK: paged_attention: q[t, g*s, d] keys[page, g, row, d] values[page, g, row, e] table[sequences, entries] sequence[t] position[t] key_scales[page, g, row] value_scales[page, g, row] -> y[t, g*s, e]; whole: page, row, d, e, sequences, entries
func.func @paged_attention_2(%x0: tensor<5x6x16xf32>, %x1: tensor<3x2x16x16xi8>, %x2: tensor<3x2x16x16xi8>, %x3: tensor<2x2xi32>,
                             %x4: tensor<5xi32>, %x5: tensor<5xi32>, %x6: tensor<3x2x16xf32>, %x7: tensor<3x2x16xf32>) {
  %y0 = jinx.paged_attention %x0, %x1, %x2, %x3, %x4, %x5 scales %x6, %x7 scale 0.25
      : tensor<5x6x16xf32>, tensor<3x2x16x16xi8>, tensor<3x2x16x16xi8>, tensor<2x2xi32>, tensor<5xi32>, tensor<5xi32>
        scales tensor<3x2x16xf32>, tensor<3x2x16xf32> -> tensor<5x6x16xf32>
  return
}

// ---- Sizes that are formulas

#a = #jinx.dims<"batch", "seq", "64">
#w = #jinx.dims<"64", "3*h">
#y = #jinx.dims<"batch", "seq", "3*h">
#merged = #jinx.dims<"b*s", "64">
#split = #jinx.dims<"b", "s", "4", "16">
#x_left = #jinx.dims<"4*n", "3*s">
#y_left = #jinx.dims<"6*n", "2*s">
#ns = #jinx.dims<"n", "s", "8">
#sn = #jinx.dims<"s", "n", "8">
#n8 = #jinx.dims<"n", "8">
#m8 = #jinx.dims<"m", "8">

// CHECK: matmul: a[b0, m, k] b[k, n] -> y[b0, m, n]; k sums; partial: a (sum), b (sum)
func.func @matmul_symbols(%a: tensor<?x?x64xf32, #a>, %b: tensor<64x?xf32, #w>) {
  %y = jinx.matmul %a, %b : tensor<?x?x64xf32, #a>, tensor<64x?xf32, #w> -> tensor<?x?x?xf32, #y>
  return
}

// Formulas that divide each other are refined as numbers are.
// CHECK: reshape: x[i0*i1, i2*i3] -> y[i0, i1, i2, i3]; partial: x (any)
func.func @reshape_symbols(%x: tensor<?x64xf32, #merged>) {
  %y = jinx.reshape %x : tensor<?x64xf32, #merged> -> tensor<?x?x4x16xf32, #split>
  return
}

// What is common to two formulas is the major factor, the rest is whole.
// CHECK: reshape: x[i0*x0, x1] -> y[i0*y0, y1]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_common(%x: tensor<?x?xf32, #x_left>) {
  %y = jinx.reshape %x : tensor<?x?xf32, #x_left> -> tensor<?x?xf32, #y_left>
  return
}

// Nothing is known to be common, but the groups end together: what follows is free.
// CHECK: reshape: x[x0, x1, i0] -> y[y0, y1, i0]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_unknown(%x: tensor<?x?x8xf32, #ns>) {
  %y = jinx.reshape %x : tensor<?x?x8xf32, #ns> -> tensor<?x?x8xf32, #sn>
  return
}

// Two formulas that may be equal, and no one knows: all is whole.
// CHECK: reshape: x[x0, x1] -> y[y0, y1]; whole: x0, y0, x1, y1; partial: x (any)
func.func @reshape_doubtful(%x: tensor<?x8xf32, #n8>) {
  %y = jinx.reshape %x : tensor<?x8xf32, #n8> -> tensor<?x8xf32, #m8>
  return
}

// A size that is 1 or the result's.
// CHECK: broadcast: x[x0, d1] -> y[y0, d1]; whole: y0, x0; partial: x (any)
func.func @broadcast_doubtful(%x: tensor<?x8xf32, #n8>) {
  %y = jinx.broadcast %x : tensor<?x8xf32, #n8> -> tensor<?x8xf32, #m8>
  return
}

// A start that is a formula; one that is 0 of a dimension that keeps its size.
// CHECK: slice: x[x0, d1] -> y[1, d1]; whole: x0; partial: x (any)
func.func @slice_symbols(%x: tensor<?x8xf32, #n8>) {
  %y = jinx.slice %x starts ["n - 1", "0"] steps [1, 1] : tensor<?x8xf32, #n8> -> tensor<1x8xf32>
  return
}

// Zeros around x that are a constant: a sum passes.
// CHECK: constant: -> y[]
// CHECK: pad: x[x0, d1] value[] -> y[y0, d1]; whole: x0, y0; partial: x (sum), x (max or min), x+value (any)
func.func @pad_zeros(%x: tensor<4x3xf32>) {
  %zero = jinx.constant dense<0.0> : tensor<f32>
  %y = jinx.pad %x value %zero low ["1", "0"] mode constant : tensor<4x3xf32>, tensor<f32> -> tensor<6x3xf32>
  return
}

// Rows whose logarithms are filled up to a multiple of 128.
// CHECK: attention_grad: q[b, g, n, d] k[b, g, m, d] v[b, g, m, d] dy[b, g, n, d] lse[b, g, nl] delta[b, g, nd] -> dq[b, g, n, d] dk[b, g, m, d] dv[b, g, m, d]; m sums; whole: d, n, nl, nd; partial: dy+delta (sum)
func.func @attention_grad_filled(%q: tensor<2x4x100x64xf32>, %k: tensor<2x4x50x64xf32>, %lse: tensor<2x4x128xf32>) {
  %dq, %dk, %dv = jinx.attention_grad %q, %k, %k, %q, %lse, %lse scale 1.0
      : (tensor<2x4x100x64xf32>, tensor<2x4x50x64xf32>, tensor<2x4x50x64xf32>, tensor<2x4x100x64xf32>, tensor<2x4x128xf32>, tensor<2x4x128xf32>)
      -> (tensor<2x4x100x64xf32>, tensor<2x4x50x64xf32>, tensor<2x4x50x64xf32>)
  return
}

// ---- Operators without a rule

// CHECK: if: no rule: runs blocks: what is in them has rules
// CHECK: yield: no rule: ends a block: its values are the results of the operator around it
// CHECK: yield: no rule: ends a block: its values are the results of the operator around it
func.func @if(%c: tensor<i1>, %a: tensor<4xf32>) {
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    jinx.yield %a : tensor<4xf32>
  } else {
    jinx.yield %a : tensor<4xf32>
  }
  return
}

// CHECK: none: no rule: stands for an omitted operand and is no tensor
// CHECK: host_call: no rule: runs an ONNX operator that only the runtime knows: all of everything, on every device
// CHECK: loop: no rule: runs blocks: what is in them has rules
// CHECK: yield: no rule: {{.*}}
// CHECK: scan: no rule: runs blocks: what is in them has rules
// CHECK: yield: no rule: {{.*}}
func.func @host(%x: tensor<8xf32>, %count: tensor<i64>, %go: tensor<i1>) {
  %none = jinx.none : !jinx.none
  %y = jinx.host_call "" "Clip" 13 {} (%x, %none) : (tensor<8xf32>, !jinx.none) -> tensor<8xf32>
  %z = jinx.loop(%count, %go, %x) : (tensor<i64>, tensor<i1>, tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%i: tensor<i64>, %on: tensor<i1>, %v: tensor<8xf32>):
    jinx.yield %on, %v : tensor<i1>, tensor<8xf32>
  }
  %s = jinx.scan {num_scan_inputs = 1 : i64} 16 (%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%v: tensor<f32>):
    jinx.yield %v : tensor<f32>
  }
  return
}

// CHECK: sequence_map: no rule: runs blocks, on sequences, which live on the host
// CHECK: yield: no rule: {{.*}}
func.func @sequence_map(%s: !jinx.sequence<tensor<8xf32>>) {
  %y = jinx.sequence_map(%s) : (!jinx.sequence<tensor<8xf32>>) -> !jinx.sequence<tensor<8xf32>> {
  ^bb0(%v: tensor<8xf32>):
    jinx.yield %v : tensor<8xf32>
  }
  return
}

// CHECK: group: no rule: is made of operators after they are split
// CHECK: exp: x[d0] -> y[d0]
// CHECK: yield: no rule: {{.*}}
// CHECK: launch: no rule: is made of a group after operators are split
func.func @fused(%x: tensor<8xf32>) {
  %y = jinx.group "rows"(%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%v: tensor<8xf32>):
    %e = jinx.exp %v : tensor<8xf32> -> tensor<8xf32>
    jinx.yield %e : tensor<8xf32>
  }
  %z = jinx.launch @k(%x) sizes [] programs "1" scratch "0" work "8" from ["x"] : (tensor<8xf32>) -> tensor<8xf32>
  return
}
