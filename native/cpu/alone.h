// work_alone: lets a thread compute by itself, without the CPU device's pool.
#pragma once

namespace weft::cpu {

/**
 * Says whether the calling thread does all its chunks by itself from now on. Results are the same either way, because
 * chunks follow from shapes.
 */
void work_alone(bool alone);

}  // namespace weft::cpu
