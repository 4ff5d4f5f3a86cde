/* Is jinx.h C, and does libjinx.so work without the rest of Jinx? Runs the plan named on the command line, which
 * doubles `x` [n, 3]; prints what went wrong. */
#include <stdio.h>

#include "runtime/jinx.h"

static int failed(jinx_status* status, const char* what) {
  if (!status) return 0;
  fprintf(stderr, "%s: %s\n", what, jinx_status_message(status));
  jinx_status_destroy(status);
  return 1;
}

static int run(jinx_session* session) {
  jinx_call* call = NULL;
  const jinx_tensor* y = NULL;
  const float x[6] = {1, 2, 3, 4, 5, 6};
  const int64_t shape[2] = {2, 3};
  int wrong = 1;
  if (failed(jinx_call_create(session, &call), "call")) return 1;
  if (!failed(jinx_call_set_input(call, 0, JINX_F32, shape, 2, x), "input") &&
      !failed(jinx_call_run(call, NULL), "run") && !failed(jinx_call_output(call, 0, &y), "output")) {
    wrong = jinx_tensor_num_elements(y) != 6 || ((const float*)jinx_tensor_data(y))[5] != 12;
    if (wrong) fprintf(stderr, "the last element is wrong\n");
  }
  jinx_call_destroy(call);
  return wrong;
}

int main(int argc, char** argv) {
  jinx_plan* plan = NULL;
  jinx_session* session = NULL;
  jinx_session_options options = {sizeof options, "cpu", 1, 0, NULL};
  int wrong;
  if (argc != 2) return 2;
  if (failed(jinx_plan_open(argv[1], &plan), "open")) return 1;
  if (failed(jinx_session_create(plan, &options, &session), "session")) return 1;
  jinx_plan_destroy(plan);
  wrong = run(session);
  jinx_session_destroy(session);
  if (!wrong) puts("doubled");
  return wrong;
}
