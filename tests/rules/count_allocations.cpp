// count_allocations PLAN CASE… [--threads N] [--isa LEVEL]: how often does running a plan ask for memory, once it is warm?
//
// A CASE is a list of inputs, NAME=FILE.npy separated by commas. Each is a call of its own through the C interface, with memory for every
// output whose shape the inputs decide. After each call has run three times, the counter (AllocationCounter.h) is on during three
// more runs of each, first the same call again and again, then the calls in turn; and during one run of each with a trace, whose times tell
// which step asked. Prints one JSON object.
//
// count_allocations --self-test: does the counter see every way to ask?
#include <execinfo.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "runtime/base/Npy.h"
#include "runtime/capi/Handles.h"
#include "runtime/executor/Program.h"
#include "tests/rules/AllocationCounter.h"

using namespace jinx;
using nlohmann::json;

namespace {

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::exit(2);
}

void check(jinx_status* status) {
  if (status) fail(jinx_status_message(status));
}

/// One call, with the arrays that it points to.
struct Case {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::vector<std::string> withoutRoom; ///< outputs that the C interface cannot be given memory for
  jinx_call* call = nullptr;
};

Tensor readInput(const std::string& text, const std::string& name) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    if (part.compare(0, name.size() + 1, name + "=") != 0) continue;
    auto tensor = readNpy(part.substr(name.size() + 1));
    if (!tensor) fail(tensor.status().message());
    return std::move(*tensor);
  }
  fail("no input " + name + " in " + text);
}

void makeCase(Case& c, jinx_session* session, const std::string& text) {
  const auto& state = *session->state;
  check(jinx_call_create(session, &c.call));
  for (size_t k = 0; k < state.inputs.size(); ++k) {
    c.inputs.push_back(readInput(text, state.inputs[k].name));
    const Tensor& t = c.inputs.back();
    check(jinx_call_set_input(c.call, k, static_cast<jinx_dtype>(t.dtype()), t.shape().data(), static_cast<int32_t>(t.shape().size()), t.data()));
  }
  check(jinx_call_run(c.call, nullptr));
  std::vector<Tensor> shown(state.outputs.size());
  for (size_t k = 0; k < state.outputs.size(); ++k) {
    const Tensor* t = tensorOrNull(c.call->outputs[k]);
    int64_t extents[64];
    int32_t rank = 0;
    jinx_status* known = jinx_call_output_shape(c.call, k, extents, 64, &rank);
    bool sized = !known && std::count(extents, extents + rank, -1) == 0; // otherwise the next run may show another
    jinx_status_destroy(known);
    if (t && t->dtype() != DType::kString && sized)
      shown[k] = Tensor::make(t->dtype(), t->shape());
    else
      c.withoutRoom.push_back(state.outputs[k].name);
  }
  for (size_t k = 0; k < shown.size(); ++k)
    if (shown[k].valid())
      check(jinx_call_set_output(c.call, k, static_cast<jinx_dtype>(shown[k].dtype()), shown[k].shape().data(),
                                 static_cast<int32_t>(shown[k].shape().size()), shown[k].data(), static_cast<size_t>(shown[k].sizeBytes())));
  c.outputs = std::move(shown);
}

/// What the trace of one run says about a moment: the innermost step that was running, or the next to start. Between the launches of a
/// branch it is the control step that runs.
struct Moment {
  int64_t step = -1; ///< -1: after the last one
  bool preparing = false;
};

Moment find(std::span<const TraceEvent> events, int64_t time) {
  const TraceEvent *running = nullptr, *following = nullptr;
  for (const TraceEvent& e : events) {
    if (e.startNs <= time && time <= e.endNs && (!running || e.startNs > running->startNs)) running = &e;
    if (e.startNs > time && (!following || e.startNs < following->startNs)) following = &e;
  }
  if (running) return {running->step, false};
  if (following) return {following->step, true};
  return {};
}

