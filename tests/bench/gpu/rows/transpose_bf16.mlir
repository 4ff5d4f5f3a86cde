// Transpose: 134 MB read, 134 MB written.
func.func @main(%x: tensor<8192x8192xbf16> {jinx.name = "x"}) -> (tensor<8192x8192xbf16> {jinx.name = "y"}) {
  %y = jinx.transpose %x, [1, 0] : tensor<8192x8192xbf16> -> tensor<8192x8192xbf16> loc("transpose")
  return %y : tensor<8192x8192xbf16>
}
