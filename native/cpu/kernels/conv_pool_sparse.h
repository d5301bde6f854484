// The gradient of convolution + relu + max pooling for 3 x 3 kernels on whole vectors of input channels, float32.
//
// Of the places of a window only one receives a gradient from a filter, and none does where relu gave zero. The other
// places cost nothing here. Lanes are input channels. The gradient of a filter is a factor for all lanes, and the place
// that it belongs to is an address. A window of 2 x 2 takes 9 products for each filter and vector, or none, instead
// of 36.
#pragma once
#include <array>

#include "conv_kernel_grad.h"
#include "conv_pool_shape.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {

class SparsePooledConvGrad {
 public:
  static bool fits(const PooledConv& s) {
    const ConvShape& c = s.conv;
    return c.groups == 1 && c.kh == 3 && c.kw == 3 && c.c % width == 0 && s.places() >= 4 &&
           double(c.reach_h(c.oh)) * double(std::max(c.reach_w(), c.w)) * double(c.c) < double(1 << 30);
  }

  WEFT_BINDER SparsePooledConvGrad(Call& call, const PooledConv& shape, bool with_dx) : s_(shape), with_dx_(with_dx) {
    const ConvShape& c = s_.conv;
    pitch_ = c.row_pitch();
    elements_ = c.depth() * c.o;
    words_ = (c.o + 63) / 64;
    chunks_ = std::min({c.n, pieces_of_work(2 * c.multiply_adds(), 8), partial_sums(elements_ + c.o, 8)});
    // the lines of one vector of channels stay in the first-level cache
    const int64_t rows = near_bytes / std::max<int64_t>(1, pitch_ / c.c * 64);
    band_ = std::clamp<int64_t>((rows - 2 * c.dilation_h - 1) / c.stride_h / s_.pool_h, 1, s_.ph);
    for (int64_t place = 0; place < s_.places(); place++)
      shift_[size_t(place)] = int32_t(place / s_.pool_w * c.stride_h * pitch_ + place % s_.pool_w * c.stride_w * c.c);
    const int64_t windows = band_ * s_.pw;
    entries_ = windows * c.o * int64_t(sizeof(float));
    counts_ = entries_ + windows * c.o * int64_t(sizeof(Entry));
    filters_ = (counts_ + c.o * int64_t(sizeof(int32_t)) + 63) / 64 * 64;
    active_ = filters_ + windows * s_.places() * words_ * int64_t(sizeof(uint64_t));
    band_memory_ = ThreadScratch(call, size_t(active_ + windows * words_ * int64_t(sizeof(uint64_t))));
    parts_ = call.scratch(size_t(chunks_ * (elements_ + c.o)) * sizeof(float));
    if (with_dx_) taps_ = call.scratch(size_t(elements_) * sizeof(float));
    const size_t reach = size_t(c.reach_h(band_ * s_.pool_h) * pitch_) * sizeof(float);
    if (c.bordered()) input_ = ThreadScratch(call, reach);
    if (c.bordered() && with_dx_) input_grad_ = ThreadScratch(call, reach);
  }

  void run(const Frame& frame, const PooledConvOperands<float>& at) const {
    const ConvShape& c = s_.conv;
    float* parts = frame.at<float>(parts_);
    const int64_t pitch = elements_ + c.o;
    if (with_dx_) spread_kernel(at.kernel, frame.at<float>(taps_));
    parallel(chunks_, [&](int64_t chunk, int thread) {
      float* sum = parts + chunk * pitch;
      std::fill(sum, sum + pitch, 0.0f);
      for (int64_t image = c.n * chunk / chunks_; image < c.n * (chunk + 1) / chunks_; image++) run_image(frame, thread, at, image, sum);
    });
    if (at.dk) {
      add_partial_sums(parts, chunks_, pitch, elements_, parts);
      gather_kernel(parts, at.dk);
    }
    if (at.db) add_partial_sums(parts + elements_, chunks_, pitch, c.o, at.db);
  }

 private:
  static constexpr int64_t near_bytes = 24 * 1024;

  /** A gradient that a filter receives, and where the values lie that its nine taps meet. */
  struct Entry {
    float gradient;
    int32_t at;
  };
  /** What a band of window rows passes on. */
  struct Band {
    float* gradients;   // [windows, filters], zero where relu gave zero
    Entry* entries;     // [filters][windows], the first counts[filter] of each
    int32_t* counts;    // [filters]
    uint64_t* active;   // [windows][words]: a bit for each filter that has a gradient
    uint64_t* filters;  // [windows][places][words]: a bit for each filter that has it there
    int64_t first, rows;
  };

