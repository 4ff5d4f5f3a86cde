// Three products in a row, whose weights ranks gather.
module attributes {jinx.symbols = []} {
  func.func @main(%x: tensor<256x256xf32> {jinx.name = "x"}, %w1: tensor<256x256xf32> {jinx.name = "w1"}, %w2: tensor<256x256xf32> {jinx.name = "w2"}, %w3: tensor<256x256xf32> {jinx.name = "w3"})
      -> (tensor<256x256xf32> {jinx.name = "y"}) {
    %a = jinx.matmul %x, %w1 : tensor<256x256xf32>, tensor<256x256xf32> -> tensor<256x256xf32>
    %b = jinx.relu %a : tensor<256x256xf32> -> tensor<256x256xf32>
    %c = jinx.matmul %b, %w2 : tensor<256x256xf32>, tensor<256x256xf32> -> tensor<256x256xf32>
    %d = jinx.relu %c : tensor<256x256xf32> -> tensor<256x256xf32>
    %y = jinx.matmul %d, %w3 : tensor<256x256xf32>, tensor<256x256xf32> -> tensor<256x256xf32>
    return %y : tensor<256x256xf32>
  }
}
