// The C interface, function by function, on hand-built plans.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/jinx.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::test {
namespace {

template <auto destroy>
struct Destroy {
  template <typename T>
  void operator()(T* object) const {
    destroy(object);
  }
};
using Plan = std::unique_ptr<jinx_plan, Destroy<jinx_plan_destroy>>;
using SessionHandle = std::unique_ptr<jinx_session, Destroy<jinx_session_destroy>>;
using Call = std::unique_ptr<jinx_call, Destroy<jinx_call_destroy>>;
using TraceHandle = std::unique_ptr<jinx_trace, Destroy<jinx_trace_destroy>>;
using TensorHandle = std::unique_ptr<jinx_tensor, Destroy<jinx_tensor_destroy>>;

/// What a status said; it is destroyed.
struct Outcome {
  jinx_code code;
  std::string message;
};
Outcome outcome(jinx_status* status) {
  Outcome o{jinx_status_code(status), jinx_status_message(status)};
  jinx_status_destroy(status);
  return o;
}
#define EXPECT_GOOD(expr)                                                                                              \
  do {                                                                                                                 \
    Outcome o = outcome(expr);                                                                                         \
    EXPECT_EQ(o.code, JINX_OK) << o.message;                                                                           \
  } while (0)
#define EXPECT_BAD(expr, expectedCode, text)                                                                           \
  do {                                                                                                                 \
    Outcome o = outcome(expr);                                                                                         \
    EXPECT_EQ(o.code, expectedCode);                                                                                   \
    EXPECT_NE(o.message.find(text), std::string::npos) << o.message;                                                   \
  } while (0)

/// y[n, 3] = x[n, 3] + x[n, 3]; z[1, n] holds the n first numbers as text … of a constant when n is 2.
std::unique_ptr<TempPath> writePlan() {
  TestPlan t;
  t.p.set_model_name("doubled");
  (*t.p.mutable_metadata())["author"] = "someone";
  (*t.p.mutable_metadata())["about"] = "";
  t.symbol("n");
  uint32_t x = t.input("x", {"n", "3"}), y = t.output("y", {"n", "3"}), s = t.input("s", {"n"}, DType::kI64);
  uint32_t count = t.host("count", {"1"}, DType::kI64);
  t.p.add_outputs(count);
  t.hostCall("Add", {x, x}, {y});
  t.hostCall("Shape", {s}, {count});
  auto path = std::make_unique<TempPath>("capi.jxp");
  EXPECT_TRUE(t.writer.writeFile(path->str()).isOk());
  return path;
}

/// z = text + text, for texts of one dynamic extent.
std::unique_ptr<TempPath> writeTextPlan() {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}, DType::kString);
  uint32_t z = t.host("z", {"n"}, DType::kString);
  t.p.add_outputs(z);
  t.hostCall("StringConcat", {x, x}, {z}, 0, 20);
  auto path = std::make_unique<TempPath>("capi_text.jxp");
  EXPECT_TRUE(t.writer.writeFile(path->str()).isOk());
  return path;
}

/// An optional input that comes out as it is.
std::unique_ptr<TempPath> writeOptionalPlan() {
  TestPlan t;
  uint32_t x = t.input("x", {"2"});
  uint32_t z = t.any("z", plan::Value::SEQUENCE);
  t.p.add_outputs(z);
  t.hostCall("SequenceConstruct", {x}, {z}, 0, 11);
  auto path = std::make_unique<TempPath>("capi_sequence.jxp");
  EXPECT_TRUE(t.writer.writeFile(path->str()).isOk());
  return path;
}

Plan openPlan(const std::string& path) {
  jinx_plan* plan = nullptr;
  EXPECT_GOOD(jinx_plan_open(path.c_str(), &plan));
  return Plan(plan);
}
SessionHandle makeSession(const jinx_plan* plan, int threads = 1) {
  jinx_session_options options{sizeof options, nullptr, threads, 0, nullptr};
  jinx_session* session = nullptr;
  EXPECT_GOOD(jinx_session_create(plan, &options, &session));
  return SessionHandle(session);
}
Call makeCall(jinx_session* session) {
  jinx_call* call = nullptr;
  EXPECT_GOOD(jinx_call_create(session, &call));
  return Call(call);
}
SessionHandle sessionOf(const std::string& path) { return makeSession(openPlan(path).get()); }