  void run_image(const Frame& frame, int thread, const PooledConvOperands<float>& at, int64_t image, float* sum) const {
    const ConvShape& c = s_.conv;
    const int64_t size = c.h * c.w * c.c;
    const float* x = at.x + image * size;
    float* dx = at.dx ? at.dx + image * size : nullptr;
    char* memory = band_memory_.at<char>(frame, thread);
    Band band{};
    band.gradients = reinterpret_cast<float*>(memory);
    band.entries = reinterpret_cast<Entry*>(memory + entries_);
    band.counts = reinterpret_cast<int32_t*>(memory + counts_);
    band.filters = reinterpret_cast<uint64_t*>(memory + filters_);
    band.active = reinterpret_cast<uint64_t*>(memory + active_);
    if (dx) std::fill(dx, dx + size, 0.0f);
    for (int64_t p0 = 0; p0 < s_.ph; p0 += band_) {
      band.first = p0, band.rows = std::min(band_, s_.ph - p0);
      const int64_t from = (image * s_.ph + p0) * s_.pooled_row(), y0 = p0 * s_.pool_h * c.stride_h;
      const int64_t reach = c.reach_h(band.rows * s_.pool_h);
      collect(at.pooled + from, at.index + from, at.g + from, band, sum + elements_);
      if (at.dk) {
        const float* in = x + y0 * pitch_;
        if (c.bordered()) {
          float* copy = input_.at<float>(frame, thread);
          copy_with_border(c, x, y0, reach, copy);
          in = copy;
        }
        add_kernel(in, band, sum);
      }
      if (!dx) continue;
      if (!c.bordered()) {
        add_input(frame.at<const float>(taps_), band, dx + y0 * pitch_);
        continue;
      }
      float* part = input_grad_.at<float>(frame, thread);
      std::fill(part, part + reach * pitch_, 0.0f);
      add_input(frame.at<const float>(taps_), band, part);
      add_without_border(part, y0, reach, dx);
    }
  }

  /** Finds the gradients of a band that count. Adds them to db. */
  void collect(const float* pooled, const uint8_t* index, const float* g, const Band& band, float* db) const {
    const int64_t o = s_.conv.o, windows = band.rows * s_.pw, capacity = band_ * s_.pw, places = s_.places();
    std::fill(band.counts, band.counts + o, 0);
    std::fill(band.filters, band.filters + windows * places * words_, uint64_t(0));
    std::fill(band.active, band.active + windows * words_, uint64_t(0));
    const Vec powers = float_of((to_integer(ramp()) + broadcast_integer(127)) << 23);  // of 2
    for (int64_t j = 0; j < o; j += width) {
      const Mask mask = first_lanes(int(std::min<int64_t>(width, o - j)));
      Vec total = load_masked(db + j, mask);
      for (int64_t window = 0; window < windows; window++) {
        const int64_t i = window * o + j;
        const Mask positive = greater(load_masked(pooled + i, mask), zero());
        const Vec gradient = select(positive, load_masked(g + i, mask), zero());
        total += gradient;
        store_masked(band.gradients + i, gradient, mask);
        band.active[window * words_ + j / 64] |= uint64_t(sum(select(positive, powers, zero()))) << (j % 64);
      }
      store_masked(db + j, total, mask);
    }
    const int64_t step = s_.pool_w * s_.conv.stride_w * s_.conv.c, row = s_.pool_h * s_.conv.stride_h * pitch_;
    const float* gradients = band.gradients;
    const uint64_t* active = band.active;
    uint64_t* filters = band.filters;
    for (int64_t y = 0; y < band.rows; y++)
      for (int64_t p = 0; p < s_.pw; p++, gradients += o, index += o, filters += places * words_) {
        const int32_t at = int32_t(y * row + p * step);
        for (int64_t word = 0; word < words_; word++)
          for (uint64_t left = *active++; left != 0; left &= left - 1) {
            const int64_t j = word * 64 + __builtin_ctzll(left), place = std::min<int64_t>(index[j], places - 1);
            band.entries[j * capacity + band.counts[j]++] = {gradients[j], at + shift_[size_t(place)]};
            filters[place * words_ + word] |= left & -left;
          }
      }
  }

  /** sum [vectors of channels][filters][9][lanes] += what a band adds. */
  void add_kernel(const float* in, const Band& band, float* sum) const {
    const ConvShape& c = s_.conv;
    const int64_t right = c.dilation_w * c.c, down = c.dilation_h * pitch_, capacity = band_ * s_.pw;
    for (int64_t v = 0; v < c.c; v += width)
      for (int64_t j = 0; j < c.o; j++, sum += 9 * width) {
        Vec s[9];
#pragma GCC unroll 9
        for (int tap = 0; tap < 9; tap++) s[tap] = load(sum + tap * width);
        const Entry* entry = band.entries + j * capacity;
        for (const Entry* const end = entry + band.counts[j]; entry != end; entry++) {
          const Vec factor = broadcast(entry->gradient);
          const float *top = in + v + entry->at, *middle = top + down, *bottom = middle + down;
#pragma GCC unroll 3
          for (int q = 0; q < 3; q++) {
            s[q] = fma(factor, load(top + q * right), s[q]);
            s[3 + q] = fma(factor, load(middle + q * right), s[3 + q]);
            s[6 + q] = fma(factor, load(bottom + q * right), s[6 + q]);
          }
        }
#pragma GCC unroll 9
        for (int tap = 0; tap < 9; tap++) store(sum + tap * width, s[tap]);
      }
  }

