// Tensors: reading what a call has put out.
#include "runtime/capi/Handles.h"

namespace {
bool holdsStrings(const jinx_tensor* tensor) { return tensor->tensor.dtype() == jinx::DType::kString; }
} // namespace

jinx_dtype jinx_tensor_dtype(const jinx_tensor* tensor) {
  return tensor ? static_cast<jinx_dtype>(tensor->tensor.dtype()) : JINX_DTYPE_INVALID;
}

int32_t jinx_tensor_rank(const jinx_tensor* tensor) {
  return tensor ? static_cast<int32_t>(tensor->tensor.rank()) : -1;
}

const int64_t* jinx_tensor_shape(const jinx_tensor* tensor) { return tensor ? tensor->tensor.shape().data() : nullptr; }

int64_t jinx_tensor_num_elements(const jinx_tensor* tensor) { return tensor ? tensor->tensor.size() : 0; }

size_t jinx_tensor_size_bytes(const jinx_tensor* tensor) {
  return tensor && !holdsStrings(tensor) ? static_cast<size_t>(tensor->tensor.sizeBytes()) : 0;
}

const void* jinx_tensor_data(const jinx_tensor* tensor) {
  return tensor && !holdsStrings(tensor) ? tensor->tensor.data() : nullptr;
}

const char* jinx_tensor_string(const jinx_tensor* tensor, int64_t index, size_t* size_bytes) {
  if (!tensor || !holdsStrings(tensor) || index < 0 || index >= tensor->tensor.size()) return nullptr;
  const std::string& text = tensor->tensor.getString(index);
  if (size_bytes) *size_bytes = text.size();
  return text.c_str();
}

void jinx_tensor_destroy(jinx_tensor* tensor) { delete tensor; }
