#include "codegen/schedules/Schedules.h"

#include "codegen/schedules/Attention.h"
#include "codegen/schedules/DequantMatmul.h"
#include "codegen/schedules/Grouped.h"
#include "codegen/schedules/Interleave.h"
#include "codegen/schedules/Matmul.h"
#include "codegen/schedules/PagedAttention.h"
#include "codegen/schedules/Recurrent.h"
#include "codegen/schedules/Rows.h"
#include "codegen/schedules/Scan.h"
#include "codegen/schedules/Scatter.h"
#include "codegen/schedules/Sort.h"
#include "codegen/schedules/SplitDigits.h"
#include "codegen/schedules/Window.h"
#include "codegen/schedules/WritePages.h"
#include "codegen/schedules/cuda/GroupAttention.h"
#include "codegen/schedules/cuda/GroupAttentionGrad.h"
#include "codegen/schedules/cuda/GroupCodes.h"
#include "codegen/schedules/cuda/GroupFlat.h"
#include "codegen/schedules/cuda/GroupMatmul.h"
#include "codegen/schedules/cuda/GroupPagedAttention.h"
#include "codegen/schedules/cuda/GroupRecurrent.h"
#include "codegen/schedules/cuda/GroupRuns.h"
#include "codegen/schedules/cuda/GroupScatter.h"
#include "codegen/schedules/cuda/GroupSort.h"
#include "codegen/schedules/cuda/GroupTranspose.h"
#include "codegen/schedules/cuda/GroupedMatmul.h"
#include "codegen/schedules/cuda/Pieces.h"
#include "codegen/schedules/cuda/WidenHalves.h"

using namespace mlir;

namespace jinx::schedules {

StringRef ownSchedule(Operation *op) {
  using namespace graph;
  if (isa<LstmOp, GruOp>(op)) return "recurrent";
  if (isa<SplitDigitsOp>(op)) return "split_digits";
  if (isa<WritePagesOp>(op)) return "write_pages";
  if (isa<PagedAttentionOp>(op)) return "paged_attention";
  std::optional<ScatterKind> kind;
  if (auto scatter = dyn_cast<ScatterElementsOp>(op)) kind = scatter.getKind();
  if (auto scatter = dyn_cast<ScatterNdOp>(op)) kind = scatter.getKind();
  if ((!kind && !isa<TopKOp>(op)) || !llvm::all_of(op->getOperandTypes(), isComputable)) return "";
  Type element = cast<RankedTensorType>(op->getOperand(0).getType()).getElementType();
  if (!kind) return element.getIntOrFloatBitWidth() <= 32 ? "sort" : "";  // a key has 32 bits for the value
  // Sums and products of half types are rounded once, at the end: y, where they are formed, would round each.
  bool rounds = *kind == ScatterKind::add || *kind == ScatterKind::mul;
  return rounds && (element.isF16() || element.isBF16()) ? "" : "scatter";
}

static FailureOr<Scheduled> scheduleAny(graph::GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  if (group.getSchedule() == "rows" && !target.cuda && isWindowGroup(group)) return scheduleWindow(group, name, target, builder);
  if (group.getSchedule() == "rows" && !target.cuda && isInterleaveGroup(group)) return scheduleInterleave(group, name, builder);
  if (group.getSchedule() == "rows" && target.cuda && isTransposeGroup(group)) return scheduleCudaTranspose(group, name, builder);
  if (group.getSchedule() == "rows" && target.cuda && isRunsGroup(group)) return scheduleCudaRuns(group, name, builder);
  if (group.getSchedule() == "rows" && target.cuda && isFlatGroup(group)) return scheduleCudaFlat(group, name, builder);
  if (group.getSchedule() == "rows" && target.cuda && isPiecesGroup(group)) return schedulePieces(group, name, builder);
  if (group.getSchedule() == "rows") return scheduleRows(group, name, target, builder);
  if (target.cuda && group.getSchedule() == "matmul") return scheduleCudaMatmul(group, name, target, builder);
  if (target.cuda && group.getSchedule() == "grouped") return scheduleCudaGrouped(group, name, target, builder);
  if (target.cuda && group.getSchedule() == "dequant_matmul") return scheduleCudaCodes(group, name, builder);
  if (target.cuda && group.getSchedule() == "attention") return scheduleCudaAttention(group, name, target, builder);
  if (target.cuda && group.getSchedule() == "attention_grad") return scheduleCudaAttentionGrad(group, name, builder);
  if (target.cuda && group.getSchedule() == "scatter") return scheduleCudaScatter(group, name, builder);
  if (target.cuda && group.getSchedule() == "sort") return scheduleCudaSort(group, name, builder);
  if (target.cuda && group.getSchedule() == "paged_attention") return scheduleCudaPagedAttention(group, name, builder);
  if (target.cuda && group.getSchedule() == "recurrent") return scheduleCudaRecurrent(group, name, builder);
  if (group.getSchedule() == "matmul") return scheduleMatmul(group, name, target, builder);
  if (group.getSchedule() == "grouped") return scheduleGrouped(group, name, target, builder);
  if (group.getSchedule() == "dequant_matmul") return scheduleDequantMatmul(group, name, target, builder);
  if (group.getSchedule() == "attention") return scheduleAttention(group, name, target, builder);
  if (group.getSchedule() == "recurrent") return scheduleRecurrent(group, name, target, builder);
  if (group.getSchedule() == "scan") return scheduleScan(group, name, target, builder);
  if (group.getSchedule() == "scatter") return scheduleScatter(group, name, target, builder);
  if (group.getSchedule() == "sort") return scheduleSort(group, name, target, builder);
  if (group.getSchedule() == "write_pages") return scheduleWritePages(group, name, target, builder);
  if (group.getSchedule() == "paged_attention" && !target.cuda) return schedulePagedAttention(group, name, target, builder);
  if (group.getSchedule() == "split_digits" && !target.cuda) return scheduleSplitDigits(group, name, builder);
  return group.emitOpError("unknown schedule '") << group.getSchedule() << "', expected rows, matmul, grouped, dequant_matmul, attention, recurrent, scan, scatter or sort";
}

FailureOr<Scheduled> scheduleGroup(graph::GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  auto scheduled = scheduleAny(group, name, target, builder);
  if (target.cuda && succeeded(scheduled))
    for (Scheduled *each = &*scheduled; each; each = each->then.get()) widenHalves(each->kernel);
  return scheduled;
}

}  // namespace jinx::schedules