  /** Adds to dx, given at the band's first row, the gradient of each place: the sum of its filters' taps. */
  void add_input(const float* taps, const Band& band, float* dx) const {
    const ConvShape& c = s_.conv;
    const int64_t right = c.dilation_w * c.c, down = c.dilation_h * pitch_, places = s_.places();
    const int64_t step = s_.pool_w * c.stride_w * c.c, row = s_.pool_h * c.stride_h * pitch_;
    for (int64_t v = 0; v < c.c; v += width, taps += c.o * 9 * width) {
      const uint64_t* filters = band.filters;
      const float* g = band.gradients;
      for (int64_t y = 0; y < band.rows; y++)
        for (int64_t p = 0; p < s_.pw; p++, g += c.o)
          for (int64_t place = 0; place < places; place++, filters += words_) {
            Vec s[9] = {};
            bool some = false;
            for (int64_t word = 0; word < words_; word++)
              for (uint64_t left = filters[word]; left != 0; left &= left - 1) {
                const int64_t j = word * 64 + __builtin_ctzll(left);
                const Vec factor = broadcast(g[j]);
                const float* from = taps + j * 9 * width;
#pragma GCC unroll 9
                for (int tap = 0; tap < 9; tap++) s[tap] = fma(factor, load(from + tap * width), s[tap]);
                some = true;
              }
            if (!some) continue;
            float* to = dx + v + y * row + p * step + shift_[size_t(place)];
#pragma GCC unroll 3
            for (int r = 0; r < 3; r++, to += down)
#pragma GCC unroll 3
              for (int q = 0; q < 3; q++) store(to + q * right, load(to + q * right) + s[r * 3 + q]);
          }
    }
  }

  /** Adds the rows [first, first + rows) of a bordered image to the image dx. */
  void add_without_border(const float* bordered, int64_t first, int64_t rows, float* dx) const {
    const ConvShape& c = s_.conv;
    const int64_t begin = std::clamp<int64_t>(c.left, 0, c.reach_w()), end = std::clamp<int64_t>(c.left + c.w, begin, c.reach_w());
    for (int64_t r = 0; r < rows; r++) {
      const int64_t row = first + r - c.top;
      if (row < 0 || row >= c.h) continue;
      const float* from = bordered + r * pitch_ + begin * c.c;
      float* to = dx + (row * c.w + begin - c.left) * c.c;
      for (int64_t i = 0; i < (end - begin) * c.c; i += width) store(to + i, load(to + i) + load(from + i));
    }
  }

  /** kernel [9, c, o] to taps [vectors of channels][filters][9][lanes]. */
  void spread_kernel(const float* kernel, float* taps) const {
    const ConvShape& c = s_.conv;
    parallel_range(c.c / width * 9, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < c.o; j += width) {
          const int64_t v = i / 9, tap = i % 9, filters = std::min<int64_t>(width, c.o - j);
          const Mask mask = first_lanes(int(filters));
          Vec square[width];
          for (int lane = 0; lane < width; lane++) square[lane] = load_masked(kernel + (tap * c.c + v * width + lane) * c.o + j, mask);
          transpose_square(square);
          for (int64_t f = 0; f < filters; f++) store(taps + ((v * c.o + j + f) * 9 + tap) * width, square[f]);
        }
    });
  }
  /** sums [vectors of channels][filters][9][lanes] to dk [9, c, o]. */
  void gather_kernel(const float* sums, float* dk) const {
    const ConvShape& c = s_.conv;
    parallel_range(c.c / width * 9, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < c.o; j += width) {
          const int64_t v = i / 9, tap = i % 9, filters = std::min<int64_t>(width, c.o - j);
          const Mask mask = first_lanes(int(filters));
          Vec square[width];
          for (int64_t f = 0; f < width; f++) square[f] = f < filters ? load(sums + ((v * c.o + j + f) * 9 + tap) * width) : zero();
          transpose_square(square);
          for (int lane = 0; lane < width; lane++) store_masked(dk + (tap * c.c + v * width + lane) * c.o + j, square[lane], mask);
        }
    });
  }

  PooledConv s_;
  bool with_dx_;
  int64_t pitch_ = 0, elements_ = 0, words_ = 0, chunks_ = 1, band_ = 1;
  int64_t entries_ = 0, counts_ = 0, active_ = 0, filters_ = 0;  // bytes into a thread's memory
  std::array<int32_t, 256> shift_{};                             // by place
  View parts_, taps_;
  ThreadScratch band_memory_, input_, input_grad_;
};

}  // namespace weft::cpu::WEFT_ISA
