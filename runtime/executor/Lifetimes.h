// When each value of a program is first and last touched.
#pragma once

namespace jinx {

struct Program;

/// Fills, in flattened time: `firstUse` and `lastUse` of placed roots, `released` of steps and `owned` of blocks for
/// slots, `endTime` of blocks and of the program.
void computeLifetimes(Program& program);

} // namespace jinx
