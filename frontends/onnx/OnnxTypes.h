// ONNX types as MLIR types, and back.
//
//   float  f32      int8 … int64    i8 … i64 (signless)     bool     i1             float8…  f8E4M3FN, …
//   double f64      uint8 … uint64  ui8 … ui64              string   !jinx.string   complex  complex<f32>, complex<f64>
//
// A tensor without a known rank is `tensor<*xf32>`. Elements of sequences and optionals are always unranked: their sizes differ
// from element to element. Maps and sparse tensors have no type here.
#pragma once

#include <set>

#include "frontends/onnx/OnnxPch.h"
#include "ir/Graph/Graph.h"

namespace jinx::frontends {

/// Null for an element type that Jinx does not know.
mlir::Type elementTypeFromOnnx(mlir::MLIRContext *context, int64_t onnxType);
/// TensorProto.DataType of an element type; 0 for none.
int32_t onnxFromElementType(mlir::Type type);

/// True for the element types that kernels are generated for; every other one stays on the host. 8-bit floats are moved, converted and multiplied.
bool isKernelElement(mlir::Type element);

/// The named sizes of the module: the model's own, and made-up ones for sizes that only a host step knows.
class Symbols {
public:
  struct Info {
    std::string name;
    int64_t min = 0;
    int64_t max = 0; ///< 0: unbounded
    bool definedByStep = false;
  };

  /// `hint` made into a free identifier.
  std::string freeName(std::string_view hint) const;
  void declare(Info info);
  /// A size that the step being imported defines.
  SizeExpr fresh();
  bool known(std::string_view name) const { return names_.count(std::string(name)) != 0; }
  /// How many there are: symbols at or after a mark were declared since.
  size_t mark() const { return infos_.size(); }
  /// True when every symbol of `size` was declared before `mark`.
  bool visibleBefore(const SizeExpr &size, size_t mark) const;
  bool isDefinedByStep(std::string_view name) const { return stepNames_.count(std::string(name)) != 0; }
  /// Lowers the upper bound of an input's symbol; false for any other symbol.
  bool limit(std::string_view name, int64_t max);
  /// Forgets the symbols of steps that are not in `live`.
  void dropUnused(const std::set<std::string> &live);
  /// `jinx.symbols`
  mlir::ArrayAttr toAttr(mlir::MLIRContext *context) const;

private:
  std::vector<Info> infos_;
  std::set<std::string> names_, stepNames_;
  int next_ = 0;
};

/// The type that shape inference found; unknown dimensions become fresh symbols. Null when there is none.
mlir::Type typeFromInference(mlir::MLIRContext *context, const onnx::TypeProto &proto, Symbols &symbols);
/// For shape inference: formulas become dimension names. False when ONNX has no such type.
bool typeToOnnx(mlir::Type type, onnx::TypeProto &proto);

} // namespace jinx::frontends
