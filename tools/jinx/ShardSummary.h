// What each rank of a split model has and sends, as tables for a terminal.
//
//   each rank has    weights   inputs  outputs  activations      flops
//                   33.6 MB   1.2 MB     8 kB       2.1 MB   1.2 Gflop
//
//   a call sends     times   bytes  on the wire   nodes
//   all_reduce tp        2   64 kB        96 kB   blk.0.attn_output, blk.0.ffn_down
#pragma once

#include <string>

#include "tools/driver/RankFigures.h"
#include "tools/driver/Shard.h"

namespace jinx::tools {

std::string rankTables(const std::vector<driver::RankFigures>& stages, int64_t microbatches);
/// Which built-in rules did not apply, and why.
std::string notesText(const std::vector<passes::RuleNote>& notes);

} // namespace jinx::tools
