// RUN: not jinx-opt %s --jinx-combine-collectives=network=token-ring 2>&1 | FileCheck %s --check-prefix=NETWORK
// RUN: not jinx-opt %s --jinx-overlap-collectives=network=token-ring 2>&1 | FileCheck %s --check-prefix=NETWORK
// RUN: not jinx-opt %s --jinx-form-rings=network=token-ring 2>&1 | FileCheck %s --check-prefix=NETWORK
// RUN: not jinx-opt %s --jinx-move-reshards=network=token-ring 2>&1 | FileCheck %s --check-prefix=NETWORK
// RUN: not jinx-opt %s --jinx-partition=network=token-ring 2>&1 | FileCheck %s --check-prefix=NETWORK
// RUN: not jinx-opt %s --jinx-overlap-collectives=memory=0.5 2>&1 | FileCheck %s --check-prefix=MEMORY
// Tests that networks have names, and that no order needs less memory than the given one.

// NETWORK: error: network: {{.*}}token-ring{{.*}}h100-8
// MEMORY: error: memory is 0.5{{.*}}, expected 1 or more: times what the function needs as it is
dist.mesh @mesh <"tp" = 4>
func.func @f(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32> attributes {dist.own = @mesh} {
  %a = dist.all_reduce sum %x over ["tp"] : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  return %a : tensor<8xf32>
}
func.func @placed(%x: tensor<8xf32, #dist.on<"tp" = partial sum>>) -> tensor<8xf32> attributes {dist.placed = @mesh} {
  %a = dist.reshard %x : tensor<8xf32, #dist.on<"tp" = partial sum>> -> tensor<8xf32>
  return %a : tensor<8xf32>
}
