// Writes the plan that shared_test.c runs: y = x + x for x [n, 3].
#include <cstdio>

#include "tests/unit/runtime/TestPlan.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  jinx::test::TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n", "3"}), y = t.output("y", {"n", "3"});
  t.hostCall("Add", {x, x}, {y});
  jinx::Status status = t.writer.writeFile(argv[1]);
  if (!status.isOk()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.isOk() ? 0 : 1;
}
