// Groups of calls that a backend binds as one, so that what passes between them need not lie in memory.
#pragma once
#include "program.h"

namespace weft {

/**
 * Binds groups of calls as one kernel each where the backend can. One call of a group becomes the group as seen from
 * outside, the others become empty. Returns the groups' steps, at the place of the call that became the group; the
 * other places are empty.
 */
std::vector<Step> join_calls(const ProgramSpec& spec, const Device& device, std::vector<Call>& calls);

}  // namespace weft
