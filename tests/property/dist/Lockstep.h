// Computes a function on all ranks of a mesh at once, operator by operator, with the reference implementations (passes/Graph/Evaluate.h).
//
// Every rank has a copy of the function in which symbols are numbers, its coordinates among them. One operator is computed on all ranks, then the next; a collective
// sees what all ranks have, so that a few naive lines say what it gives:
//
//   rank 0   %p = matmul …   [1 2]   %y = all_reduce sum %p   [4 6]
//   rank 1   %p = matmul …   [3 4]   %y = all_reduce sum %p   [4 6]
//
// What the types call the same on an axis is compared on the ranks of that axis, bit by bit, after every operator. Without a mesh there is one rank: the oracle.
#pragma once

#include <map>

#include "ir/Dist/Dist.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/base/Tensor.h"
#include "runtime/hostops/HostOp.h"

namespace jinx::test {

using Symbols = std::map<std::string, int64_t>;

/// Ranks and their coordinates.
class Mesh {
 public:
  Mesh() = default;
  explicit Mesh(dist::MeshOp mesh);
  size_t ranks() const;
  const std::vector<std::string>& axes() const { return axes_; }
  int64_t sizeOf(const std::string& axis) const;
  int64_t coordinate(size_t rank, const std::string& axis) const;
  /// A rank's place among those that differ from it in these axes only, and all of these in order.
  int64_t placeOf(size_t rank, const std::vector<std::string>& axes) const;
  std::vector<size_t> group(size_t rank, const std::vector<std::string>& axes) const;

 private:
  std::vector<std::string> axes_;
  std::vector<int64_t> sizes_;
};

/// What a rank has of a whole tensor whose placed type this is.
struct Part {
  Shape start, count; ///< of its elements in the whole; fewer than it has where it is filled up
  Shape own;          ///< the rank's shape
};
Part partOf(mlir::RankedTensorType placed, const Mesh& mesh, size_t rank, const Symbols& symbols);
/// The rank's part, filled up with `filling`.
Tensor cut(const Tensor& whole, const Part& part, double filling);
/// Whether a rank's tensor is this part of the whole, whatever it is filled up with.
bool isPart(const Tensor& own, const Tensor& whole, const Part& part);

/// Results of the function on each rank, `arguments` by rank; an error names the operator.
Expected<std::vector<std::vector<Tensor>>> computeInLockstep(mlir::func::FuncOp function, const Mesh& mesh, const Symbols& symbols,
                                                             const std::vector<std::vector<Tensor>>& arguments, const HostOpTable& table);

} // namespace jinx::test
