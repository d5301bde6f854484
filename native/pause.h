// WEFT_PAUSE: inside a loop that waits for another thread.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#define WEFT_PAUSE() _mm_pause()
#else
#define WEFT_PAUSE() ((void)0)
#endif
