// Does a call of a rank's plan with sizes seen before ask for no memory? What a communicator asks for is its own business: this one asks for nothing, and, to
// see that it would be told, for a byte with each call.
#include <cstdio>
#include <cstring>

#include "runtime/executor/Executor.h"
#include "tests/rules/AllocationCounter.h"

using namespace jinx;

namespace {

constexpr int kRanks = 2;

/// Every rank has what this one has: a sum is twice that.
class StillCommunicator final : public comm::Communicator {
 public:
  explicit StillCommunicator(bool allocates) : allocates_(allocates) {}
  int rank() const override { return 0; }
  int size() const override { return kRanks; }
  Expected<int> makeGroup(std::span<const int> ranks) override {
    ranks_.assign(ranks.begin(), ranks.end());
    return 1;
  }
  std::span<const int> members(int) const override { return ranks_; }
  Expected<comm::Ticket> start(const comm::Call& call, const void* in, void* out) override {
    if (allocates_) extra_ = std::make_unique<char>();
    const int64_t bytes = packedBytes(call.dtype, call.count);
    for (int copy = 0; copy < (call.op == comm::Op::kAllGather ? kRanks : 1); ++copy)
      std::memcpy(static_cast<std::byte*>(out) + copy * bytes, in, static_cast<size_t>(bytes));
    return comm::Ticket{0};
  }
  Status wait(comm::Ticket) override { return Status::ok(); }
  void abort(const Status&) override {}
  comm::Traffic traffic() const override { return {}; }
  std::string recentCalls() const override { return ""; }

 private:
  bool allocates_;
  std::unique_ptr<char> extra_;
  std::vector<int> ranks_;
};

/// y = the gathered sum of x, which starts before a copy and is waited for behind it.
std::shared_ptr<const PlanFile> makePlan() {
  PlanWriter writer;
  plan::Plan& p = writer.plan();
  p.set_producer("test");
  p.set_target("cpu");
  plan::MeshAxis& axis = *p.mutable_mesh()->add_axes();
  axis.set_name("tp");
  axis.set_size(kRanks);
  p.add_symbols()->set_name("n");
  auto value = [&](const char* name, plan::Value::Storage where, const char* size) {
    plan::Value& v = *p.add_values();
    v.set_name(name);
    v.set_dtype(static_cast<uint32_t>(DType::kF32));
    v.set_where(where);
    v.add_dims(size);
    return static_cast<uint32_t>(p.values_size() - 1);
  };
  const uint32_t x = value("x", plan::Value::INPUT, "n"), sum = value("sum", plan::Value::ARENA, "n"), other = value("other", plan::Value::ARENA, "n"),
                 y = value("y", plan::Value::OUTPUT, "2*n");
  p.add_inputs(x);
  p.add_outputs(y);
  plan::Block& block = *p.add_blocks();
  auto step = [&](const char* name, uint32_t in, uint32_t out) {
    plan::Step& s = *block.add_steps();
    s.set_name(name);
    s.add_inputs(in);
    s.add_outputs(out);
    return &s;
  };
  auto collective = [&](const char* name, plan::Collective::Op op, uint32_t in, uint32_t out) {
    plan::Collective& c = *step(name, in, out)->mutable_collective();
    c.set_op(op);
    c.add_axes(0);
    c.set_count("n");
    return &c;
  };
  collective("sum", plan::Collective::ALL_REDUCE, x, sum)->set_starts(true);
  step("copy", x, other)->mutable_copy();
  step("wait", x, sum)->mutable_wait()->set_start(0);
  collective("gather", plan::Collective::ALL_GATHER, sum, y);
  auto file = std::move(writer).toMemory();
  if (!file) std::fprintf(stderr, "%s\n", file.status().message().c_str());
  return file ? *file : nullptr;
}

/// Requests of a call with sizes seen before; -1 where it does not run.
int64_t requestsOf(bool allocates) {
  SessionOptions options;
  options.communicator = std::make_shared<StillCommunicator>(allocates);
  auto device = makeDevice("cpu", {.threads = 1});
  auto plan = makePlan();
  if (!device || !plan) return -1;
  auto session = Session::create(plan, std::move(*device), std::move(options));
  if (!session) return std::fprintf(stderr, "%s\n", session.status().message().c_str()), -1;
  std::vector<Value> inputs = {Tensor::make(DType::kF32, {3})}, outputs = {Tensor::make(DType::kF32, {6})};
  for (int i = 0; i < 2; ++i)
    if (Status status = (*session)->run(inputs, outputs); !status.isOk()) return std::fprintf(stderr, "%s\n", status.message().c_str()), -1;
  rules::startCounting();
  const Status status = (*session)->run(inputs, outputs);
  const int64_t requests = rules::stopCounting();
  return status.isOk() ? requests : -1;
}

} // namespace

int main() {
  const int64_t still = requestsOf(false), loud = requestsOf(true);
  const bool good = still == 0 && loud > 0;
  std::printf("a call of a rank's plan asks %lld times for memory, expected 0; with a communicator that asks, %lld, expected more\n%d passed, %d failed\n",
              static_cast<long long>(still), static_cast<long long>(loud), good, !good);
  return good ? 0 : 1;
}
