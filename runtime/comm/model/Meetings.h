// Which tasks of which ranks are one collective?
//
// The k-th use that a program makes of a slot meets the k-th of every other member of the group there. A *meeting* is all of them.
#pragma once

#include <vector>

#include "runtime/comm/model/Fold.h"

namespace jinx::comm::model {

/// A task of a class.
struct Place {
  int rankClass = 0;
  int task = 0;
};

struct Meeting {
  std::vector<Place> members;  ///< one for each kind of member
  int group = 0;               ///< class of groups
  double seconds = 0;
};

/// All meetings. kInvalidArgument where members come to a group another number of times, or with calls that do not belong together.
Expected<std::vector<Meeting>> meetingsOf(const World& world, const Folding& folding);

/// "rank 3", "rank 3 (and 127 like it)".
std::string rankText(const Folding& folding, int rankClass);

} // namespace jinx::comm::model
