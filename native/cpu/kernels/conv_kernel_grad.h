// The gradient of a convolution's kernel: [kh, kw, c / groups, o] tiles summed over the pixels of a band.
#pragma once
#include "conv_few.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

template <class T> class KernelGrad {
 public:
  KernelGrad() = default;
  WEFT_BINDER KernelGrad(Call& call, const ConvShape& shape) : s_(shape) {
    merged_ = s_.groups == 1 && s_.dilation_w == 1;
    gathered_ = s_.groups == 1 && s_.kw * s_.c <= gathered_rows;
    if constexpr (sizeof(T) == 4) few_ = has_few_channels(s_);
    pack_g_ = s_.group_o() > tile_columns<T> && !few_;
    if (pack_g_) panel_ = ThreadScratch(call, size_t(band_rows() * s_.ow * tile_columns<T>) * sizeof(T));
    for (int64_t r = 0; r < s_.kh; r++)
      for (int64_t i = 0; i < s_.kw * s_.c && gathered_; i++) places_.push_back({r, i / s_.c * s_.dilation_w * s_.c + i % s_.c});
  }

  /**
   * How many output rows suit a band: about 256 pixels. A panel of the gradient then stays in the first-level cache.
   */
  int64_t band_rows() const {
    const int64_t pixels = s_.depth() * s_.o > (1 << 18) ? 1024 : 256;
    return std::clamp<int64_t>(pixels / std::max<int64_t>(1, s_.ow), 1, std::max<int64_t>(1, s_.oh));
  }
  int64_t elements() const { return s_.depth() * s_.o; }

  /**
   * A band of output rows: the input rows they read (as for ForwardConv), their gradient, and what the next band will
   * read.
   */
  struct Band {
    const T* in;
    int64_t pitch;                   // elements between rows of in
    const T* g;                      // o channels per pixel
    int64_t g_pitch, rows, columns;  // rows <= band_rows(), columns <= ow
    NextInput<T> next_in{nullptr, 0}, next_g{nullptr, 0};
    bool first = false;  // of its sum: dk holds nothing yet
  };
  /** Whether the first band of a sum can store what the others add to. */
  bool stores_first() const { return !few_; }

  /** Adds the band's part of the gradient to dk. */
  void add(const Frame& frame, int thread, const Band& band, T* dk) const {
    if constexpr (sizeof(T) == 4 && has_few_channels_kernels)
      if (few_)
        return add_few_channels_grad(
            {band.in, band.pitch, s_.stride_h * band.pitch, band.g, band.g_pitch, s_.o, s_.c, band.rows, band.columns}, dk);
    const int64_t group_c = s_.group_c(), group_o = s_.group_o(), pitch = band.pitch, rows = band.rows, columns = band.columns;
    const int64_t runs = merged_ ? 1 : s_.kw, length = merged_ ? s_.kw * group_c : group_c;
    const bool keeps = tiles_keep<T> && pack_g_ && !gathered_ && length >= least_keeping_rows;
    const int64_t panels = s_.groups * tiles_in(group_o, int(tile_columns<T>));
    const int64_t calls = panels * (gathered_ ? tiles_in(s_.depth(), gathered_rows) : s_.kh * runs * tiles_in(length, tile_rows));
    const int64_t others = keeps ? std::max<int64_t>(1, calls - panels) : calls;  // tiles that do not wait for memory themselves
    Ahead ahead_in(band.next_in.from, band.next_in.elements, others / 2),
        ahead_g(band.next_g.from, band.next_g.elements, others - others / 2);
    int64_t call = 0;
    MicroTile<T> tile;
    tile.k = columns;
    tile.outer = rows;
    tile.a_step = s_.stride_w * s_.c;
    tile.a_outer = s_.stride_h * pitch;
    tile.a_row = 1;
    tile.c_row = s_.o;
    tile.accumulate = !band.first;
    std::vector<int64_t> at(places_.size());
    for (size_t i = 0; i < at.size(); i++) at[i] = places_[i].row * s_.dilation_h * pitch + places_[i].shift;
    for (int64_t group = 0; group < s_.groups; group++) {
      for (int64_t j = 0; j < group_o; j += tile_columns<T>) {
        const int64_t channel = group * group_o + j, w = std::min(tile_columns<T>, group_o - j);
        const int vectors = vectors_for<T>(w);
        tile.last = last_mask<T>(w);
        T* const panel = pack_g_ ? panel_.template at<T>(frame, thread) : nullptr;
        // the first tile packs the panel as it reads it
        T* keep = keeps && vectors == 2 ? panel : nullptr;
        if (panel && !keep) {
          for (int64_t y = 0; y < rows; y++)
            pack_panels<T>({band.g + y * band.g_pitch + channel, s_.o, 1}, columns, w, 0, 1, panel + y * columns * tile_columns<T>);
          tile.b = panel;
          tile.b_step = tile_columns<T>;
          tile.b_outer = columns * tile_columns<T>;
        } else {
          tile.b = band.g + channel;
          tile.b_step = s_.o;
          tile.b_outer = band.g_pitch;
        }
        if (gathered_) {
          for_tiles(s_.depth(), gathered_rows, [&](int64_t r0, int64_t r1) {
            (call++ % 2 ? ahead_in : ahead_g).give(tile);
            tile.a = band.in;
            tile.rows_at = at.data() + r0;
            tile.c = dk + r0 * s_.o + channel;
            multiply_gathered_tile(tile, int(r1 - r0), vectors);
          });
          continue;
        }
        for (int64_t r = 0; r < s_.kh; r++)
          for (int64_t run = 0; run < runs; run++)
            for_tiles(length, tile_rows, [&](int64_t i0, int64_t i1) {
              tile.keep_b = keep;
              if (keep) tile.ahead_lines = 0;  // the tile waits for memory itself
              else (call++ % 2 ? ahead_in : ahead_g).give(tile);
              tile.a = band.in + r * s_.dilation_h * pitch + run * s_.dilation_w * s_.c + group * group_c + i0;
              tile.c = dk + ((r * runs + run) * length + i0) * s_.o + channel;
              multiply_tile(tile, int(i1 - i0), vectors);
              if (!keep) return;
              keep = nullptr;
              tile.b = panel;
              tile.b_step = tile_columns<T>;
              tile.b_outer = columns * tile_columns<T>;
            });
      }
    }
  }

 private:
  struct Place {
    int64_t row, shift;
  };
  ConvShape s_{};
  bool merged_ = false, gathered_ = false, pack_g_ = false, few_ = false;
  ThreadScratch panel_;
  std::vector<Place> places_;  // kernel position of each row of dk
};

/** How many partial sums are worth their memory: at most `most`, and fewer for large kernels. */
inline int64_t partial_sums(int64_t elements, int64_t most) {
  return std::clamp<int64_t>((int64_t(1) << 21) / std::max<int64_t>(1, elements), 2, most);
}

/** Adds up `count` arrays of n elements in their order. The arrays are `pitch` elements apart. */
template <class T> void add_partial_sums(const T* parts, int64_t count, int64_t pitch, int64_t n, T* to) {
  constexpr int64_t lanes = lanes_of<T>;
  parallel_range(n, 1 << 13, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + 2 * lanes <= end; i += 2 * lanes) {  // each element is stored once
      auto low = load(parts + i), high = load(parts + i + lanes);
      for (int64_t part = 1; part < count; part++) {
        const T* from = parts + part * pitch + i;
        low = low + load(from), high = high + load(from + lanes);
      }
      store(to + i, low), store(to + i + lanes, high);
    }
    for (; i < end; i++) {
      T sum = parts[i];
      for (int64_t part = 1; part < count; part++) sum += parts[part * pitch + i];
      to[i] = sum;
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
