// What a first layer that is pooled asks of the instruction set: windows of four values, and patches of the input under
// a window. first_windows_avx512.h, first_windows_avx2.h and first_windows_128.h define
//   keeps_taps_near                          whether nine taps of a window are best copied to where they lie together
//   holds_nine_taps                          whether two vectors of nine taps and a window's sums fit the registers
//   has_patches                              whether the gradient of such a layer gains by patches
//   pool_ordered(a, b, c, d, pooled, index)  pool_window() for windows without NaN, by a tournament; false, and nothing
//                                            is done, where there is a NaN, or no such way for so many vectors
//   Patch(from, row)                         the 4 x 4 values of a plane that a window and a 3 x 3 kernel see
//   Patch::met(lane, r, q)                   of each lane the value that tap (r, q) meets; `lane` is that of tap (0, 0)
//   window_places(p)                         `width` places in windows, from bytes
#pragma once
#include "simd.h"

#if WEFT_LEVEL == 2
#include "first_windows_avx512.h"
#elif WEFT_LEVEL == 1
#include "first_windows_avx2.h"
#else
#include "first_windows_128.h"
#endif