std::vector<std::string> stackOf(const rules::Allocation& a) {
  std::vector<std::string> lines = {std::string(a.function) + " " + std::to_string(a.sizeBytes)};
  char** names = backtrace_symbols(a.frames, a.numFrames);
  for (int i = 2; i < a.numFrames; ++i)
    lines.push_back(names[i]);
  std::free(names);
  return lines;
}

/// Where the step's allocation is forgiven, or "launch": nowhere.
std::string kindOf(const StepInfo& step, const Program& program) {
  const plan::Step& source = *step.source;
  if (source.has_host()) return "host";
  if (source.has_control()) return "control";
  if (source.has_copy())
    return program.values[step.inputs[0]].placed && program.values[step.outputs[0]].placed ? "copy" : "copy of sizes known while running";
  return step.staticLaunch >= 0 ? "launch" : "launch of sizes known while running";
}

json count(const std::string& path, std::span<const std::string> texts, int threads, const char* isa) {
  jinx_plan* plan = nullptr;
  jinx_session* session = nullptr;
  jinx_session_options options = {};
  options.struct_size = sizeof options;
  options.threads = threads;
  options.isa = isa;
  check(jinx_plan_open(path.c_str(), &plan));
  check(jinx_session_create(plan, &options, &session));
  auto file = PlanFile::open(path);
  if (!file) fail(file.status().message());
  auto program = Program::build(*file, HostOpTable::standard());
  if (!program) fail(program.status().message());
  const Program& p = **program;

  std::vector<Case> cases(texts.size());
  for (size_t i = 0; i < cases.size(); ++i)
    makeCase(cases[i], session, texts[i]);
  for (int turn = 0; turn < 3; ++turn)
    for (Case& c : cases)
      check(jinx_call_run(c.call, nullptr));

  json result = {{"kinds", json::object()}, {"steps", json::array()}, {"outputs_without_room", cases[0].withoutRoom}};
  std::map<std::string, int64_t> kinds;
  for (const StepInfo& step : p.steps)
    ++kinds[kindOf(step, p)];
  result["kinds"] = kinds;

  // The same sizes again, and sizes in turn. No case may come first: what a case does to the next must not be missed.
  std::vector<std::vector<std::string>> stacks;
  int64_t same = 0, inTurn = 0;
  auto add = [&](int64_t& sum) {
    sum += rules::stopCounting();
    for (const rules::Allocation& a : rules::counted())
      if (stacks.size() < 3) stacks.push_back(stackOf(a));
  };
  for (Case& c : cases) {
    check(jinx_call_run(c.call, nullptr));
    for (int turn = 0; turn < 3; ++turn) {
      rules::startCounting();
      jinx_status* status = jinx_call_run(c.call, nullptr);
      add(same);
      check(status);
    }
  }
  for (int turn = 0; turn < 3; ++turn) {
    for (Case& c : cases) {
      rules::startCounting();
      jinx_status* status = jinx_call_run(c.call, nullptr);
      add(inTurn);
      check(status);
    }
  }
  result["same"] = same;
  result["in_turn"] = inTurn;
  result["stacks"] = stacks;

  // Which step asked, of one run of each.
  std::map<std::pair<int64_t, bool>, std::pair<int64_t, int64_t>> perStep; // (step, preparing): (how often, bytes)
  int64_t after = 0, inLaunches = 0;
  std::vector<std::vector<std::string>> launchStacks;
  for (Case& c : cases) {
    jinx_trace* trace = nullptr;
    check(jinx_trace_create(session, 1 << 20, &trace));
    rules::startCounting();
    jinx_status* status = jinx_call_run(c.call, trace);
    int64_t total = rules::stopCounting();
    check(status);
    if (trace->trace.dropped()) fail("the trace is too short");
    auto events = trace->trace.events();
    if (total > static_cast<int64_t>(rules::counted().size())) result["not_written_down"] = total - static_cast<int64_t>(rules::counted().size());
    for (const rules::Allocation& a : rules::counted()) {
      Moment at = find(events, a.timeNs);
      if (at.step < 0) {
        ++after;
        continue;
      }
      auto& [times, bytes] = perStep[{at.step, at.preparing}];
      ++times;
      bytes += static_cast<int64_t>(a.sizeBytes);
      std::string kind = kindOf(p.steps[static_cast<size_t>(at.step)], p);
      bool first = at.preparing && at.step == p.steps.front().index; // inputs that only steps of other kinds read
      if ((kind == "launch" || kind == "copy") && !first) {
        ++inLaunches;
        if (launchStacks.size() < 3) launchStacks.push_back(stackOf(a));
      }
    }
    jinx_trace_destroy(trace);
  }
  for (const auto& [key, value] : perStep) {
    const StepInfo& step = p.steps[static_cast<size_t>(key.first)];
    std::string what = step.source->has_host() ? step.source->host().op() : "";
    result["steps"].push_back({{"name", step.name()}, {"kind", kindOf(step, p)}, {"op", what}, {"before", key.second},
                               {"allocations", value.first}, {"bytes", value.second}});
  }
  result["after_steps"] = after;
  result["in_launches"] = inLaunches;
  result["launch_stacks"] = launchStacks;
  for (Case& c : cases)
    jinx_call_destroy(c.call);
  jinx_session_destroy(session);
  jinx_plan_destroy(plan);
  return result;
}

