// Who computes: a thread by itself or with the CPU device's pool, and when the threads of the pool sleep.
#pragma once
#include <functional>

namespace weft::cpu {

/**
 * Says whether the calling thread does all its chunks by itself from now on. Results are the same either way, because
 * chunks follow from shapes.
 */
void work_alone(bool alone);
/**
 * Whether the calling thread has met work for more than one thread since its last call of work_alone(), where there are
 * more.
 */
bool divided_work();
/** Has `call` called after each chunk that the calling thread does. Null: no more. */
void after_chunks(const std::function<void()>* call);

/** Wakes the pool's threads for what comes within microseconds; they watch for it until rest(). */
void rouse();
/** Nothing is to be expected soon: the pool's threads sleep as soon as they have nothing to do. */
void rest();

}  // namespace weft::cpu
