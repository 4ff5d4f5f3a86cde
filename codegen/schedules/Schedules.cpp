#include "codegen/schedules/Schedules.h"

#include "codegen/schedules/Attention.h"
#include "codegen/schedules/Interleave.h"
#include "codegen/schedules/Matmul.h"
#include "codegen/schedules/Recurrent.h"
#include "codegen/schedules/Rows.h"
#include "codegen/schedules/Window.h"
#include "codegen/schedules/cuda/GroupMatmul.h"

using namespace mlir;

namespace jinx::schedules {

FailureOr<Scheduled> scheduleGroup(graph::GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  if (group.getSchedule() == "rows" && !target.cuda && isWindowGroup(group)) return scheduleWindow(group, name, target, builder);
  if (group.getSchedule() == "rows" && !target.cuda && isInterleaveGroup(group)) return scheduleInterleave(group, name, builder);
  if (group.getSchedule() == "rows") return scheduleRows(group, name, target, builder);
  if (target.cuda && group.getSchedule() == "matmul") return scheduleCudaMatmul(group, name, builder);
  if (target.cuda && group.getSchedule() == "recurrent") return group.emitOpError("there is no recurrent schedule for CUDA");
  if (target.cuda && group.getSchedule() == "attention") return group.emitOpError("there is no attention schedule for CUDA");
  if (group.getSchedule() == "attention") return scheduleAttention(group, name, target, builder);
  if (group.getSchedule() == "matmul") return scheduleMatmul(group, name, target, builder);
  if (group.getSchedule() == "recurrent") return scheduleRecurrent(group, name, target, builder);
  return group.emitOpError("unknown schedule '") << group.getSchedule() << "', expected rows, matmul, attention or recurrent";
}

}  // namespace jinx::schedules