class CApi : public testing::Test {
 protected:
  std::unique_ptr<TempPath> path = writePlan();
  Plan plan = openPlan(path->str());
  SessionHandle session = makeSession(plan.get());
  Call call = makeCall(session.get());
  std::vector<float> x = {1, 2, 3, 4, 5, 6};
  std::vector<int64_t> s = {7, 8};
  int64_t xShape[2] = {2, 3}, sShape[1] = {2};

  void setInputs() {
    EXPECT_GOOD(jinx_call_set_input(call.get(), 0, JINX_F32, xShape, 2, x.data()));
    EXPECT_GOOD(jinx_call_set_input(call.get(), 1, JINX_I64, sShape, 1, s.data()));
  }
  std::vector<float> firstOutput() {
    const jinx_tensor* y = nullptr;
    EXPECT_GOOD(jinx_call_output(call.get(), 0, &y));
    const float* data = static_cast<const float*>(jinx_tensor_data(y));
    return {data, data + jinx_tensor_num_elements(y)};
  }
};

TEST_F(CApi, PlanTellsAboutItself) {
  EXPECT_STREQ(jinx_plan_model_name(plan.get()), "doubled");
  EXPECT_STREQ(jinx_plan_producer(plan.get()), "test");
  EXPECT_STREQ(jinx_plan_target(plan.get()), "cpu");
  ASSERT_EQ(jinx_plan_num_metadata(plan.get()), 2u);
  EXPECT_STREQ(jinx_plan_metadata_key(plan.get(), 0), "about");
  EXPECT_STREQ(jinx_plan_metadata_key(plan.get(), 1), "author");
  EXPECT_EQ(jinx_plan_metadata_key(plan.get(), 2), nullptr);
  EXPECT_STREQ(jinx_plan_metadata(plan.get(), "author"), "someone");
  EXPECT_STREQ(jinx_plan_metadata(plan.get(), "about"), "");
  EXPECT_EQ(jinx_plan_metadata(plan.get(), "title"), nullptr);
}

