// Grouped products as the tests build them: x [t, k], w [g, n, k], ends [g] i32 -> y [t, n], all bf16 but ends. A pair has w2 behind ends, and is
// sigmoid(product by w) * product by w2.
#pragma once

#include "CudaTestSupport.h"

namespace jinx::cuda::testing {

struct GroupedProblem {
  int64_t t, k, n, g;
  bool isPair = false;

  CudaKernel kernel() const {
    auto tensor = [](std::initializer_list<int64_t> sizes, const char *element) {
      std::string text = "tensor<";
      for (int64_t size : sizes) text += std::to_string(size) + "x";
      return text + element + ">";
    };
    const std::string x = tensor({t, k}, "bf16"), w = tensor({g, n, k}, "bf16"), ends = tensor({g}, "i32"), y = tensor({t, n}, "bf16");
    const std::string types = x + ", " + w + ", " + ends;
    if (isPair) {
      const std::string more = types + ", " + w, head = "func.func @f(%arg0: " + x + ", %arg1: " + w + ", %arg2: " + ends + ", %arg3: " + w + ") -> " + y + " {\n";
      auto product = [&](const char *name, const char *weights) { return "    " + std::string(name) + " = jinx.packed_grouped_matmul %x, " + weights + " by_rows, %e : " + types + " -> " + y + "\n"; };
      return scheduleForCuda(head + "  %0 = jinx.group \"grouped\"(%arg0, %arg1, %arg2, %arg3) : (" + more + ") -> " + y + " {\n  ^bb0(%x: " + x + ", %w: " + w + ", %e: " + ends + ", %w2: " + w + "):\n" +
                             product("%g", "%w") + product("%u", "%w2") + "    %s = jinx.sigmoid %g : " + y + " -> " + y + "\n    %y = jinx.mul %s, %u : " + y + ", " + y + " -> " + y +
                             "\n    jinx.yield %y : " + y + "\n  }\n  return %0 : " + y + "\n}")
          .kernel;
    }
    return scheduleForCuda("func.func @f(%arg0: " + x + ", %arg1: " + w + ", %arg2: " + ends + ") -> " + y + " {\n  %0 = jinx.group \"grouped\"(%arg0, %arg1, %arg2) : (" +
                           types + ") -> " + y + " {\n  ^bb0(%x: " + x + ", %w: " + w + ", %e: " + ends + "):\n    %y = jinx.packed_grouped_matmul %x, %w by_rows, %e : " +
                           types + " -> " + y + "\n    jinx.yield %y : " + y + "\n  }\n  return %0 : " + y + "\n}")
        .kernel;
  }
};

}  // namespace jinx::cuda::testing
