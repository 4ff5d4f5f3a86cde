// Hostile GGUF files: read, and every byte that they claim to have looked at.
#include "runtime/formats/Gguf.h"
#include "tests/fuzz/FuzzTarget.h"

namespace jinx::fuzz {
namespace {

volatile uint8_t sink; ///< so that no read is left out

void look(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (std::byte b : bytes)
    sum = static_cast<uint8_t>(sum + std::to_integer<uint8_t>(b));
  sink = sum;
}

void run(const GgufFile& file) {
  for (const GgufEntry& entry : file.entries()) {
    look(std::as_bytes(std::span(entry.name)));
    (void)file.integer(entry.name);
    (void)file.number(entry.name);
    (void)file.integers(entry.name);
    (void)file.floats(entry.name);
    if (auto text = file.text(entry.name)) look(std::as_bytes(std::span(*text)));
    if (auto texts = file.texts(entry.name))
      for (std::string_view text : *texts)
        look(std::as_bytes(std::span(text)));
  }
  for (const GgufTensor& tensor : file.tensors())
    look(tensor.bytes);
}

} // namespace
} // namespace jinx::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  auto file = GgufFile::parse(std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  fuzz::countAccepted();
  fuzz::run(*file);
  return 0;
}
