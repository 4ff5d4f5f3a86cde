// What a step that runs on a device needs of the host until it has run: memory for its inputs and for what it gives, and the point behind it.
#pragma once

#include <algorithm>
#include <memory>

#include "runtime/device/Device.h"

namespace jinx::llm {

/// Memory of the host that copies of a device use while the host goes on.
class HostMemory {
 public:
  HostMemory() = default;
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  ~HostMemory() {
    if (data_) device_->releaseHost(data_, sizeBytes_);
  }
  /// Room for so many bytes; what was in it is lost where it is too small, and it grows by half at least.
  Status reserve(const std::shared_ptr<Device>& device, size_t sizeBytes) {
    if (data_ && sizeBytes_ >= sizeBytes) return Status::ok();
    sizeBytes = std::max({sizeBytes, sizeBytes_ + sizeBytes_ / 2, size_t{1}});
    if (data_) device_->releaseHost(data_, sizeBytes_);
    data_ = nullptr;
    device_ = device;
    JINX_TRY_ASSIGN(data_, device->allocateHost(sizeBytes));
    sizeBytes_ = sizeBytes;
    return Status::ok();
  }
  void* data() const { return data_; }

 private:
  std::shared_ptr<Device> device_;
  void* data_ = nullptr;
  size_t sizeBytes_ = 0;
};

/// For one step at a time, again and again.
struct StepFlight {
  HostMemory inputs, results, row;
  std::unique_ptr<Event> done;
  size_t turn = 0;               ///< whose memory of the device it has
  size_t tokens = 0, logits = 0; ///< how many of each it gives
  size_t shown = 0;              ///< rows of logits that can be looked at
};

} // namespace jinx::llm
