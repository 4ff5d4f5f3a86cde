// What every world asks of a call, whoever carries it out: how large its buffers are, whether it can be made at all, how many bytes it
// moves, what it is called in a message.
//
//   Call call{.op = Op::kAllReduce, .count = 10, .sequence = 12, .name = "/layer.3/down"};      // on four ranks
//   identify(call)          #12 all_reduce sum f32[10] of /layer.3/down
//   partOf(10, 4, 1, f32)   {3, 3}: of ten elements the members sum 3, 3, 2 and 2
//   trafficOf(call, 1, 4)   3 members' parts of 3 elements, then the 7 that others have summed: 16 elements, 64 bytes
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

/// Neighbouring elements.
struct Part {
  int64_t first = 0, count = 0;
};
/// Of `count` elements, those that the member at `place` of `n` sums: equal parts, the first ones of one more. Packed types are parted
/// between bytes.
Part partOf(int64_t count, int n, int place, DType dtype);

/// Elements of `in` and `out` of the member at `place` of `n`; no member has what it does not touch.
struct Sizes {
  int64_t in = 0, out = 0;
};
Sizes sizesOf(const Call& call, int place, int n);

/// "all_reduce sum f32[4096]".
std::string describe(const Call& call);
/// "#12 all_reduce sum f32[4096] of /layer.3/down"; without the name where there is none.
std::string identify(const Call& call);
std::string identify(int64_t sequence, std::string_view what, std::string_view name);
/// "rank 3", "ranks 4, 5, 6, 7", "ranks 0 to 63", "ranks 0, 2, 4, 6, … (32)".
std::string ranksText(std::span<const int> ranks);
/// "0.25 s".
std::string secondsText(double seconds);

/// kInvalidArgument for a call that no group of `n` could make from `place`, with these buffers.
Status checkCall(const Call& call, int place, int n, const void* in, const void* out);
/// In what two members' calls of one place in their order differ: "count 8 and 9"; empty when they fit. Not for send and recv.
std::string difference(const Call& a, int placeOfA, const Call& b, int placeOfB);

/// The bytes that the member at `place` hands to others and takes from them; S is the whole: all_reduce 2(n-1)/n S, all_gather,
/// reduce_scatter and all_to_all (n-1)/n S, broadcast, permute, send and recv S. One call.
Traffic trafficOf(const Call& call, int place, int n);

} // namespace jinx::comm
