// Hostile ONNX models: imported, and taken through the passes.
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string>
#include <vector>

#include "frontends/onnx/OnnxImporter.h"
#include "tests/fuzz/FuzzTarget.h"
#include "tests/fuzz/ModelTarget.h"
#include "tests/fuzz/Mutator.h"

namespace jinx::fuzz {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

/// Every text of the model, so that changed ones refer to something; and texts that are likely to do harm.
void collectTexts(const google::protobuf::Message& message, std::vector<std::string>& texts) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    int size = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < size && texts.size() < 1000; ++i) {
      if (field->cpp_type() == field->CPPTYPE_MESSAGE)
        collectTexts(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i) : reflection->GetMessage(message, field), texts);
      else if (field->cpp_type() == field->CPPTYPE_STRING)
        texts.push_back(field->is_repeated() ? reflection->GetRepeatedString(message, field, i) : reflection->GetString(message, field));
    }
  }
}

std::vector<std::string> textsFor(const onnx::ModelProto& model) {
  std::vector<std::string> texts = {"", "n", "n*n", "n floordiv 0", "ai.onnx", "ai.onnx.ml", "com.microsoft", "../x", "location", "axis", "axes",
                                    "kernel_shape", "pads", "Add", "Reshape", "Identity", "If", "Loop", "Constant", "Gather", "Shape", "Conv"};
  collectTexts(model, texts);
  return texts;
}

} // namespace
} // namespace jinx::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jinx;
  if (size > fuzz::kMaxBytes) return 0;
  auto module = frontends::importOnnxBytes(fuzz::context(), std::as_bytes(std::span(data, size)));
  if (!module) return 0;
  fuzz::countAccepted();
  fuzz::optimize(**module);
  return 0;
}

/// Changes fields of the model three times of four, bytes otherwise.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  using namespace jinx;
  onnx::ModelProto model;
  if (seed % 4 == 0 || !model.ParseFromArray(data, static_cast<int>(size))) return LLVMFuzzerMutate(data, size, maxSize);
  std::vector<std::string> texts = fuzz::textsFor(model);
  test::Mutator mutator(seed / 4, texts);
  for (unsigned i = 0; i <= seed / 4 % 4; ++i)
    mutator.mutate(model);
  std::string changed = model.SerializePartialAsString();
  if (changed.size() > maxSize) return size;
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}
