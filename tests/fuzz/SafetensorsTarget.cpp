// Hostile safetensors files: read, and every byte that they claim to have looked at. Changes are made in the header, whose length is then right again.
#include "runtime/formats/Safetensors.h"

#include <cstring>

#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/JsonMutator.h"

namespace jinx::fuzz {
namespace {

constexpr std::string_view kTexts[] = {"a", "b", "", "dtype", "shape", "data_offsets", "__metadata__", "F32", "BF16", "U8", "F4", "BOOL", "F8_E4M3", "I64", "Q4"};
constexpr std::string_view kNumbers[] = {"0", "1", "2", "4", "8", "12", "16", "24", "28", "-1", "1e3", "4294967296", "9223372036854775807", "18446744073709551615", "18446744073709551616", "[]", "{}", "null"};

volatile uint8_t sink; ///< so that no read is left out

void run(const SafetensorsFile& file) {
  uint8_t sum = 0;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    for (std::byte b : tensor.bytes)
      sum = static_cast<uint8_t>(sum + std::to_integer<uint8_t>(b));
    if (file.findTensor(tensor.name) != &tensor) __builtin_trap();
    if (tensor.bytes.size() != static_cast<size_t>(packedBytes(tensor.dtype, numElements(tensor.shape)))) __builtin_trap();
  }
  sink = sum;
}

} // namespace
} // namespace jinx::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 rng(seed);
  uint64_t length = 0;
  if (size >= sizeof length) std::memcpy(&length, data, sizeof length);
  if (size < sizeof length || length > size - sizeof length || rng() % 8 == 0) return LLVMFuzzerMutate(data, size, maxSize);
  // The header is changed alone, with the data moved out of its way.
  std::vector<uint8_t> header(data + sizeof length, data + sizeof length + length), rest(data + sizeof length + length, data + size);
  header.resize(maxSize);
  uint64_t changed = jinx::fuzz::changeJson(header.data(), length, maxSize, rng, jinx::fuzz::kTexts, jinx::fuzz::kNumbers);
  if (sizeof changed + changed + rest.size() > maxSize) return size;
  std::memcpy(data, &changed, sizeof changed);
  std::memcpy(data + sizeof changed, header.data(), changed);
  if (!rest.empty()) std::memcpy(data + sizeof changed + changed, rest.data(), rest.size());
  return sizeof changed + changed + rest.size();
}

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  auto file = SafetensorsFile::parse(std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  fuzz::countAccepted();
  fuzz::run(*file);
  return 0;
}
