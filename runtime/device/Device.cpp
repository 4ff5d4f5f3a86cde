#include "runtime/device/Device.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "runtime/device/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"

namespace jinx {

bool Device::has(std::string_view tag) const {
  auto tags = capabilities();
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

Expected<std::unique_ptr<Stream>> Device::wrapStream(void* native) {
  if (native) return invalidArgument(std::string(name()) + " has no streams of a driver: expected NULL");
  return createStream();
}

Expected<void*> Device::allocateHost(size_t sizeBytes) {
  void* block = std::malloc(std::max<size_t>(sizeBytes, 1));
  if (!block) return resourceError("allocating " + std::to_string(sizeBytes) + " bytes of the host for " + std::string(name()));
  return block;
}
void Device::releaseHost(void* block, size_t) noexcept { std::free(block); }

Status Device::beginCapture(Stream&) { return unimplemented(std::string(name()) + " records no launches"); }
Expected<std::unique_ptr<LaunchGraph>> Device::endCapture(Stream&) { return unimplemented(std::string(name()) + " records no launches"); }
Status Device::replay(const LaunchGraph&, Stream&) { return unimplemented(std::string(name()) + " records no launches"); }

static Status noPeers(const Device& device) { return unimplemented(std::string(device.name()) + " has no memory that other devices reach"); }
Expected<std::unique_ptr<PeerMemory>> Device::allocatePeerMemory(size_t) { return noPeers(*this); }
Expected<PeerMemoryName> Device::nameOf(const PeerMemory&) { return noPeers(*this); }
Expected<std::unique_ptr<PeerMemory>> Device::openPeerMemory(const PeerMemoryName&) { return noPeers(*this); }

DeviceRegistry DeviceRegistry::standard() {
  DeviceRegistry registry;
  registry.add("cpu", makeCpuDevice);
  registry.add("cuda", cuda::makeCudaDevice);
  return registry;
}

Expected<std::unique_ptr<Device>> DeviceRegistry::make(const std::string& name, DeviceOptions options) const {
  std::string base = name.substr(0, name.find(':'));
  auto it = factories_.find(base);
  if (it == factories_.end()) {
    std::string known;
    for (const auto& [key, factory] : factories_)
      known += (known.empty() ? "" : ", ") + key;
    return notFound("unknown device \"" + name + "\", known: " + known);
  }
  if (base.size() < name.size()) {
    const char *begin = name.data() + base.size() + 1, *end = name.data() + name.size();
    auto [stop, error] = std::from_chars(begin, end, options.ordinal);
    if (error != std::errc() || stop != end || options.ordinal < 0)
      return invalidArgument("device \"" + name + "\": expected a number after ':'");
  }
  return it->second(options);
}

Expected<std::unique_ptr<Device>> makeDevice(const std::string& name, const DeviceOptions& options) {
  return DeviceRegistry::standard().make(name, options);
}

} // namespace jinx
