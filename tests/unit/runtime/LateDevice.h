// A device whose streams run late, and beside each other in an order that a seed decides: work runs when somebody waits for it, and of all streams that may go on one is
// picked at random. What nobody waits for stays in its queue. So a wait that is missing between two streams shows, by some seed, in what is computed.
//
//   uploads  copy A   record 1         copy B …
//   stream            wait 1   launch            a launch runs behind its copy; whether copy B runs before it is open
#pragma once

#include <deque>
#include <functional>
#include <random>

#include "tests/unit/runtime/TestSession.h"

namespace jinx::test {

class LateDevice final : public Device {
 public:
  LateDevice(const DeviceOptions& options, uint64_t seed) : device_(options), random_(seed) {}

  std::string_view name() const override { return "late"; }
  std::string description() const override { return "test device"; }
  std::span<const std::string_view> capabilities() const override { return {}; }
  Expected<void*> allocate(size_t sizeBytes) override { return device_.allocate(sizeBytes); }
  void release(void* block, size_t sizeBytes) noexcept override { device_.release(block, sizeBytes); }
  Expected<std::unique_ptr<Stream>> createStream() override {
    auto stream = std::make_unique<LateStream>(*this);
    JINX_TRY_ASSIGN(stream->own, device_.createStream());
    streams_.push_back(stream.get());
    return std::unique_ptr<Stream>(std::move(stream));
  }
  Expected<std::unique_ptr<Event>> createEvent() override { return std::unique_ptr<Event>(new LateEvent); }
  Status copyToDevice(void* to, const void* from, size_t size, Stream& stream) override {
    return add(stream, [=, this](Stream& own) { return device_.copyToDevice(to, from, size, own); });
  }
  Status copyToHost(void* to, const void* from, size_t size, Stream& stream) override {
    return add(stream, [=, this](Stream& own) { return device_.copyToHost(to, from, size, own); });
  }
  Status copyOnDevice(void* to, const void* from, size_t size, Stream& stream) override {
    return add(stream, [=, this](Stream& own) { return device_.copyOnDevice(to, from, size, own); });
  }
  Status clear(void* block, size_t size, Stream& stream) override {
    return add(stream, [=, this](Stream& own) { return device_.clear(block, size, own); });
  }
  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) override { return device_.loadModule(plan); }
  Status prepare(const KernelLaunch& launch) override { return device_.prepare(launch); }
  Status launch(const KernelLaunch& launch, Stream& stream) override {
    // As a driver does, which has numbers and addresses when the call returns.
    return add(stream, [this, launch, buffers = std::vector<void*>(launch.buffers.begin(), launch.buffers.end()), sizes = std::vector<int64_t>(launch.sizes.begin(), launch.sizes.end())](Stream& own) {
      KernelLaunch later = launch;
      later.buffers = buffers;
      later.sizes = sizes;
      return device_.launch(later, own);
    });
  }

 private:
  struct LateStream;
  struct Point {
    LateStream* stream = nullptr;
    size_t index = 0; ///< work of the stream in front of it
    bool isReached() const { return !stream || stream->done >= index; }
  };
  struct Work {
    std::function<Status(Stream&)> run; ///< empty: waits for a point
    Point behind;
  };
  struct LateStream final : Stream {
    explicit LateStream(LateDevice& device) : device(device) {}
    ~LateStream() override {
      (void)synchronize();
      std::erase(device.streams_, this);
    }
    Status synchronize() override { return device.runUntil({this, done + queue.size()}); }
    LateDevice& device;
    std::unique_ptr<Stream> own;
    std::deque<Work> queue;
    size_t done = 0;
  };
  struct LateEvent final : Event {
    Status record(Stream& stream) override {
      auto& late = static_cast<LateStream&>(stream);
      point = {&late, late.done + late.queue.size()};
      return Status::ok();
    }
    Status synchronize() override { return point.stream ? point.stream->device.runUntil(point) : Status::ok(); }
    Expected<bool> isReached() override { return point.isReached(); }
    Status wait(Stream& stream) override {
      static_cast<LateStream&>(stream).queue.push_back({{}, point});
      return Status::ok();
    }
    Expected<double> millisecondsSince(Event&) override { return unimplemented("keeps no time"); }
    Point point;
  };

  Status add(Stream& stream, std::function<Status(Stream&)> run) {
    static_cast<LateStream&>(stream).queue.push_back({std::move(run), {}});
    return Status::ok();
  }

  Status runUntil(Point point) {
    while (!point.isReached()) {
      std::vector<LateStream*> ready;
      for (LateStream* stream : streams_)
        if (!stream->queue.empty() && stream->queue.front().behind.isReached()) ready.push_back(stream);
      if (ready.empty()) return internalError("streams wait for each other");
      LateStream& stream = *ready[random_() % ready.size()];
      const Work work = std::move(stream.queue.front());
      stream.queue.pop_front();
      if (work.run) JINX_TRY(work.run(*stream.own));
      ++stream.done;
    }
    return Status::ok();
  }

  SeparateDevice device_;
  std::mt19937_64 random_;
  std::vector<LateStream*> streams_;
};

} // namespace jinx::test
