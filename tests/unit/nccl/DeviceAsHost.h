// A world whose calls go through a device, with buffers of the host: so the cases of every world
// (tests/unit/comm/Cases.h) judge those on devices, too.
//
//   start:  the operand is copied to the device, the call started behind it
//   wait:   the stream waits for the call, the result is copied back and the stream synchronized
//
// What the device refuses by kUnimplemented is counted (`refused`) and done by the world below.
#pragma once

#include <algorithm>
#include <map>
#include <memory>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Communicator.h"
#include "runtime/comm/DeviceCollectives.h"
#include "runtime/device/Device.h"

namespace jinx::comm::test {

class DeviceAsHost final : public Communicator {
 public:
  /// \pre `world.onDevice()`, on `device`
  static Expected<std::unique_ptr<DeviceAsHost>> create(std::shared_ptr<Communicator> world,
                                                        std::shared_ptr<Device> device) {
    std::unique_ptr<DeviceAsHost> made(new DeviceAsHost(std::move(world), std::move(device)));
    JINX_TRY_ASSIGN(made->stream_, made->device_->createStream());
    JINX_TRY(made->calls_.open(0));
    return made;
  }
  ~DeviceAsHost() override {
    for (auto& [ticket, flight] : flights_)
      release(flight);
  }

  int rank() const override { return world_->rank(); }
  int size() const override { return world_->size(); }
  Expected<int> makeGroup(std::span<const int> ranks) override {
    JINX_TRY_ASSIGN(const int group, world_->makeGroup(ranks));
    JINX_TRY(calls_.open(group));
    return group;
  }
  std::span<const int> members(int group) const override { return world_->members(group); }
  void abort(const Status& why) override { world_->abort(why); }
  Traffic traffic() const override { return world_->traffic(); }
  DeviceCollectives* onDevice() override { return &calls_; }
  int64_t refused() const { return refused_; }

  Expected<Ticket> start(const Call& call, const void* in, void* out) override {
    const auto members = world_->members(call.group);
    if (members.empty()) return world_->start(call, in, out); // which says what is wrong
    const int n = static_cast<int>(members.size()),
              place = static_cast<int>(std::ranges::find(members, rank()) - members.begin());
    JINX_TRY(checkCall(call, place, n, in, out));
    const Sizes sizes = sizesOf(call, place, n);
    Flight flight{.host = out,
                  .inBytes = static_cast<size_t>(packedBytes(call.dtype, sizes.in)),
                  .outBytes = static_cast<size_t>(packedBytes(call.dtype, sizes.out))};
    const bool inPlace = in && in == out;
    if (inPlace) flight.inBytes = std::max(flight.inBytes, flight.outBytes);
    JINX_TRY_ASSIGN(flight.in, device_->allocate(flight.inBytes + 1));
    flight.out = flight.in;
    if (!inPlace) {
      JINX_TRY_ASSIGN(flight.out, device_->allocate(flight.outBytes + 1));
    }
    if (in) JINX_TRY(device_->copyToDevice(flight.in, in, flight.inBytes, *stream_));
    auto started = calls_.start(call, in ? flight.in : nullptr, out ? flight.out : nullptr, *stream_);
    const Ticket ticket{next_++};
    if (!started && started.status().code() == Code::kUnimplemented) {
      ++refused_;
      auto below = world_->start(call, in, out);
      if (!below) return below;
      flight.below = true;
      started = below;
    }
    if (!started) {
      release(flight);
      return started.status();
    }
    flight.ticket = *started;
    flights_[ticket.id] = flight;
    return ticket;
  }

  Status wait(Ticket ticket) override {
    const auto found = flights_.find(ticket.id);
    if (found == flights_.end()) return world_->wait({-1}); // which says what is wrong
    Flight flight = found->second;
    flights_.erase(found);
    Status status = flight.below ? world_->wait(flight.ticket) : finish(flight);
    release(flight);
    return status;
  }

 private:
  struct Flight {
    void* host = nullptr;
    size_t inBytes = 0, outBytes = 0;
    void *in = nullptr, *out = nullptr;
    Ticket ticket;
    bool below = false;
  };
  DeviceAsHost(std::shared_ptr<Communicator> world, std::shared_ptr<Device> device)
      : world_(std::move(world)), calls_(*world_->onDevice()), device_(std::move(device)) {}

  Status finish(const Flight& flight) {
    JINX_TRY(calls_.wait(flight.ticket, *stream_));
    if (flight.host) JINX_TRY(device_->copyToHost(flight.host, flight.out, flight.outBytes, *stream_));
    JINX_TRY(stream_->synchronize());
    return calls_.status();
  }
  void release(const Flight& flight) {
    if (flight.out != flight.in && flight.out) device_->release(flight.out, flight.outBytes + 1);
    if (flight.in) device_->release(flight.in, flight.inBytes + 1);
  }

  std::shared_ptr<Communicator> world_;
  DeviceCollectives& calls_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::map<int64_t, Flight> flights_;
  int64_t next_ = 0, refused_ = 0;
};

} // namespace jinx::comm::test
