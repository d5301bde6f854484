// Rendezvous: how ranks meet that no MPI has started. Rank 0 listens at a port that all of them know.
#pragma once
#include <memory>

#include "collectives.h"
#include "control/control.h"

namespace weft {

/**
 * Lets the ranks meet at the address and port of the settings. The result does not watch yet. ERR_DISTRIBUTED where
 * the port is taken, or rank 0 cannot be reached in time.
 */
std::unique_ptr<Control> rendezvous(const WorldSettings& settings);

}  // namespace weft
