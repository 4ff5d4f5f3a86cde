#include "runtime/plan/Pieces.h"

#include <algorithm>

namespace jinx {
namespace {

uint64_t rowsOf(const plan::ConstantPiece& piece) { return std::max<uint64_t>(1, piece.rows()); }
uint64_t rowBytesOf(const plan::ConstantPiece& piece) { return piece.size() / rowsOf(piece) - piece.zeros(); }

} // namespace

uint64_t reachOf(const plan::ConstantPiece& piece) {
  const uint64_t row = rowBytesOf(piece);
  return row == 0 ? 0 : (rowsOf(piece) - 1) * piece.stride() + row;
}

Status checkPiece(const plan::ConstantPiece& piece, uint64_t elementBytes) {
  const uint64_t rows = rowsOf(piece);
  const auto text = [](uint64_t n) { return std::to_string(n); };
  if (piece.size() % rows != 0)
    return invalidArgument("piece of " + text(piece.size()) + " bytes is no " + text(rows) +
                           " rows of as many bytes each");
  if (piece.zeros() > piece.size() / rows)
    return invalidArgument("piece has rows of " + text(piece.size() / rows) + " bytes, of which " +
                           text(piece.zeros()) + " are zeros");
  const uint64_t row = rowBytesOf(piece);
  if (rows == 1) return Status::ok();
  if (row > piece.stride())
    return invalidArgument("piece has rows of " + text(row) + " bytes, " + text(piece.stride()) + " apart");
  uint64_t reach = 0;
  if (__builtin_mul_overflow(rows - 1, piece.stride(), &reach) || __builtin_add_overflow(reach, row, &reach))
    return invalidArgument("piece reaches beyond 2^64 bytes");
  if (row % elementBytes != 0 || piece.stride() % elementBytes != 0)
    return invalidArgument("piece has rows at an unaligned offset");
  return Status::ok();
}

StridedBytes stridedBytes(const plan::ConstantPiece& piece, std::span<const std::byte> bytes) {
  return {.first = bytes.data(),
          .rows = rowsOf(piece),
          .rowBytes = rowBytesOf(piece),
          .stride = piece.stride(),
          .zeros = piece.zeros()};
}

bool hasRows(const plan::Plan& plan) {
  return plan.external_above() || std::ranges::any_of(plan.values(), [](const plan::Value& value) {
           return std::ranges::any_of(value.constant().pieces(), [](const plan::ConstantPiece& piece) {
             return piece.rows() > 1 || piece.zeros() > 0;
           });
         });
}

} // namespace jinx
