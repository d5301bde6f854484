// Groups of calls that a backend binds as one kernel, so that the values between them need not lie in memory.
#pragma once
#include "program.h"

namespace weft {

/**
 * Binds groups of calls as one kernel each, where the backend can. One call of a group then describes the whole group
 * as it is seen from outside, and the other calls become empty. Returns a step for each place of `calls`. The step of a
 * group stands at the place of the call that describes it. All other steps are empty.
 */
std::vector<Step> join_calls(const ProgramSpec& spec, const Device& device, std::vector<Call>& calls);

}  // namespace weft
