// A layer as a quantized model has it: x is quantized to bytes, and multiplied, with its zero point and scale, by weights of bytes with a scale
// for each column; a bias; quantized again.
module attributes {jinx.symbols = [{name = "n"}]} {
  func.func @main(%x: tensor<?x32xf32, #jinx.dims<"n", "32">> {jinx.name = "x"}) -> (tensor<?x6xi8, #jinx.dims<"n", "6">> {jinx.name = "y"}) {
    %scale = jinx.constant dense<0.0625> : tensor<f32>
    %zero = jinx.constant dense<100> : tensor<ui8>
    %least = jinx.constant dense<0.0> : tensor<f32>
    %most = jinx.constant dense<255.0> : tensor<f32>
    %offset = jinx.cast %zero : tensor<ui8> -> tensor<f32>
    %0 = jinx.div %x, %scale : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %1 = jinx.round %0 : tensor<?x32xf32, #jinx.dims<"n", "32">> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %2 = jinx.add %1, %offset : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %3 = jinx.max %2, %least : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %4 = jinx.min %3, %most : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %quantized = jinx.cast %4 : tensor<?x32xf32, #jinx.dims<"n", "32">> -> tensor<?x32xui8, #jinx.dims<"n", "32">>
    %5 = jinx.cast %quantized : tensor<?x32xui8, #jinx.dims<"n", "32">> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %6 = jinx.sub %5, %offset : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %a = jinx.mul %6, %scale : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<f32> -> tensor<?x32xf32, #jinx.dims<"n", "32">>
    %weights = jinx.constant dense<"0x7942BDF22106F0847762F0F3CB4D764DC7072051159A0F89F2C6DACAE344BB311245FD6F84DF9AD7C5B3D076AC0E8F53A7356C88913F20F6F72DB022D24D0A96DAD43C1617C1A98E78129E0327371065D095864F15ADA0B846C1C0EBC5348ADC799ADF849BAD05D4A10AC0441EAAEEB4B48EFA0B1F0ABD80E998A35ABA5EA0BD8799C1350D439E71897AA75FDE3134A4AA72E05628AC6FE68A733D1161A15D8EAE2BB042D7958AEDB1D594D6D112D34F6602F4DE7110E993AE7422923D7D1711"> : tensor<32x6xi8>
    %scales = jinx.constant dense<[0.5, 0.25, 0.125, 1.0, 0.5, 0.25]> : tensor<6xf32>
    %7 = jinx.cast %weights : tensor<32x6xi8> -> tensor<32x6xf32>
    %b = jinx.mul %7, %scales : tensor<32x6xf32>, tensor<6xf32> -> tensor<32x6xf32>
    %p = jinx.matmul %a, %b : tensor<?x32xf32, #jinx.dims<"n", "32">>, tensor<32x6xf32> -> tensor<?x6xf32, #jinx.dims<"n", "6">>
    %bias = jinx.constant dense<[1.0, -2.0, 3.0, -4.0, 5.0, -6.0]> : tensor<6xf32>
    %8 = jinx.add %p, %bias : tensor<?x6xf32, #jinx.dims<"n", "6">>, tensor<6xf32> -> tensor<?x6xf32, #jinx.dims<"n", "6">>
    %low = jinx.constant dense<-128.0> : tensor<f32>
    %high = jinx.constant dense<127.0> : tensor<f32>
    %9 = jinx.round %8 : tensor<?x6xf32, #jinx.dims<"n", "6">> -> tensor<?x6xf32, #jinx.dims<"n", "6">>
    %10 = jinx.max %9, %low : tensor<?x6xf32, #jinx.dims<"n", "6">>, tensor<f32> -> tensor<?x6xf32, #jinx.dims<"n", "6">>
    %11 = jinx.min %10, %high : tensor<?x6xf32, #jinx.dims<"n", "6">>, tensor<f32> -> tensor<?x6xf32, #jinx.dims<"n", "6">>
    %y = jinx.cast %11 : tensor<?x6xf32, #jinx.dims<"n", "6">> -> tensor<?x6xi8, #jinx.dims<"n", "6">>
    return %y : tensor<?x6xi8, #jinx.dims<"n", "6">>
  }
}
