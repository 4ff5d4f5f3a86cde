#include "codegen/schedules/cuda/FewQueries.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kTileRows = 64;
constexpr int64_t kShortest = 256, kUsual = 512, kLongest = 2048;  // keys of a part: shorter ones cost more to start and to merge than they spread
constexpr int64_t kWorthwhile = 1024;                              // keys from which a second kernel pays

/// True where the query rows of the heads that share keys can be rows of one tile.
bool canPack(const CudaAttentionForm &form, bool isSplit) {
  auto queries = form.queries.constant();
  if (form.group == 1 || !queries || form.group * *queries > kTileRows) return false;
  // One row a head: rows are heads, in what the hole reads too, as long as they are neighbours there.
  Sizes sizes = sizesOf(form.form.logits.getType());
  if (*queries == 1) return !form.hasHole || (sizes.size() >= 3 && sizes[sizes.size() - 3].exactDivide(form.group));
  // Several: rows of a head follow those of the head before, and nothing is read for each.
  auto follows = [&](const StridedHeads &at) { return at.headStride == at.rowStride * form.queries; };
  return !form.hasHole && follows(form.q) && (isSplit || follows(form.o));
}

int64_t chooseParts(const SizeExpr &heads, const SizeExpr &keys, int64_t multiprocessors) {
  auto headCount = heads.constant(), keyCount = keys.constant();
  if (!headCount || !keyCount) return kUsual;
  int64_t part = kShortest;
  while (part < kLongest && *headCount * ((*keyCount + part - 1) / part) > multiprocessors) part *= 2;
  return part;
}

/// Whether so many tiles have memory busy to the end: half of the multiprocessors ask for all that it gives (62 of 4,200 GB/s each).
bool keepBusy(const SizeExpr &tiles, int64_t multiprocessors) {
  auto count = tiles.constant();
  if (!count) return false;
  int64_t last = *count % multiprocessors;
  return 2 * *count >= multiprocessors && (last == 0 || 2 * last >= multiprocessors || *count >= 16 * multiprocessors);
}

}  // namespace

FewQueries arrangeFewQueries(const CudaAttentionForm &form, int64_t multiprocessors) {
  FewQueries few;
  auto queries = form.queries.constant();
  const bool isFew = queries && *queries <= kTileRows;
  const SizeExpr heads = form.batch * form.heads, tiles = canPack(form, false) ? heads.exactDivide(form.group).value_or(heads) : heads;
  const bool isSplit = isFew && form.keys.constant().value_or(kWorthwhile) >= kWorthwhile && !keepBusy(tiles, multiprocessors);
  if (canPack(form, isSplit)) few.packed = form.group;
  few.readsOnce = isFew && (few.packed > 1 || form.group == 1);
  few.heads = few.packed == 1 ? form.heads : form.heads.exactDivide(few.packed).value_or(form.heads);
  few.rows = form.queries * SizeExpr(few.packed);
  if (!isSplit) return few;
  few.partKeys = chooseParts(few.heads, form.keys, multiprocessors);
  few.parts = ceilDiv(form.keys, few.partKeys);
  return few;
}

}  // namespace jinx::schedules
