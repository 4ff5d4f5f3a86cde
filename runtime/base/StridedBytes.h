// Bytes that lie in rows at a stride, as a part of a matrix does in the file of the whole one.
//
// Worked example: of a matrix of 3 rows of 8 bytes, the columns of bytes 6 to 10, of which 8 and 9 are beyond the end:
//
//   StridedBytes part{.first = matrix + 6, .rows = 3, .rowBytes = 2, .stride = 8, .zeros = 2};
//   part.size()                     12: each row has 2 bytes of the matrix and 2 zeros
//   part.copy(5, four bytes)        byte 7 of row 1, two zeros, byte 6 of row 2
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace jinx {

struct StridedBytes {
  const std::byte* first = nullptr; ///< not read where `rowBytes` is 0
  uint64_t rows = 1;
  uint64_t rowBytes = 0; ///< that lie there
  uint64_t stride = 0;   ///< from row to row; says nothing of one row
  uint64_t zeros = 0;    ///< behind each row

  static StridedBytes of(std::span<const std::byte> bytes) { return {.first = bytes.data(), .rows = 1, .rowBytes = bytes.size(), .stride = 0, .zeros = 0}; }
  uint64_t size() const { return rows * (rowBytes + zeros); }
  /// All of it where it lies; empty where it lies in rows, or has zeros.
  std::span<const std::byte> whole() const {
    const bool isRun = zeros == 0 && (rows == 1 || stride == rowBytes);
    return isRun ? std::span(first, rows * rowBytes) : std::span<const std::byte>();
  }
  /// Bytes `from` to from + to.size() - 1 of what the rows are behind each other.
  void copy(uint64_t from, std::span<std::byte> to) const;
};

} // namespace jinx