TEST_F(CApi, PlanFromBytesRunsAndIsCopiedWhenUnaligned) {
  std::ifstream file(path->str(), std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::string shifted = "?" + bytes;
  jinx_plan* opened = nullptr;
  const char* unaligned = shifted.data() + (reinterpret_cast<uintptr_t>(shifted.data() + 1) % 64 != 0 ? 1 : 0);
  if (unaligned == shifted.data()) GTEST_SKIP() << "the string happens to be aligned";
  EXPECT_GOOD(jinx_plan_open_bytes(unaligned, bytes.size(), &opened));
  Plan owned(opened);
  shifted.assign(shifted.size(), 'x');
  EXPECT_STREQ(jinx_plan_model_name(opened), "doubled");
  EXPECT_NE(makeSession(opened), nullptr);
}

TEST(CApiErrors, OpeningWhatIsNoPlan) {
  jinx_plan* plan = nullptr;
  EXPECT_BAD(jinx_plan_open("/no/such/file.jxp", &plan), JINX_NOT_FOUND, "/no/such/file.jxp");
  EXPECT_BAD(jinx_plan_open_bytes("hello", 5, &plan), JINX_INVALID_ARGUMENT, "");
  EXPECT_BAD(jinx_plan_open(nullptr, &plan), JINX_INVALID_ARGUMENT, "\"path\" is NULL");
  EXPECT_BAD(jinx_plan_open("x", nullptr), JINX_INVALID_ARGUMENT, "\"plan\" is NULL");
  EXPECT_EQ(plan, nullptr);
}

TEST_F(CApi, PortsHaveNamesTypesAndSizes) {
  ASSERT_EQ(jinx_session_num_inputs(session.get()), 2u);
  ASSERT_EQ(jinx_session_num_outputs(session.get()), 2u);
  jinx_port port{};
  port.struct_size = sizeof port;
  EXPECT_GOOD(jinx_session_input(session.get(), 0, &port));
  EXPECT_STREQ(port.name, "x");
  EXPECT_EQ(port.kind, JINX_TENSOR);
  EXPECT_EQ(port.dtype, JINX_F32);
  ASSERT_EQ(port.rank, 2);
  EXPECT_EQ(port.dims[0], -1);
  EXPECT_EQ(port.dims[1], 3);
  EXPECT_STREQ(port.sizes[0], "n");
  EXPECT_STREQ(port.sizes[1], "3");
  EXPECT_GOOD(jinx_session_output(session.get(), 1, &port));
  EXPECT_STREQ(port.name, "count");
  EXPECT_EQ(port.dtype, JINX_I64);
  EXPECT_EQ(jinx_session_find_input(session.get(), "s"), 1);
  EXPECT_EQ(jinx_session_find_input(session.get(), "y"), -1);
  EXPECT_EQ(jinx_session_find_output(session.get(), "y"), 0);
  EXPECT_BAD(jinx_session_input(session.get(), 2, &port), JINX_INVALID_ARGUMENT, "no input 2: expected less than 2");
}

TEST_F(CApi, StructsAreFilledInAsFarAsTheCallerKnowsThem) {
  struct {
    jinx_port port;
    char after = 'a';
  } small{};
  small.port.struct_size = offsetof(jinx_port, dtype);
  small.port.rank = 77;
  EXPECT_GOOD(jinx_session_input(session.get(), 0, &small.port));
  EXPECT_STREQ(small.port.name, "x");
  EXPECT_EQ(small.port.rank, 77);
  EXPECT_EQ(small.port.struct_size, offsetof(jinx_port, dtype));
  small.port.struct_size = 0;
  EXPECT_BAD(jinx_session_input(session.get(), 0, &small.port), JINX_INVALID_ARGUMENT, "struct_size is 0");
}

TEST_F(CApi, SessionOptions) {
  jinx_session* made = nullptr;
  jinx_session_options options{sizeof options, "toaster", 1, 0, nullptr};
  EXPECT_BAD(jinx_session_create(plan.get(), &options, &made), JINX_NOT_FOUND, "toaster");
  options = {sizeof options, "cpu", -1, 0, nullptr};
  EXPECT_BAD(jinx_session_create(plan.get(), &options, &made), JINX_INVALID_ARGUMENT, "threads is -1");
  options = {sizeof options, "cpu", 2, 0, "z80"};
  EXPECT_BAD(jinx_session_create(plan.get(), &options, &made), JINX_INVALID_ARGUMENT, "z80");
  EXPECT_EQ(made, nullptr);
  EXPECT_GOOD(jinx_session_create(plan.get(), nullptr, &made));
  SessionHandle owned(made);
  SessionHandle two = makeSession(plan.get(), 2);
  EXPECT_NE(std::string(jinx_session_device(two.get())).find("2 threads"), std::string::npos);
  EXPECT_STREQ(jinx_session_isa(two.get()), "none");
}

TEST_F(CApi, RunsWithOwnedOutputs) {
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_EQ(firstOutput(), (std::vector<float>{2, 4, 6, 8, 10, 12}));
  const jinx_tensor* count = nullptr;
  EXPECT_GOOD(jinx_call_output(call.get(), 1, &count));
  EXPECT_EQ(jinx_tensor_dtype(count), JINX_I64);
  ASSERT_EQ(jinx_tensor_rank(count), 1);
  EXPECT_EQ(jinx_tensor_shape(count)[0], 1);
  EXPECT_EQ(jinx_tensor_size_bytes(count), 8u);
  EXPECT_EQ(*static_cast<const int64_t*>(jinx_tensor_data(count)), 2);
}

TEST_F(CApi, InputsAreReadWhereTheyLie) {
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  x = {0, 0, 0, 0, 0, 50};
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_EQ(firstOutput(), (std::vector<float>{0, 0, 0, 0, 0, 100}));
}

TEST_F(CApi, OtherSizesNeedNoNewCall) {
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  xShape[0] = sShape[0] = 1;
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_EQ(firstOutput(), (std::vector<float>{2, 4, 6}));
  jinx_statistics statistics{};
  statistics.struct_size = sizeof statistics;
  EXPECT_GOOD(jinx_session_statistics(session.get(), &statistics));
  EXPECT_EQ(statistics.bindings_made, 2);
}

TEST_F(CApi, RunsIntoTheCallersMemory) {
  setInputs();
  alignas(64) float y[6] = {};
  EXPECT_GOOD(jinx_call_set_output(call.get(), 0, JINX_F32, xShape, 2, y, sizeof y));
  for (int i = 0; i < 2; ++i) {
    EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
    EXPECT_EQ(y[5], 12);
    y[5] = 0;
  }
  const jinx_tensor* tensor = nullptr;
  EXPECT_GOOD(jinx_call_output(call.get(), 0, &tensor));
  EXPECT_EQ(jinx_tensor_data(tensor), y);
  EXPECT_GOOD(jinx_call_clear_output(call.get(), 0));
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_EQ(y[5], 0);
  EXPECT_EQ(firstOutput()[5], 12);
}

TEST_F(CApi, WrongOutputMemoryIsRefused) {
  alignas(64) float y[6] = {};
  EXPECT_BAD(jinx_call_set_output(call.get(), 0, JINX_F32, xShape, 2, y, 23), JINX_INVALID_ARGUMENT,
             "24 bytes, got 23");
  EXPECT_BAD(jinx_call_set_output(call.get(), 0, JINX_F32, xShape, 2, nullptr, 24), JINX_INVALID_ARGUMENT, "NULL");
  EXPECT_BAD(jinx_call_set_output(call.get(), 0, JINX_F32, xShape, 1, reinterpret_cast<char*>(y) + 1, 23),
             JINX_INVALID_ARGUMENT, "aligned to 4");
  setInputs();
  int64_t wrong[2] = {1, 3};
  EXPECT_GOOD(jinx_call_set_output(call.get(), 0, JINX_F32, wrong, 2, y, sizeof y));
  EXPECT_BAD(jinx_call_run(call.get(), nullptr), JINX_INVALID_ARGUMENT, "output \"y\"");
}

TEST_F(CApi, WrongInputsAreNamed) {
  jinx_call* c = call.get();
  EXPECT_BAD(jinx_call_run(c, nullptr), JINX_INVALID_ARGUMENT, "missing inputs: \"x\", \"s\"");
  EXPECT_BAD(jinx_call_set_input(c, 9, JINX_F32, xShape, 2, x.data()), JINX_INVALID_ARGUMENT, "no input 9");
  EXPECT_BAD(jinx_call_set_input(c, 0, static_cast<jinx_dtype>(99), xShape, 2, x.data()), JINX_INVALID_ARGUMENT,
             "input \"x\": dtype is 99");
  EXPECT_BAD(jinx_call_set_input(c, 0, JINX_STRING, xShape, 2, x.data()), JINX_INVALID_ARGUMENT, "set_input_strings");
  EXPECT_BAD(jinx_call_set_input(c, 0, JINX_F32, nullptr, 2, x.data()), JINX_INVALID_ARGUMENT, "\"shape\" is NULL");
  EXPECT_BAD(jinx_call_set_input(c, 0, JINX_F32, xShape, -1, x.data()), JINX_INVALID_ARGUMENT, "rank is -1");
  int64_t negative[2] = {-2, 3}, huge[3] = {int64_t{1} << 40, int64_t{1} << 40, 4};
  EXPECT_BAD(jinx_call_set_input(c, 0, JINX_F32, negative, 2, x.data()), JINX_INVALID_ARGUMENT, "negative");
  EXPECT_BAD(jinx_call_set_input(c, 0, JINX_F32, huge, 3, x.data()), JINX_INVALID_ARGUMENT, "more elements");
  setInputs();
  EXPECT_GOOD(jinx_call_set_input(c, 0, JINX_F64, xShape, 2, x.data()));
  EXPECT_BAD(jinx_call_run(c, nullptr), JINX_INVALID_ARGUMENT, "input \"x\": is f64[2x3], expected f32");
  setInputs();
  EXPECT_GOOD(jinx_call_clear_input(c, 1));
  EXPECT_BAD(jinx_call_run(c, nullptr), JINX_INVALID_ARGUMENT, "missing inputs: \"s\"");
}

TEST_F(CApi, OutputsOfAFailedRunAreNotGiven) {
  const jinx_tensor* y = nullptr;
  EXPECT_BAD(jinx_call_output(call.get(), 0, &y), JINX_INVALID_ARGUMENT, "has not run");
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_GOOD(jinx_call_clear_input(call.get(), 0));
  EXPECT_BAD(jinx_call_run(call.get(), nullptr), JINX_INVALID_ARGUMENT, "missing");
  EXPECT_BAD(jinx_call_output(call.get(), 0, &y), JINX_INVALID_ARGUMENT, "its last run failed");
  EXPECT_EQ(y, nullptr);
}

/// y[3*n] = x[n, 3].
std::unique_ptr<TempPath> writeCopyPlan() {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n", "3"}), y = t.output("y", {"3*n"});
  t.step(0, "flatten", {x}, {y}).mutable_copy();
  auto path = std::make_unique<TempPath>("capi_copy.jxp");
  EXPECT_TRUE(t.writer.writeFile(path->str()).isOk());
  return path;
}

TEST(CApiDevice, CallsAreEnqueuedBetweenDeviceMemory) {
  auto path = writeCopyPlan();
  Plan plan = openPlan(path->str());
  SessionHandle session = makeSession(plan.get());
  Call call = makeCall(session.get());
  jinx_call* c = call.get();
  alignas(64) float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {};
  const int64_t xShape[2] = {2, 3}, yShape[1] = {6};
  EXPECT_GOOD(jinx_call_set_device_input(c, 0, JINX_F32, xShape, 2, x));
  EXPECT_BAD(jinx_call_enqueue(c, nullptr), JINX_INVALID_ARGUMENT, "output \"y\" has no memory on the device");
  EXPECT_GOOD(jinx_call_set_device_output(c, 0, JINX_F32, yShape, 1, y, sizeof y));
  for (int i = 0; i < 3; ++i) {
    x[5] = static_cast<float>(i);
    EXPECT_GOOD(jinx_call_enqueue(c, nullptr));
    EXPECT_EQ(y[5], static_cast<float>(i));
  }
  EXPECT_BAD(jinx_call_enqueue(c, y), JINX_INVALID_ARGUMENT, "expected NULL");
  const jinx_tensor* output = nullptr;
  EXPECT_BAD(jinx_call_output(c, 0, &output), JINX_INVALID_ARGUMENT, "has not run");
  // Host and device memory are not mixed.
  EXPECT_BAD(jinx_call_run(c, nullptr), JINX_INVALID_ARGUMENT, "input \"x\" lies on the device");
  EXPECT_GOOD(jinx_call_set_input(c, 0, JINX_F32, xShape, 2, x));
  EXPECT_BAD(jinx_call_enqueue(c, nullptr), JINX_INVALID_ARGUMENT, "jinx_call_set_device_input");
  EXPECT_BAD(jinx_call_run(c, nullptr), JINX_INVALID_ARGUMENT, "output \"y\" lies on the device");
  EXPECT_GOOD(jinx_call_clear_output(c, 0));
  EXPECT_GOOD(jinx_call_run(c, nullptr));
  EXPECT_GOOD(jinx_call_output(c, 0, &output));
}

TEST(CApiDevice, WrongDeviceMemoryIsRefused) {
  auto path = writeCopyPlan();
  Plan plan = openPlan(path->str());
  SessionHandle session = makeSession(plan.get());
  Call call = makeCall(session.get());
  jinx_call* c = call.get();
  alignas(64) float x[32] = {};
  const int64_t xShape[2] = {2, 3}, yShape[1] = {6};
  EXPECT_BAD(jinx_call_set_device_input(c, 0, JINX_F32, xShape, 2, x + 1), JINX_INVALID_ARGUMENT, "input \"x\": the memory is not aligned to 64");
  EXPECT_BAD(jinx_call_set_device_input(c, 0, JINX_F32, xShape, 2, nullptr), JINX_INVALID_ARGUMENT, "NULL");
  EXPECT_BAD(jinx_call_set_device_input(c, 1, JINX_F32, xShape, 2, x), JINX_INVALID_ARGUMENT, "no input 1");
  EXPECT_BAD(jinx_call_set_device_output(c, 0, JINX_F32, yShape, 1, x, 23), JINX_INVALID_ARGUMENT, "24 bytes, got 23");
  EXPECT_BAD(jinx_call_set_device_output(c, 0, JINX_F32, yShape, 1, x + 1, 24), JINX_INVALID_ARGUMENT, "aligned to 64");
  EXPECT_BAD(jinx_call_set_device_output(c, 2, JINX_F32, yShape, 1, x, 24), JINX_INVALID_ARGUMENT, "no output 2");
  EXPECT_BAD(jinx_call_enqueue(nullptr, nullptr), JINX_INVALID_ARGUMENT, "\"call\" is NULL");
  EXPECT_GOOD(jinx_call_set_device_output(c, 0, JINX_F32, yShape, 1, x, sizeof x));
  EXPECT_BAD(jinx_call_enqueue(c, nullptr), JINX_INVALID_ARGUMENT, "missing inputs: \"x\"");
}

TEST_F(CApi, PlansWithHostStepsAreNotEnqueued) {
  alignas(64) float y[6] = {};
  EXPECT_GOOD(jinx_call_set_device_output(call.get(), 0, JINX_F32, xShape, 2, y, sizeof y));
  EXPECT_BAD(jinx_call_enqueue(call.get(), nullptr), JINX_UNIMPLEMENTED, "cannot be enqueued");
}

TEST_F(CApi, OutputShapesBeforeTheRun) {
  int64_t shape[4] = {};
  int32_t rank = 0;
  EXPECT_GOOD(jinx_call_output_shape(call.get(), 0, shape, 4, &rank));
  ASSERT_EQ(rank, 2);
  EXPECT_EQ(shape[0], -1);
  EXPECT_EQ(shape[1], 3);
  setInputs();
  EXPECT_GOOD(jinx_call_output_shape(call.get(), 0, shape, 4, &rank));
  EXPECT_EQ(shape[0], 2);
  EXPECT_BAD(jinx_call_output_shape(call.get(), 0, shape, 1, &rank), JINX_INVALID_ARGUMENT, "rank 2, got room for 1");
}

TEST_F(CApi, TakenOutputsOutliveEverything) {
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  jinx_tensor* taken = nullptr;
  EXPECT_GOOD(jinx_call_take_output(call.get(), 0, &taken));
  TensorHandle owned(taken);
  x.assign(6, 0.f);
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  plan.reset();
  session.reset();
  call.reset();
  EXPECT_EQ(static_cast<const float*>(jinx_tensor_data(taken))[5], 12);
}

TEST_F(CApi, ObjectsMayEndInAnyOrder) {
  plan.reset();
  session.reset();
  setInputs();
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  EXPECT_EQ(firstOutput()[0], 2);
}

TEST_F(CApi, TracesTellStepsAndTimes) {
  jinx_trace* made = nullptr;
  EXPECT_GOOD(jinx_trace_create(session.get(), 0, &made));
  TraceHandle trace(made);
  setInputs();
  for (int i = 0; i < 3; ++i)
    EXPECT_GOOD(jinx_call_run(call.get(), made));
  ASSERT_EQ(jinx_trace_num_timings(made), 2u);
  jinx_step_timing timing{};
  timing.struct_size = sizeof timing;
  EXPECT_GOOD(jinx_trace_timing(made, 0, &timing));
  EXPECT_STREQ(timing.kind, "host");
  EXPECT_STREQ(timing.kernel, "Add");
  EXPECT_EQ(timing.count, 3);
  EXPECT_GE(timing.total_ms, timing.max_ms);
  EXPECT_GE(timing.max_ms, timing.min_ms);
  EXPECT_BAD(jinx_trace_timing(made, 2, &timing), JINX_INVALID_ARGUMENT, "no step timing 2");
  TempPath file("trace.json");
  EXPECT_GOOD(jinx_trace_write(made, file.str().c_str()));
  std::ifstream stream(file.str());
  std::string json((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_NE(json.find("Add"), std::string::npos);
  EXPECT_EQ(jinx_trace_dropped(made), 0);
  jinx_trace_clear(made);
  EXPECT_EQ(jinx_trace_num_timings(made), 0u);

  SessionHandle other = makeSession(plan.get());
  Call otherCall = makeCall(other.get());
  EXPECT_BAD(jinx_call_run(otherCall.get(), made), JINX_INVALID_ARGUMENT, "another session");
}

TEST(CApiText, StringsGoInAndOut) {
  SessionHandle session = sessionOf(writeTextPlan()->str());
  Call call = makeCall(session.get());
  int64_t shape[1] = {2};
  const char *words[2] = {"ab", ""}, *broken[2] = {"ab", nullptr};
  EXPECT_BAD(jinx_call_set_input_strings(call.get(), 0, shape, 1, broken), JINX_INVALID_ARGUMENT, "string 1 is NULL");
  EXPECT_GOOD(jinx_call_set_input_strings(call.get(), 0, shape, 1, words));
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  const jinx_tensor* z = nullptr;
  EXPECT_GOOD(jinx_call_output(call.get(), 0, &z));
  size_t length = 99;
  EXPECT_STREQ(jinx_tensor_string(z, 0, &length), "abab");
  EXPECT_EQ(length, 4u);
  EXPECT_STREQ(jinx_tensor_string(z, 1, nullptr), "");
  EXPECT_EQ(jinx_tensor_string(z, 2, nullptr), nullptr);
  EXPECT_EQ(jinx_tensor_data(z), nullptr);
  EXPECT_EQ(jinx_tensor_size_bytes(z), 0u);
}

TEST(CApiSequence, IsRefusedByName) {
  SessionHandle session = sessionOf(writeOptionalPlan()->str());
  Call call = makeCall(session.get());
  int64_t shape[1] = {2};
  float x[2] = {1, 2};
  EXPECT_GOOD(jinx_call_set_input(call.get(), 0, JINX_F32, shape, 1, x));
  EXPECT_GOOD(jinx_call_run(call.get(), nullptr));
  const jinx_tensor* z = nullptr;
  EXPECT_BAD(jinx_call_output(call.get(), 0, &z), JINX_UNIMPLEMENTED, "output \"z\" is a sequence");
  int32_t rank = 0;
  EXPECT_BAD(jinx_call_output_shape(call.get(), 0, nullptr, 0, &rank), JINX_UNIMPLEMENTED, "no shape before the run");
}

TEST(CApiNull, IsHarmlessEverywhere) {
  jinx_status_destroy(nullptr);
  jinx_plan_destroy(nullptr);
  jinx_session_destroy(nullptr);
  jinx_call_destroy(nullptr);
  jinx_trace_destroy(nullptr);
  jinx_tensor_destroy(nullptr);
  jinx_trace_clear(nullptr);
  EXPECT_EQ(jinx_status_code(nullptr), JINX_OK);
  EXPECT_STREQ(jinx_status_message(nullptr), "");
  EXPECT_EQ(jinx_plan_model_name(nullptr), nullptr);
  EXPECT_EQ(jinx_plan_num_metadata(nullptr), 0u);
  EXPECT_EQ(jinx_session_num_inputs(nullptr), 0u);
  EXPECT_EQ(jinx_session_find_output(nullptr, "y"), -1);
  EXPECT_EQ(jinx_tensor_rank(nullptr), -1);
  EXPECT_EQ(jinx_tensor_dtype(nullptr), JINX_DTYPE_INVALID);
  EXPECT_EQ(jinx_trace_num_timings(nullptr), 0u);
  EXPECT_BAD(jinx_call_run(nullptr, nullptr), JINX_INVALID_ARGUMENT, "\"call\" is NULL");
  EXPECT_BAD(jinx_session_create(nullptr, nullptr, nullptr), JINX_INVALID_ARGUMENT, "\"plan\" is NULL");
}

TEST(CApiTypes, HaveNamesAndWidths) {
  EXPECT_STREQ(jinx_dtype_name(JINX_BF16), "bf16");
  EXPECT_STREQ(jinx_dtype_name(static_cast<jinx_dtype>(-3)), "?");
  EXPECT_EQ(jinx_dtype_bits(JINX_I4), 4);
  EXPECT_EQ(jinx_dtype_bits(JINX_STRING), 0);
  EXPECT_STRNE(jinx_version(), "");
}

} // namespace
} // namespace jinx::test
