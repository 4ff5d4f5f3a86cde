// Which rows are a group's? What schedules of grouped products ask of `ends`, which is data.
//
//   ends [3, 3, 8], 10 rows     group 0: rows 0 … 2     group 1: none     group 2: 3 … 7     group 3: 8 and 9, whose results are 0
//
// A group begins where the one before it ends. The rows behind the last group are one group more, whose sums have no terms. Ends that fall, or
// lie outside, are taken as the nearest that is possible: whatever the buffer holds, every row belongs to one group.
#pragma once

#include "ir/Tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace jinx::schedules {

struct GroupedRows {
  mlir::Value ends;          ///< the buffer
  mlir::Value groups, rows;  ///< how many there are: index

  /// Whether `group` has products: it is none of the rows behind the last.
  mlir::Value multiplies(mlir::OpBuilder &b, mlir::Location loc, mlir::Value group) const {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::slt, group, groups);
  }
  /// Where the rows of `group`, 0 … groups, end. \param begin  where they begin
  mlir::Value end(mlir::OpBuilder &b, mlir::Location loc, mlir::Value group, mlir::Value begin) const {
    using namespace mlir;
    Type element = cast<tile::PtrType>(ends.getType()).getElement();
    Value one = arith::ConstantIndexOp::create(b, loc, 1), left = arith::SubIOp::create(b, loc, groups, group);
    Value load = tile::LoadOp::create(b, loc, VectorType::get({1}, element), ends, group, ValueRange{one}, ValueRange{left});
    Value given = arith::IndexCastOp::create(b, loc, b.getIndexType(), vector::ExtractOp::create(b, loc, load, ArrayRef<int64_t>{0}));
    Value end = arith::MinSIOp::create(b, loc, arith::MaxSIOp::create(b, loc, given, begin), rows);
    return arith::SelectOp::create(b, loc, multiplies(b, loc, group), end, rows);
  }
};

}  // namespace jinx::schedules
