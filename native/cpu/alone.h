// work_alone: threads that compute by themselves, without the CPU device's pool.
#pragma once

namespace weft::cpu {

/**
 * Whether the calling thread does its chunks by itself from now on. Results are the same: chunks follow from shapes.
 */
void work_alone(bool alone);

}  // namespace weft::cpu
