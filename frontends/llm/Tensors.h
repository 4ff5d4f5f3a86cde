// Tensors of a model by the roles that they have in it, and how the values of a role lie in its file.
//
// Roles are called as GGUF calls them, "blk.3.attn_q.weight". A format says for each role which tensors of the file have its elements (`Place`):
// most often one as it is, else rows of one, its transpose, or several behind each other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontends/llm/Model.h"
#include "ir/Graph/Graph.h"
#include "runtime/base/BlockFormat.h"
#include "runtime/base/Tensor.h"

namespace jinx::frontends::llm {

using mlir::Value;

/// A tensor of a file; the shape is outermost first.
struct FileTensor {
  Shape shape;
  std::string typeName;                ///< as the file calls it: "BF16", "Q4_K"
  DType dtype = DType::kInvalid;       ///< of plain numbers
  const BlockFormat* blocks = nullptr; ///< of codes
  std::span<const std::byte> bytes;
};
using FileTensors = std::map<std::string, FileTensor>;

/// Where the elements of a role are. Without any of the fields below the first, the tensor has the role's shape and elements.
struct Place {
  std::vector<std::string> tensors; ///< one, or with `isStacked` one for each element of the role's first dimension
  bool isStacked = false;
  bool isTransposed = false;        ///< the file has [k, n]
  int64_t firstRow = 0, rows = 0;   ///< rows: of the file's tensor, of which the role is a part; 0: all
  int64_t neighborsOfHead = 0;      ///< depth of a head whose elements 2i and 2i + 1 are to be i and i + depth / 2; 0: as they are
  double offset = 0;                ///< added to each element
  Shape shape;                      ///< of the file's tensor, where it is another of so many elements
};

/// The shape of a file's tensor that has a role of that shape, or a part of it.
Shape shapeInFile(const Shape& role, const Place& place);

struct Wanted {
  Shape shape;
  bool isOptional = false;
};
using WantedTensors = std::map<std::string, Wanted>;

/// The roles of a step's tensors (Step.h).
WantedTensors wantedTensors(const ModelShape& shape);

/// Constants share the file's memory where their elements lie in it as they are wanted, be it one by one (stacked ones).
class Tensors {
public:
  /// \param owner    keeps the bytes of `files` alive; constants keep it
  /// \param wanted   the roles, and their shapes
  /// \param placeOf  where the elements of a role are; may name a tensor that the file has not
  Tensors(FileTensors files, std::shared_ptr<void> owner, WantedTensors wanted, std::function<Place(const std::string& role)> placeOf)
      : files_(std::move(files)), owner_(std::move(owner)), wanted_(std::move(wanted)), placeOf_(std::move(placeOf)) {}

  /// Are all tensors there, of the right shapes, and no others but those that `isIgnored` names?
  /// \returns kInvalidArgument with every problem, a line each: the tensor, what it is and what was expected
  Status check(const std::string& architecture, const std::function<bool(std::string_view)>& isIgnored) const;

  bool has(const std::string& role) const { return wanted_.count(role) && files_.count(placeOf_(role).tensors.front()); }
  /// Whether the file has codes for it, which become numbers where they are used.
  bool isCodes(const std::string& role) const { return files_.at(placeOf_(role).tensors.front()).blocks != nullptr; }
  /// The elements of a role: a constant, a constant that is cast, or jinx.decode_blocks. `check` has passed, and the file has the role.
  /// \param element  f32, f16 or bf16
  Value get(mlir::OpBuilder& builder, const std::string& role, mlir::Type element) const;

private:
  mlir::ElementsAttr elementsOf(const Shape& shape, const Place& place, mlir::MLIRContext* context) const;
  Tensor bytesOf(const Shape& shape, const Place& place) const;

  FileTensors files_;
  std::shared_ptr<void> owner_;
  WantedTensors wanted_;
  std::function<Place(const std::string&)> placeOf_;
};

} // namespace jinx::frontends::llm
