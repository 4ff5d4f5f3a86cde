// How long does a collective take, by which algorithm, and how much does it put on the wire?
//
// For one algorithm, protocol and group the time is a line in the bytes, t(S) = L + S/b (`Network.h` has an example). S is *the whole*: of
// all_reduce, broadcast, permute, send and recv the buffer; of all_gather what a rank has afterwards, of reduce_scatter what it has before,
// of all_to_all a rank's buffer of n parts (`wholeBytes` says it from a call's count).
//
// n ranks on N nodes, g of them each; B: bytes a second of all channels together; αᵢ a step inside a node, αₒ one between nodes.
//
//   op              algorithm  L - base                                  b
//   all_reduce      ring       2(n-N)αᵢ + 2(N-1)αₒ                       B n/(2(n-1))
//                   tree       2(g-1)αᵢ + 2⌊log₂N⌋αₒ                     ½ · 0.92 B · c(S); bounded for each channel
//                   NVLS       flat, one node                            what the switch carries, n/(2(n-1)) of it
//                   NVLS tree  flat + 2⌊log₂N⌋αₒ, several nodes          the least of switch, adapters and tree, as above
//                   doubling   (⌊log₂n⌋, and 2 if n is no power of 2)α   B over the same
//                   binomial   2⌈log₂n⌉α                                 B over the same
//   all_gather,     ring       (n-N)αᵢ + (N-1)αₒ                         B n/(n-1)
//   reduce_scatter  NVLS       flat, one node                            what the switch carries
//                   PAT        ⌊log₂n⌋ steps + n, one rank a node        ¾ B
//   broadcast       ring       (n-N)αᵢ + (N-1)αₒ                         B
//                   tree       ⌈log₂g⌉αᵢ + ⌈log₂N⌉αₒ                     one link's, over the steps
//   all_to_all      direct     rounds of `sendsAtOnce` messages          the slower of what stays on the node and what leaves it
//   permute, send   direct     one α                                     one link: between nodes where the group has several
//
// Doubling (all ranks change whole buffers with a partner, then with one twice as far away) and binomial trees (up and down again, whole
// buffers, nothing in pieces) are MPI's, and on links of one kind only; no network with a name has them, fits have.
//
// Where NCCL's tuner is not followed: its broadcast counts one hop where all channels have the same ring; here the last rank waits for all
// hops. all_to_all, permute and send are no part of that tuner: their lines are ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/comm/model/Network.h"

namespace jinx::comm::model {

/// t(S) = latency + S / bandwidth.
struct Line {
  double latency = 0;
  double bandwidth = 0;
  double at(double bytes) const { return latency + bytes / bandwidth; }
};

struct Cost {
  Algorithm algorithm = Algorithm::kDirect;
  Protocol protocol = Protocol::kSimple;
  double seconds = 0;
  double wireBytes = 0;  ///< that a rank sends, in the mean over the group
  Line line;             ///< at this size
};

/// Whether the whole of a call has a part of `count` elements for each rank; of the others it has `count`.
bool isInParts(Op op);
/// The whole, in bytes, of a call with `count` elements (the table in `Communicator.h`) on n ranks.
int64_t wholeBytes(Op op, DType dtype, int64_t count, int ranks);

/// The line near `bytes`; none where the network has no such algorithm or protocol for the op on this group. \pre the group is checked
std::optional<Line> lineOf(const Network& network, Op op, const Group& group, Algorithm algorithm, Protocol protocol, double bytes);

/// Bytes that a rank sends.
double wireBytes(Op op, const Group& group, Algorithm algorithm, double bytes);

/// Of every algorithm the protocol that is fastest at this size, the fastest algorithm first. One rank costs nothing.
/// kInvalidArgument for a group or size that cannot be.
Expected<std::vector<Cost>> costsOf(const Network& network, Op op, const Group& group, double bytes);

} // namespace jinx::comm::model
