#include "tools/common/CollectiveTimes.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "runtime/comm/Calls.h"
#include "runtime/comm/model/CollectiveCost.h"
#include "tools/common/CollectiveValues.h"
#include "tools/common/Statistics.h"

namespace jinx::tools {
namespace {

using comm::Call;
using comm::Op;
using comm::model::isInParts;
using comm::model::wholeBytes;
using Clock = std::chrono::steady_clock;

constexpr int64_t kRoundBytes = 64 << 10;
constexpr int kMostCalls = 16;
constexpr std::byte kUnwritten{0xa5}; // in every type a negative number, which none of what comes out is

/// One rank's buffers and what it does with them.
class Bench {
 public:
  Bench(comm::Communicator& comm, CollectivePlace& place, const CollectiveBenchOptions& options)
      : comm_(comm), place_(place), options_(options), sources_(static_cast<size_t>(comm.size())) {
    std::iota(sources_.begin(), sources_.end(), -1);
    sources_[0] = comm.size() - 1;
  }

  Status open() {
    int64_t most = 0;
    for (Op op : options_.ops)
      for (int64_t bytes : options_.bytes) {
        const comm::Sizes sizes = comm::sizesOf(callOf(op, bytes), comm_.rank(), comm_.size());
        most = std::max(most, packedBytes(options_.dtype, std::max(sizes.in, sizes.out)));
      }
    for (std::shared_ptr<std::byte>* buffer : {&in_, &out_}) {
      JINX_TRY_ASSIGN(*buffer, place_.allocate(most));
    }
    return Status::ok();
  }

  Expected<CollectiveTime> measure(Op op, int64_t bytes) {
    const Call call = callOf(op, bytes);
    const int64_t whole = wholeBytes(op, call.dtype, call.count, comm_.size());
    CollectiveTime time{.op = op, .count = call.count, .bytes = whole, .seconds = {}};
    time.calls = static_cast<int>(std::clamp<int64_t>(kRoundBytes / std::max<int64_t>(1, time.bytes), 1, kMostCalls));
    JINX_TRY(check(call), comm::identify(call));
    for (int round = 0; round < options_.warmUp + options_.rounds; ++round) {
      JINX_TRY(barrier());
      const Clock::time_point begin = Clock::now();
      JINX_TRY(place_.run(call, in_.get(), out_.get(), time.calls));
      const std::chrono::duration<double> took = Clock::now() - begin;
      if (round >= options_.warmUp) time.seconds.push_back(took.count() / time.calls);
    }
    JINX_TRY(takeSlowest(time.seconds));
    return time;
  }

 private:
  Call callOf(Op op, int64_t bytes) const {
    const int64_t elements = bytes * 8 / bitWidth(options_.dtype);
    Call call{.op = op, .dtype = options_.dtype, .name = "bench"};
    call.count = std::max<int64_t>(1, isInParts(op) ? elements / comm_.size() : elements);
    if (op == Op::kPermute) call.sources = sources_;
    return call;
  }

  Status check(const Call& call) {
    JINX_TRY_ASSIGN(const auto values,
                    CollectiveValues::of(call.op, call.dtype, call.count, comm_.rank(), comm_.size()));
    const std::vector<std::byte> in = values.input();
    const int64_t size = comm::sizesOf(call, comm_.rank(), comm_.size()).out;
    std::vector<std::byte> out(static_cast<size_t>(packedBytes(call.dtype, size)), kUnwritten);
    JINX_TRY(place_.write(in_.get(), in.data(), static_cast<int64_t>(in.size())));
    JINX_TRY(place_.write(out_.get(), out.data(), static_cast<int64_t>(out.size())));
    JINX_TRY(place_.run(call, in_.get(), out_.get(), 1));
    JINX_TRY(place_.read(out.data(), out_.get(), static_cast<int64_t>(out.size())));
    const auto wrong = values.difference(out);
    return wrong ? internalError("is wrong on rank " + std::to_string(comm_.rank()) + ": " + *wrong) : Status::ok();
  }

  /// Nobody leaves it before all have come. In the host's memory, as all that is said about times.
  Status barrier() {
    int32_t own = 1, all = 0;
    return comm_.run({.op = Op::kAllReduce, .dtype = DType::kI32, .count = 1, .name = "barrier"}, &own, &all);
  }

  Status takeSlowest(std::vector<double>& seconds) {
    const std::vector<double> own = seconds;
    const Call call{.op = Op::kAllReduce,
                    .reduction = comm::Reduction::kMax,
                    .dtype = DType::kF64,
                    .count = static_cast<int64_t>(own.size()),
                    .name = "times"};
    return comm_.run(call, own.data(), seconds.data());
  }

  comm::Communicator& comm_;
  CollectivePlace& place_;
  const CollectiveBenchOptions& options_;
  std::vector<int> sources_; ///< of permute
  std::shared_ptr<std::byte> in_, out_;
};

Expected<std::vector<CollectiveTime>> measureAll(comm::Communicator& comm, CollectivePlace& place,
                                                 const CollectiveBenchOptions& options,
                                                 const std::function<void(double)>& progress) {
  Bench bench(comm, place, options);
  JINX_TRY(bench.open());
  std::vector<CollectiveTime> times;
  const double all = static_cast<double>(options.ops.size() * options.bytes.size());
  for (Op op : options.ops)
    for (int64_t bytes : options.bytes) {
      JINX_TRY_ASSIGN(CollectiveTime time, bench.measure(op, bytes));
      times.push_back(std::move(time));
      if (progress) progress(static_cast<double>(times.size()) / all);
    }
  return times;
}

} // namespace

double CollectiveTime::median() const { return percentile(seconds, 50); }
double CollectiveTime::least() const { return *std::min_element(seconds.begin(), seconds.end()); }
double CollectiveTime::most() const { return *std::max_element(seconds.begin(), seconds.end()); }

double CollectiveTime::busBandwidth(int ranks) const {
  const double others = static_cast<double>(ranks - 1) / ranks;
  if (op == Op::kAllReduce) return 2 * others * algorithmBandwidth();
  return (isInParts(op) ? others : 1) * algorithmBandwidth();
}

Expected<std::vector<CollectiveTime>> measureCollectives(comm::Communicator& comm, CollectivePlace& place,
                                                         const CollectiveBenchOptions& options,
                                                         const std::function<void(double)>& progress) {
  auto times = measureAll(comm, place, options, progress);
  if (!times) comm.abort(times.status());
  return times;
}

} // namespace jinx::tools