int selfTest() {
  int bad = 0;
  auto expect = [&](const char* what, int64_t count, auto&& ask) {
    rules::startCounting();
    ask();
    int64_t got = rules::stopCounting();
    if (got == count) return;
    std::printf("%s is counted %lld times, expected %lld\n", what, static_cast<long long>(got), static_cast<long long>(count));
    ++bad;
  };
  void* volatile kept = nullptr;
  auto forget = [&] { std::free(kept); };
  expect("nothing", 0, [] {});
  expect("malloc", 1, [&] { kept = std::malloc(10); });
  expect("realloc", 1, [&] { kept = std::realloc(kept, 1 << 20); });
  expect("free", 0, forget);
  expect("calloc", 1, [&] { kept = std::calloc(3, 4); });
  forget();
  expect("aligned_alloc", 1, [&] { kept = std::aligned_alloc(64, 64); });
  forget();
  void* aligned = nullptr;
  expect("posix_memalign", 1, [&] { (void)!posix_memalign(&aligned, 64, 64); });
  std::free(aligned);
  int* volatile made = nullptr;
  expect("new", 1, [&] { made = new int(1); });
  delete made;
  struct alignas(128) Wide {
    char bytes[128];
  };
  Wide* volatile wide = nullptr;
  expect("aligned new", 1, [&] { wide = new Wide; });
  delete wide;
  expect("mmap", 1, [&] { kept = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); });
  munmap(kept, 4096);
  std::atomic<int> go{0};
  std::thread other([&] {
    while (go.load() != 1) {}
    void* volatile there = std::malloc(10);
    std::free(there);
    go = 2;
  });
  expect("another thread", 1, [&] {
    go = 1;
    while (go.load() != 2) {}
  });
  other.join();
  std::printf("%d failed\n", bad);
  return bad ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> rest;
  int threads = 1;
  const char* isa = nullptr;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--self-test") return selfTest();
    if (argument == "--threads" && i + 1 < argc)
      threads = std::atoi(argv[++i]);
    else if (argument == "--isa" && i + 1 < argc)
      isa = argv[++i];
    else
      rest.push_back(argument);
  }
  if (rest.size() < 2) fail("expected PLAN CASE… [--threads N] [--isa LEVEL]");
  std::cout << count(rest[0], std::span(rest).subspan(1), threads, isa).dump() << std::endl;
  return 0;
}
