// takeBatch: the rows of the next batch. A permutation says which rows they are. They are converted to the dtype of the
// model's input while they are copied.
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * Copies a row, part by part, and fetches the same part of a row that is copied soon: rows lie in any order. It is
 * fetched to the second-level cache, which waits for more lines at a time than the first.
 */
void copy_row(char* to, const char* from, const char* soon, size_t bytes) {
  constexpr size_t part = 256, line = 64;
  for (size_t i = 0; i < bytes; i += part) {
    const size_t here = std::min(part, bytes - i);
    for (size_t j = 0; j < here; j += line) __builtin_prefetch(soon + i + j, 0, 2);
    if (here == part) std::memcpy(to + i, from + i, part);
    else std::memcpy(to + i, from + i, here);
  }
}
constexpr int64_t rows_ahead = 2;

}  // namespace

KERNEL(cpu, takeBatch) {
  const View x = call.in[0], permutation = call.in[1], cursor = call.in[2], out = call.out[0];
  const int64_t rows = x.dim(0), places = permutation.size(), batch = out.dim(0), n = product(x.dims, 1);
  const size_t from_bytes = size_of(x.dtype) * size_t(n), to_bytes = size_of(out.dtype) * size_t(n);
  const ConvertFunction convert = x.dtype == out.dtype ? nullptr : convert_function(x.dtype, out.dtype);
  return [=](const Frame& frame) {
    const int64_t first = *frame.at<int32_t>(cursor);
    const int32_t* order = frame.at<int32_t>(permutation);
    const char* from = frame.at<char>(x);
    char* to = frame.at<char>(out);
    const auto likely = [&](int64_t place) {
      return place >= 0 && place < places && order[place] >= 0 && order[place] < rows ? order[place] : 0;
    };
    parallel_range(batch, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t place = first + i;
        int64_t row = place >= 0 && place < places ? order[place] : -1;
        if (row < 0 || row >= rows) {
          frame.raise(place >= 0 && place < places ? row : place);
          row = 0;
        }
        if (rows == 0) std::memset(to + size_t(i) * to_bytes, 0, to_bytes);
        else if (convert) convert(from + size_t(row) * from_bytes, to + size_t(i) * to_bytes, n);
        else
          copy_row(to + size_t(i) * to_bytes, from + size_t(row) * from_bytes, from + size_t(likely(place + rows_ahead)) * from_bytes,
                   to_bytes);
      }
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA
