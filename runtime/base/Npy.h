// NumPy's .npy files: one array each.
//
// NumPy has no name for some of our types. They are written, and read, as:
//   bf16                     '<V2', as the ml_dtypes package does; a u2 file is read as bf16 when bf16 is asked for
//   8-bit floats             '|V1'; which of them must be told when reading
//   4- and 2-bit integers    one per byte, '|i1' or '|u1'; packed when such a type is asked for
//   f4e2m1                   one per byte, '|V1'
// Big-endian files are swapped, Fortran-ordered ones transposed: tensors are row-major.
#pragma once

#include <span>
#include <string>

#include "runtime/base/Tensor.h"

namespace jinx {

/// \param expected  the type the reader wants: says what void and raw bytes mean; kInvalid: as the file says. A file
///                  of another named type (f8 where f4 is expected) is read as it is, for the caller to judge.
/// \returns kInvalidArgument for a damaged file, structured or object arrays, strings.
Expected<Tensor> readNpy(const std::string& path, DType expected = DType::kInvalid);
/// The same from bytes; `what` names them in messages.
Expected<Tensor> parseNpy(std::span<const std::byte> bytes, DType expected, const std::string& what);

/// Writes beside `path`, then renames. kUnimplemented for strings.
Status writeNpy(const std::string& path, const Tensor& tensor);
/// The file's bytes.
Expected<std::string> formatNpy(const Tensor& tensor);

} // namespace jinx
