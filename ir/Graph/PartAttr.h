// Constants that are a part of another one, or several on each other: which bytes they have, and how they are cut.
//
// A rank of a sharded model has a slice of each weight. Where the weight is large, the slice is no copy but `#jinx.part`, a box of the whole one's elements; a plan whose weights stay in
// their file says where the box lies there.
//
//   constant w  tensor<256x512xbf16>            slice, folded                                     bytes of w
//   rows 128 to 255                             #jinx.part<w, [128, 0]> : tensor<128x512xbf16>    one run: 131072 from 131072 on
//   columns 256 to 511                          #jinx.part<w, [0, 256]> : tensor<256x256xbf16>    256 rows of 512, 1024 apart
//   columns 384 to 639, filled up with zeros    #jinx.part<w, [0, 384]> : tensor<256x256xbf16>    256 rows of 256, each with 256 zeros behind it
//
// The experts of a mixture are one constant, and a file may have them one by one. They are stacked without a copy, and a rank has a part of the stack:
//
//   #jinx.stack<[e0, e1, e2, e3]> : tensor<4x512x256xbf16>                                        four runs of 262144
//   experts 2 and 3, their first 128 rows   #jinx.part<#jinx.stack<…>, [2, 0, 0]> : tensor<2x128x256xbf16>   the first 65536 of e2 and of e3
//
// What reads a constant reads this one: `tensorOf` of Constants.h copies, where the elements are no run.
#pragma once

#include "ir/Graph/Graph.h"
#include "runtime/base/StridedBytes.h"
#include "runtime/base/Tensor.h"

#define GET_ATTRDEF_CLASSES
#include "ir/Graph/GraphParts.h.inc"

namespace jinx::graph {

/// The box of `elements`' elements that begins at `starts`, of `type`'s shape; zeros beyond their end. Null where it is no part of a large constant of whole bytes, or small itself:
/// it is to be computed then. \param elements  a resource, a stack, or a part of one of them
PartAttr partOf(mlir::ElementsAttr elements, llvm::ArrayRef<int64_t> starts, mlir::RankedTensorType type);

/// The constants on each other, of one type; null where one of them is no resource (it is small).
StackAttr stackOf(llvm::ArrayRef<mlir::ElementsAttr> entries);

/// Of a part or a stack the elements' bytes, behind each other. None for other attributes, and where a resource has fewer bytes than its type needs.
llvm::SmallVector<StridedBytes> piecesOf(mlir::ElementsAttr elements);

}  // namespace jinx::graph
