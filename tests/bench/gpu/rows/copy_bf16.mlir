// The memory's speed: one value read, one written. 134 MB each way.
func.func @main(%x: tensor<16384x4096xbf16> {jinx.name = "x"}) -> (tensor<16384x4096xbf16> {jinx.name = "y"}) {
  %y = jinx.abs %x : tensor<16384x4096xbf16> -> tensor<16384x4096xbf16> loc("copy")
  return %y : tensor<16384x4096xbf16>
}
