// Whole tensors, and the parts of them that ranks have.
//
// A dimension of s elements that n ranks split lies in n parts of ceildiv(s, n) elements, in the order of their places; the last parts are
// filled up with zeros, or are nothing else.
//
//   7 rows by tp = 4        rank 0: rows 0, 1    rank 1: rows 2, 3    rank 2: rows 4, 5    rank 3: row 6, and one of zeros
//
//   WholePorts ports(plan);                                                  // of any rank: all have the same
//   ports.inputs()                                                           what a caller gives: whole sizes
//   JINX_TRY_ASSIGN(auto own, ports.cut(inputs, rank));                      // one value for each input of the rank's plan
//   …                                                                        // session.run(own, parts)
//   JINX_TRY_ASSIGN(auto whole, ports.join(partsOfAllRanks, inputs));        // equal copies must be equal bits
//
// What no rank has a part of goes in and out as it is. Only tensors of numbers are split.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/Tensor.h"
#include "runtime/executor/Executor.h"
#include "runtime/plan/Mesh.h"

namespace jinx {

/// The rank's part of `whole`.
Expected<Tensor> cutPart(const Tensor& whole, const plan::Whole& of, const plan::Mesh& mesh, int64_t rank);
/// Puts the rank's part where it lies in `whole`; what is filled up is left out.
Status placePart(const Tensor& part, const plan::Whole& of, const plan::Mesh& mesh, int64_t rank, Tensor& whole);

class WholePorts {
 public:
  /// The plan outlives this.
  explicit WholePorts(const plan::Plan& plan);

  /// Inputs and outputs with the sizes of wholes; inputs that are there for a size only are left out.
  std::span<const Port> inputs() const { return inputs_; }
  std::span<const Port> outputs() const { return outputs_; }

  /// kInvalidArgument where another rank's plan has other inputs, outputs or parts of them than this one.
  Status expectSame(const plan::Plan& other) const;

  /// The values of `rank` for its plan's inputs, in order, of `wholes` in the order of `inputs()`. kInvalidArgument for a value that does not have the sizes.
  Expected<std::vector<Value>> cut(std::span<const Value> wholes, int64_t rank) const;

  /// Outputs of all ranks, rank by rank, as whole ones. kInternal, naming output and rank, where two ranks should have the same and do not.
  Expected<std::vector<Value>> join(std::span<const std::vector<Value>> parts, std::span<const Value> wholeInputs) const;

 private:
  using Symbols = std::map<std::string, int64_t, std::less<>>;
  Symbols symbolsOf(std::span<const Value> wholes) const;
  Expected<Value> joinOutput(const plan::Value& port, size_t k, std::span<const std::vector<Value>> parts, const Symbols& symbols) const;

  const plan::Plan& plan_;
  std::vector<Port> inputs_, outputs_;
};

} // namespace jinx
