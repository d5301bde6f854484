// The CPU device's thread pool. A kernel cuts its work into chunks by shape alone. The threads take the chunks in any
// order.
#pragma once
#include <cstdint>
#include <type_traits>

namespace weft::cpu {

/** How many threads work on a step. The device's worker is one of them. The number is fixed while the process lives. */
int threads();

/** How many processors this process may use. */
int processors();

using ChunkFunction = void (*)(void* context, int64_t chunk, int thread);
void run_chunks(int64_t chunks, ChunkFunction function, void* context);

/**
 * Calls f(chunk, thread) once for every chunk in [0, chunks), on up to threads() threads. Returns when all calls are
 * done. An exception that f throws is rethrown here. `thread` is the number of the thread that makes the call, below
 * threads(). It may choose scratch memory and nothing else: results must not depend on it. `chunks` must follow from
 * shapes and never from threads(), so that one thread and many give the same bits.
 */
template <class F> void parallel(int64_t chunks, F&& f) {
  if (chunks <= 0) return;
  if (chunks == 1) {
    f(int64_t(0), 0);
    return;
  }
  using Function = std::remove_reference_t<F>;
  run_chunks(
      chunks, [](void* context, int64_t chunk, int thread) { (*static_cast<Function*>(context))(chunk, thread); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

/** Cuts [0, n) into equal ranges of about `grain` elements and calls f(begin, end) for each. */
template <class F> void parallel_range(int64_t n, int64_t grain, F&& f) {
  const int64_t chunks = n <= grain ? 1 : (n + grain - 1) / grain;
  parallel(chunks, [&](int64_t chunk, int) {
    const int64_t begin = n * chunk / chunks, end = n * (chunk + 1) / chunks;
    if (end > begin) f(begin, end);
  });
}

}  // namespace weft::cpu
