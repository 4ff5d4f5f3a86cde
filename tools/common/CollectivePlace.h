// Where the buffers of collectives lie, and who carries calls out there: the host's memory and a communicator, or a
// device's and the calls that a communicator has on it.
//
//   JINX_TRY_ASSIGN(auto place, placeOf(comm, device));         // device null: the host's
//   JINX_TRY_ASSIGN(auto in, place->allocate(4096), "buffers");
//   JINX_TRY(place->write(in.get(), values.data(), 4096), "buffers");
//   JINX_TRY(place->run(call, in.get(), out.get(), 16));        // 16 calls, one behind the other
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/comm/Communicator.h"
#include "runtime/device/Device.h"

namespace jinx::tools {

class CollectivePlace {
 public:
  virtual ~CollectivePlace() = default;
  /// Freed with the last owner. kResource where there is not so much.
  virtual Expected<std::shared_ptr<std::byte>> allocate(int64_t bytes) = 0;
  /// Both end when the bytes are there.
  virtual Status write(std::byte* to, const void* from, int64_t bytes) = 0;
  virtual Status read(void* to, const std::byte* from, int64_t bytes) = 0;
  /// The same call, so many times. Ends when the last has.
  virtual Status run(const comm::Call& call, const std::byte* in, std::byte* out, int times) = 0;
};

/// The place outlives its buffers and not the communicator.
/// \param device  whose memory the communicator's calls on devices move; null: the host's
Expected<std::unique_ptr<CollectivePlace>> placeOf(comm::Communicator& comm, std::shared_ptr<Device> device);

} // namespace jinx::tools
