#include "codegen/plan/HostForm.h"

#include "llvm/ADT/TypeSwitch.h"
#include "passes/Graph/Evaluate.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx {

std::optional<HostForm> hostForm(Operation *op) {
  constexpr int64_t kOpset = 21;
  return TypeSwitch<Operation *, std::optional<HostForm>>(op)
      .Case([](HostCallOp o) -> std::optional<HostForm> {
        return HostForm{o.getDomain().str(), o.getOp().str(), int64_t(o.getOpset()), passes::attributesOf(o.getAttrs())};
      })
      .Case([&](MatmulOp o) -> std::optional<HostForm> {
        bool widens = cast<RankedTensorType>(o.getY().getType()).getElementType() != cast<RankedTensorType>(o.getA().getType()).getElementType();
        if (o.getTransposeB() && widens) return std::nullopt;
        if (o.getTransposeB()) {
          HostForm form{"com.microsoft", "FusedMatMul", 1, {}};
          form.attributes.set("transB", int64_t(1));
          return form;
        }
        return HostForm{"", widens ? "MatMulInteger" : "MatMul", widens ? 10 : kOpset, {}};
      })
      .Case([&](ConvOp o) -> std::optional<HostForm> {
        if (o.getChannelsLast()) return std::nullopt;
        HostForm form{"", "Conv", kOpset, {}};
        auto set = [&](const char *name, ArrayRef<int64_t> v) { form.attributes.set(name, std::vector<int64_t>(v.begin(), v.end())); };
        set("strides", o.getStrides());
        set("pads", o.getPads());
        set("dilations", o.getDilations());
        form.attributes.set("group", int64_t(o.getGroup()));
        return form;
      })
      .Case([](LstmOp o) -> std::optional<HostForm> {
        HostForm form{"jinx", "lstm", 1, {}};
        form.attributes.set("reverse", int64_t(o.getReverse()));
        return form;
      })
      .Case([](GruOp o) -> std::optional<HostForm> {
        HostForm form{"jinx", "gru", 1, {}};
        form.attributes.set("reverse", int64_t(o.getReverse()));
        form.attributes.set("linear_before_reset", int64_t(o.getLinearBeforeReset()));
        return form;
      })
      .Default([](Operation *) { return std::nullopt; });
}

}  // namespace jinx
