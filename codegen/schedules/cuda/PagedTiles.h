// Attention to pages by tensor cores (sm_90a): tiles of neighbouring tokens of one sequence, keys in parts of a fixed
// size.
//
// Three kernels. The first one finds tiles and items (PagedItems.cpp), the second one computes items
// (PagedProducts.cpp) and writes tokens that are one item's, the third one joins what several items have of a token.
//
//   tokens    sequence 7, positions 100 to 130 | sequence 3, position 900 | sequence 9, position 40 …
//   tiles     up to `tokens` neighbours that follow each other, from a multiple of that on. Rows of a tile are the
//   heads of its tokens that share
//             keys, `padded` places to a token: row token * padded + head.
//   parts     partKeys keys from a multiple of that on. A part is a softmax of its own; parts are joined in their
//   order. items     a tile's parts one by one, each on a block of its own, or all of them on one block that joins them
//   in registers. Which of the two is
//             chosen for the step, by how many there are: the additions are the same, in the same order.
//
// So a row's additions depend on its position, and on nothing else in the step. Keys of a tile that a row does not see
// have a weight of 0: they change no bit.
#pragma once

#include <optional>

#include "codegen/schedules/PageLayout.h"
#include "codegen/schedules/cuda/IndexBuilder.h"

namespace jinx::schedules {

struct PagedTiles {
  static constexpr int64_t kRows = 64; ///< of a tile: a warpgroup's
  static constexpr int64_t kMostPlaces =
      2048; ///< tokens times parts that are items of their own: more are joined in registers
  static constexpr int64_t kItemNumbers = 8;
  static constexpr int64_t kQueryStages = 2; ///< the next item's queries and keys come while this one is computed
  static constexpr int64_t kFewTokens = 8; ///< a step of so many has a second kernel of its own (forFewTokens); 0: none
  static constexpr bool kWritesWhole = true; ///< the second kernel writes the results of tokens that are one item's

  /// Of a kernel for steps of few tokens. Their items do not fill the machine: one block a multiprocessor with rings as deep as it has memory, which
  /// looks up all pages of a part at once, and asks for its first item beside the number of items. The additions are the same.
  PagedTiles forFewTokens() const;
  /// None where tensor cores or the copy engine do not take the types, extents or target.
  static std::optional<PagedTiles> of(graph::PagedAttentionOp op);

  graph::PagedAttentionOp op;
  mlir::Type element;             ///< of q, keys, values and results
  int64_t depth = 0, heads = 0;   ///< of keys and values; of keys
  int64_t shared = 1, padded = 1; ///< heads of queries to one of keys; the next power of two
  int64_t partKeys = 512;
  int64_t steps = 0, stages = 0;       ///< keys of a step; slots of a ring
  int64_t blocks = 2;                  ///< of a multiprocessor
  bool isForFew = false;               ///< tokens: one block waits for what is far away, and asks for as much as it can hold
  bool isBehind = false;               ///< that kernel: its results are operands, whose memory is written
  SizeExpr tokens, entries, pages;

  int64_t tileTokens() const { return kRows / padded; }
  bool writesWhole() const { return kWritesWhole && padded == shared; }
  SizeExpr parts() const { return max(SizeExpr(1), ceilDiv(entries, partKeys / graph::kPageRows)); }
  /// Tokens times items of each, at most.
  SizeExpr places() const { return max(tokens, min(tokens * parts(), SizeExpr(kMostPlaces))); }

  /// What goes from the first kernel to the others:
  ///   items   i32 [places, 8]: first token, tokens, sequence, position of the first, first part, end of parts, place,
  ///   places of a row ranges  i32 [tokens, 2]: places of the tokens before, of this one count   i32 [1]: items
  llvm::SmallVector<mlir::Type> lists() const;
  /// And from the second to the third: out f32 [places * padded, heads, depth], logarithms to base 2 f32 [places *
  /// padded, heads]. Row r of an item lies at place + r * places of a row. With writesWhole also the result, where tokens
  /// that are one item's are written; the third kernel writes the others in its place.
  llvm::SmallVector<mlir::Type> results() const;
};

mlir::FailureOr<Scheduled> schedulePagedTiles(graph::GroupOp group, llvm::StringRef name, const PagedTiles& tiles,
                                              mlir::OpBuilder& builder);
/// The first kernel alone, and the second.
Scheduled schedulePagedItems(graph::GroupOp group, llvm::StringRef name, const PagedTiles& tiles,
                             mlir::OpBuilder& builder);
Scheduled schedulePagedProducts(graph::GroupOp group, llvm::StringRef name, const PagedTiles& tiles,
                                mlir::OpBuilder& builder);

} // namespace jinx::schedules
