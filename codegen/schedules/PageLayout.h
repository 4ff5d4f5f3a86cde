// Where elements lie in a page (ir/Graph/Pages.h). Only the kernels that write pages and those that read them know.
//
// On the CPU the part of a page that a head has is one panel of a product (tile.dot), for keys and for values:
//
//   keys      [depth, 16]           q·kᵀ for 16 keys: element d of row r is at 16*d + r
//   values    [depth / 16, 16, 16]  p·v for 16 columns: element d of row r is at 256*(d / 16) + 16*r + d mod 16
//
// On CUDA it is rows: [16, depth].
#pragma once

#include "codegen/schedules/Expression.h"
#include "ir/Graph/Pages.h"

namespace jinx::schedules {

struct PageLayout {
  bool isRows;  ///< CUDA
  graph::PageKind kind;
  int64_t heads, depth;

  static PageLayout of(mlir::Value pool, graph::PageKind kind, bool cuda) {
    graph::Sizes sizes = graph::sizesOf(pool.getType());
    return {cuda, kind, *sizes[1].constant(), *sizes[3].constant()};
  }
  int64_t elementsOfHead() const { return graph::kPageRows * depth; }
  /// First element of a head's part of a page, of its row r, and between 16 columns and the next, and between neighbouring columns of those.
  mlir::Value head(KernelBuilder &kb, mlir::Value page, mlir::Value h) const {
    return kb.mul(kb.add(kb.mul(page, kb.constant(heads)), h), kb.constant(elementsOfHead()));
  }
  mlir::Value row(KernelBuilder &kb, mlir::Value r) const { return kb.mul(r, kb.constant(isRows ? depth : kind == graph::PageKind::keys ? 1 : graph::kPageColumns)); }
  int64_t strideOfColumns() const { return isRows ? graph::kPageColumns : graph::kPageColumns * graph::kPageRows; }
  int64_t strideOfColumn() const { return isRows || kind == graph::PageKind::values ? 1 : graph::kPageRows; }
};

}  // namespace jinx::schedules
