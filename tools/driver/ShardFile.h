// What `--shard` says: a file of rules, or a mesh for the rules that are built in.
//
//   {"mesh": [["dp", 2], ["tp", 4]],
//    "rules": [{"values": "blk.*.ffn_up.weight", "dims": ["tp", ""]}, {"values": "input_ids", "dims": ["dp ?", ""], "priority": 1}]}
//
//   {"output": "y", "dims": ["dp", ""]}                    a rule for the output of this name alone; so "input", and "node" for nodes and constants
//   {"mesh": [["pp", 2], ["micro", 4]], "stages": [["embed*", "layer.0.*"], ["layer.1.*"]], …}     which nodes each stage of pp has; without it, by layers
//   {"mesh": [["ep", 8]], "experts": "exchange", …}        tokens that ep splits go to the ranks of their experts ("gather": to all; "auto", or nothing: as costs say)
//
//   dp=2,tp=4        built-in rules (passes/Dist/BuiltInRules.h)
//   tp=4,sp          those, and rows between blocks are split by tp, too
//   cp=4             tokens are split; keys and values of attention pass round a ring
//   cp=4,gather      and are gathered instead; in a file, "keys": "gather"
#pragma once

#include "passes/Dist/ShardRules.h"

namespace jinx::driver {

struct ShardRequest {
  passes::ShardRules rules; ///< without rules where they are built in
  bool isBuiltIn = false;
  bool isSequenceParallel = false;
};

/// A file where there is one of that name, else a mesh.
/// \returns kNotFound, kInvalidArgument: what was got, what was expected, and where
Expected<ShardRequest> readShardRequest(const std::string& fileOrMesh);

/// \param where  the file's name, for messages
Expected<passes::ShardRules> parseShardFile(const std::string& text, const std::string& where);
/// As a file says it.
std::string formatShardFile(const passes::ShardRules& rules);

} // namespace jinx::driver
