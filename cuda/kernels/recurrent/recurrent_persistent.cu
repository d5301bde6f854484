// Recurrent layers in one launch, where one block's shared memory holds the recurrent weights
// (recurrent_persistent.cuh).
#include "recurrent_persistent.cuh"

namespace weft::cuda {

bool can_persist(const Recurrence& run, const Target& target, bool backward) { return team_fits(run, target, 1, backward); }

Step bind_persistent(Call& call, const Recurrence& run, bool backward) {
  return dispatch_math(run, [&]<class T, bool exact>() { return bind_team<T, exact, Alone>(call, run, backward); });
}

}  // namespace weft::cuda
