# What does `./dev test` run, and how does it count?
#
# The whole suite on the dev preset; the runtime's unit tests as g++ builds it; then, under each sanitizer, the runtime's tests
# labelled `unit` (the property tests among them) and `numeric`, for which the dev build compiles the plans, but not those that end
# in Fast or InTime, whose limits are of other builds. Every ctest run leaves a JUnit file, from which the last line is counted; in
# front of it stand what took how long, and what failed, by name and with its output.

SANITIZERS=(asan tsan)

# count_of FILE ATTRIBUTE: an attribute of the JUnit file's testsuite element.
count_of() { tr '\n' ' ' <"$1" | sed -n "s/.*<testsuite [^>]*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p"; }

# run_ctest PRESET ARGUMENT…: the preset's tests, counted into passed, failed and skipped.
run_ctest() {
  local preset=$1 report=$JINX_ROOT/build/$1/ctest.xml all bad out library status=0
  shift
  rm -f "$report"
  # The pinned NVRTC of the Python environment, for the tests of CUDA text.
  for library in "$JINX_VENV"/lib/python3*/site-packages/nvidia/*/lib/libnvrtc.so.*; do
    if [[ -z ${JINX_NVRTC:-} && -f $library ]]; then export JINX_NVRTC=$library; fi
  done
  ctest --preset "$preset" --parallel "${JINX_JOBS:-$(nproc)}" --output-junit "$report" "$@" || status=1
  if [[ ! -f $report ]]; then
    failed=$((failed + 1))
    return 1
  fi
  all=$(count_of "$report" tests) bad=$(count_of "$report" failures)
  out=$(($(count_of "$report" skipped) + $(count_of "$report" disabled)))
  failed=$((failed + bad)) skipped=$((skipped + out)) passed=$((passed + all - bad - out))
  reports+=("$preset=$report")
  return "$status"
}

# run_step NAME COMMAND…: like `stage`, but a failure is counted and the rest goes on.
run_step() {
  local before=$failed start=$SECONDS result=0
  stage "$@" || result=1
  took+=("$1 $((SECONDS - start))")
  if ((result)); then
    status=1
    if ((failed == before)); then failed=$((failed + 1)); fi
    return 1
  fi
}

run_tests() {
  local quick=0 only=() unit=(-L unit -LE property) sanitized=(-L 'unit|numeric' -E '(Fast|InTime)$') passed=0 failed=0 skipped=0 reports=() took=() times status=0 preset
  if [[ ${1:-} == --quick ]]; then
    quick=1
    only=(-LE slow)
    shift
  fi
  if [[ -n ${1:-} ]]; then
    only+=(-R "$1")
    unit+=(--no-tests=ignore)
    sanitized+=(--no-tests=ignore)
  fi
  if ((!quick)); then
    if run_step "set up" ./dev setup --pages; then run_step "models" ./dev models || true; fi
  fi
  if ((status == 0)) && run_step "build dev" ./dev build dev; then
    run_step "test dev" run_ctest dev "${only[@]}" || true
    if ((!quick)) && run_step "build gcc" ./dev build gcc jinx-rt jinx_rt_shared jinx-unit-tests; then
      run_step "test gcc" run_ctest gcc "${unit[@]}" "${only[@]}" || true
    fi
    if ((!quick)) && [[ ${JINX_SKIP_SANITIZERS:-0} != 1 ]]; then
      for preset in "${SANITIZERS[@]}"; do
        run_step "build $preset" ./dev build "$preset" jinx-sanitized-tests || continue
        run_step "test $preset" run_ctest "$preset" "${sanitized[@]}" "${only[@]}" || true
      done
    fi
  fi
  if ((passed + failed == 0)); then
    say "no test ran"
    status=1
  fi
  # Whether anything failed is counted already; what cannot be shown must not hide the counts.
  if ((${#reports[@]})); then "$JINX_PYTHON" tools/dev/summary.py "${reports[@]}" || true; fi
  printf -v times '%s, ' "${took[@]}"
  say "seconds: ${times%, }"
  if ((skipped)); then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  if ((failed)); then status=1; fi
  return "$status"
}
