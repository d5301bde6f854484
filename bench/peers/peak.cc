// What this processor can do at most, on so many threads, in its widest registers: every line of the input asks for one
// or several of these and is answered by the sum of their times in microseconds.
//   {}                                   10^9 operations of float32 multiply-adds on independent registers, a
//                                        multiply-add being two
//   {"update":N}                         an update of N weights by Adam, as its formula says
//   {"update":N,"made":1}                the same, where gradients are taken as they are made and not from memory
//   {"rows":R,"length":L,"of":S}         a copy of R rows of L floats, taken in any order from S rows
//   {"multiplyAdds":N}                   N multiply-adds on independent registers, beside operations of products
//   {"functions":N}                      N values of 1 / (1 + exp(-x)), from registers to registers
//   {"exponentials":N}                   N values of exp(-x), from registers to registers
//   {"reads":R,"writes":W,"within":S}    R bytes read and W bytes written, in turn, around S bytes of memory
//   {"outputs":N,"taps":T}               N floats, each the sum of T multiply-adds on registers, stored in turn
//   {"pooled":N,"taps":T}                the same, but of four such sums the largest, or 0, is stored
//   {"loads":N}                          N floats loaded one after the other
//   {"times":S,"rows":R,"terms":K,"columns":C} S products of [R, K] times [K, C], whose factors lie packed in caches in
//                                        the order in which they are read; in registers lies what fits there of a
//                                        result
#include <sched.h>
#include <sys/mman.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

// As many chains as hide the latency of two units and still leave registers for both factors.
#if defined(__AVX512F__)
constexpr int width = 64, chains = 24;
#elif defined(__AVX2__)
constexpr int width = 32, chains = 12;
#else
constexpr int width = 16, chains = 12;
#endif

using Vector [[gnu::vector_size(width)]] = float;
using Integers [[gnu::vector_size(width)]] = std::int32_t;
constexpr int lanes = width / 4;

// Values that the compiler can't know and that differ, or it would compute ahead of time or one chain for all.
volatile float given[] = {0.999f, 1e-3f};

float sum_of(const Vector& vector) {
  float total = 0;
  for (int lane = 0; lane < lanes; lane++) total += vector[lane];
  return total;
}

Vector larger(Vector a, Vector b) {
#if defined(__AVX__)
  Vector result;  // no compiler flag but one that changes sums has a comparison become this
  asm("vmaxps %2, %1, %0" : "=v"(result) : "v"(a), "v"(b));
  return result;
#else
  return a > b ? a : b;
#endif
}

/** The compiler does not know the vector's value any more. */
void hide(Vector& vector) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(vector));
#else
  asm volatile("" : "+w"(vector));
#endif
}

float multiply_add(long repetitions) {
  const Vector factor = Vector{} + given[0], summand = Vector{} + given[1];
  Vector sums[chains];
  for (int i = 0; i < chains; i++) sums[i] = summand * static_cast<float>(i);
  for (long i = 0; i < repetitions; i++) {
#pragma GCC unroll 24
    for (Vector& sum : sums) sum = sum * factor + summand;
  }
  float total = 0;
  for (const Vector& sum : sums) total += sum_of(sum);
  return total;
}

/**
 * Powers of two by the exponent's bits, and the rest by a polynomial of degree 5: no function of float32 is cheaper.
 */
Vector exponential(Vector x) {
  constexpr float round = 12582912.0f;  // adding it leaves the nearest integer in the lowest bits
  const Vector shifted = x * -1.44269504f + round;
  const Vector rest = x * -1.44269504f - (shifted - round);
  Vector power = rest * 1.3333558e-3f + 9.6181291e-3f;
  power = power * rest + 5.5504109e-2f;
  power = power * rest + 2.4022651e-1f;
  power = power * rest + 6.9314718e-1f;
  power = power * rest + 1.0f;
  return (Vector)((Integers)power + ((Integers)shifted << 23));
}
Vector logistic(Vector x) { return 1.0f / (1.0f + exponential(x)); }

constexpr int streams = 4;
/** No value waits for the one before it. */
template <Vector function(Vector)> float functions(long repetitions) {
  const Vector step = Vector{} + given[1];
  Vector values[streams], sums[streams] = {};
  for (int i = 0; i < streams; i++) values[i] = step * static_cast<float>(i);
  for (long i = 0; i < repetitions; i++) {
#pragma GCC unroll 4
    for (int stream = 0; stream < streams; stream++) {
      sums[stream] += function(values[stream]);
      values[stream] += step;
    }
  }
  float total = 0;
  for (const Vector& sum : sums) total += sum_of(sum);
  return total;
}

/**
 * Floats in large pages, where the system has them, and each array beginning at another place of a page: what waits for
 * addresses, or for one set of a cache, is no bound.
 */
class Floats {
 public:
  Floats(long count, float value) {
    constexpr std::size_t large = std::size_t{2} << 20, apart = 832;
    static std::size_t arrays = 0;
    const std::size_t skip = arrays++ % 8 * apart;
    const std::size_t bytes = (static_cast<std::size_t>(count + skip) * sizeof(float) + large - 1) / large * large;
    memory_ = static_cast<float*>(std::aligned_alloc(large, bytes));
    madvise(memory_, bytes, MADV_HUGEPAGE);
    data_ = memory_ + skip;
    std::fill(data_, data_ + count, value);
  }
  Floats(const Floats&) = delete;
  ~Floats() { std::free(memory_); }
  float* data() const { return data_; }

 private:
  float *memory_, *data_;
};

/**
 * The square root of positive numbers. Where divisions keep the unit busy that takes roots, multiply-adds are quicker.
 */
Vector root_of(Vector v) {
#if defined(__AVX512F__)
  Vector estimate;
  asm("vrsqrt14ps %1, %0" : "=v"(estimate) : "v"(v));
  Vector root = v * estimate, half = estimate * 0.5f;
  const Vector lacking = 0.5f - root * half;
  root += root * lacking, half += half * lacking;
  return root + (v - root * root) * half;
#else
  Vector root;
  for (int lane = 0; lane < lanes; lane++) root[lane] = std::sqrt(v[lane]);
  return root;
#endif
}

/**
 * Adam without its corrections, which are the same for all weights: one pass over weights, gradients and two moments.
 * More than fits any cache need not be held: its time is multiplied.
 */
struct Update {
  static constexpr long most = 16L << 20;
  long vectors;
  bool made;
  Floats weights, gradients, first, second;

  Update(long count, bool made)
      : vectors((count + lanes - 1) / lanes),
        made(made),
        weights(vectors * lanes, 0),
        gradients(made ? lanes : vectors * lanes, 1e-3f),
        first(vectors * lanes, 0),
        second(vectors * lanes, 1e-6f) {}

  void pass() {
    const auto at = [](const Floats& floats, long i) { return floats.data() + i * lanes; };
    Vector g = Vector{} + 1e-3f, m, v, w;
    for (long i = 0; i < vectors; i++) {
      if (!made) std::memcpy(&g, at(gradients, i), sizeof g);
      std::memcpy(&m, at(first, i), sizeof m);
      std::memcpy(&v, at(second, i), sizeof v);
      std::memcpy(&w, at(weights, i), sizeof w);
      m += 0.1f * (g - m);
      v += 0.001f * (g * g - v);
      w -= 1e-6f * m / (root_of(v) + 1e-7f);
      std::memcpy(at(first, i), &m, sizeof m);
      std::memcpy(at(second, i), &v, sizeof v);
      std::memcpy(at(weights, i), &w, sizeof w);
    }
  }
};

struct Rows {
  long rows, length, of;
  Floats source, target;
  std::uint32_t state = 7;

  Rows(long rows, long length, long of) : rows(rows), length(length), of(of), source(of * length, 1), target(rows * length, 0) {}
  void pass() {
    for (long row = 0; row < rows; row++) {
      state = state * 1664525u + 1013904223u;
      const long from = static_cast<long>((static_cast<std::uint64_t>(state) * static_cast<std::uint64_t>(of)) >> 32);
      // the row after this one is known as well: a processor that waits for memory is no bound
      const std::uint32_t after = state * 1664525u + 1013904223u;
      const char* next = reinterpret_cast<const char*>(
          source.data() + static_cast<long>((static_cast<std::uint64_t>(after) * static_cast<std::uint64_t>(of)) >> 32) * length);
      for (long byte = 0; byte < length * 4; byte += 64) __builtin_prefetch(next + byte);
      std::memcpy(target.data() + row * length, source.data() + from * length, length * sizeof(float));
    }
  }
};

/** Reads and writes whole vectors, in the order in which they lie, and goes around the memory again and again. */
struct Traffic {
  static constexpr long most = 256L << 20;
  long reads, writes, vectors, at = 0;
  Floats memory;

  /** All in bytes. */
  Traffic(long reads, long writes, long within)
      : reads(reads / width), writes(writes / width), vectors(std::clamp(within, 4096L, most) / width), memory(vectors * lanes, 1) {}

  /** Calls f(first, count) for each piece of the next `count` vectors that lies in one piece. */
  template <class F> void walk(long count, F f) {
    while (count > 0) {
      const long piece = std::min(count, vectors - at);
      f(memory.data() + at * lanes, piece);
      count -= piece;
      at = at + piece == vectors ? 0 : at + piece;
    }
  }

  float pass() {
    Vector sums[streams] = {};
    walk(reads, [&](const float* from, long count) {
      long i = 0;
      for (; i + streams <= count; i += streams)
        for (int stream = 0; stream < streams; stream++) sums[stream] += vector_at(from, i + stream);
      for (; i < count; i++) sums[0] += vector_at(from, i);
    });
    const Vector value = Vector{} + given[1];
    walk(writes, [&](float* to, long count) {
      for (long i = 0; i < count; i++) std::memcpy(to + i * lanes, &value, sizeof value);
    });
    return sum_of(sums[0] + sums[1] + sums[2] + sums[3]);
  }

 private:
  static Vector vector_at(const float* from, long i) {
    Vector vector;
    std::memcpy(&vector, from + i * lanes, sizeof vector);
    return vector;
  }
};

/**
 * What a convolution can't do without. Its sums run on registers: no value is loaded for them. Each result is stored
 * once (`pooled`: the largest of four, or zero).
 */
template <bool pooled> struct Outputs {
  long count, taps;
  Floats to{count + chains * lanes, 0};
  Outputs(long count, long taps) : count(count), taps(taps) {}
  void pass() {
    const Vector factor = Vector{} + given[0], summand = Vector{} + given[1];
    constexpr long step = (pooled ? chains / 4 : chains) * lanes;
    for (float* at = to.data(); at < to.data() + count; at += step) {
      Vector sums[chains];
#pragma GCC unroll 24
      for (Vector& sum : sums) sum = summand, hide(sum);
      for (long i = 0; i < taps; i++) {
#pragma GCC unroll 24
        for (Vector& sum : sums) sum = sum * factor + summand;
      }
#pragma GCC unroll 24
      for (int i = 0; i < chains; i += pooled ? 4 : 1) {
        if constexpr (pooled) {
          const Vector most = larger(larger(sums[i], sums[i + 1]), larger(sums[i + 2], sums[i + 3]));
          const Vector result = larger(most, Vector{});
          std::memcpy(at + i / 4 * lanes, &result, sizeof result);
        } else {
          std::memcpy(at + i * lanes, &sums[i], sizeof sums[i]);
        }
      }
    }
  }
};

/** Reads its array, and does nothing with it. */
struct Loads {
  long count;
  Floats from{count + chains * lanes, 1e-3f};
  explicit Loads(long count) : count(count) {}
  void pass() const {
    for (const float* at = from.data(); at < from.data() + count; at += chains * lanes) {
#pragma GCC unroll 24
      for (int i = 0; i < chains; i++) {
        Vector value;
        std::memcpy(&value, at + i * lanes, sizeof value);
        hide(value);
      }
    }
  }
};

/**
 * A product, as loops that do nothing else: tiles of the result are summed in registers, over so many terms at a time
 * that the vectors of one factor stay in the first-level cache while they meet all rows. One piece of a product is held
 * and taken again and again. What is left out: packing factors, and what of them does not come from the caches in time.
 */
struct Product {
#if defined(__AVX512F__)
  static constexpr int tallest = 14;
#else
  static constexpr int tallest = 6;
#endif
  static constexpr long panel = 2 * lanes, most_terms = 256, most_columns = 512, most_rows = 512;
  long rows, terms, columns;
  bool adds;
  double share;  // of the product that is held
  Floats a, b, c;

  static long piece(long all, long most) {
    const long pieces = std::max(1L, (all + most - 1) / most);
    return (all + pieces - 1) / pieces;
  }
  Product(long of_rows, long of_terms, long of_columns)
      : rows(piece(of_rows, most_rows)),
        terms(piece(of_terms, most_terms)),
        columns((piece(of_columns, most_columns) + panel - 1) / panel * panel),
        adds(of_terms > most_terms),
        share(static_cast<double>(rows) * static_cast<double>(terms) * static_cast<double>(columns) /
              (static_cast<double>(of_rows) * static_cast<double>(of_terms) * static_cast<double>(of_columns))),
        a(rows * terms, 1e-3f),
        b(terms * columns, 1e-3f),
        c(rows * columns, 0) {}

  template <int height> static void tile(const float* a, const float* b, long terms, float* c, bool adds) {
    Vector sums[height][2];
#pragma GCC unroll 14
    for (int i = 0; i < height; i++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        sums[i][v] = Vector{};
        if (adds) std::memcpy(&sums[i][v], c + i * panel + v * lanes, sizeof sums[i][v]);
      }
    for (long k = 0; k < terms; k++, a += height, b += panel) {
      Vector factors[2];
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) std::memcpy(&factors[v], b + v * lanes, sizeof factors[v]);
#pragma GCC unroll 14
      for (int i = 0; i < height; i++) {
        const Vector value = a[i] - Vector{};  // a + 0 would turn -0 into 0: an addition
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) sums[i][v] = value * factors[v] + sums[i][v];
      }
    }
#pragma GCC unroll 14
    for (int i = 0; i < height; i++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) std::memcpy(c + i * panel + v * lanes, &sums[i][v], sizeof sums[i][v]);
  }
  template <int height> void meet(long tall, long row, long column) {
    if (tall != height) {
      if constexpr (height > 1) meet<height - 1>(tall, row, column);
      return;
    }
    tile<height>(a.data() + row * terms, b.data() + column * terms, terms, c.data() + column * rows + row * panel, adds);
  }

  void pass() {
    const long tiles = (rows + tallest - 1) / tallest;
    for (long column = 0; column < columns; column += panel)
      for (long i = 0; i < tiles; i++) meet<tallest>(rows * (i + 1) / tiles - rows * i / tiles, rows * i / tiles, column);
  }
};

struct Time {
  double microseconds = 0, processor = 0;
};

/** Keeps the calling thread on the i-th processor that it may use: two on one would measure half of the peak. */
void stay_on(int i) {
  cpu_set_t allowed, own;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_ZERO(&own);
  for (int processor = 0; processor < CPU_SETSIZE; processor++)
    if (CPU_ISSET(processor, &allowed) && i-- == 0) CPU_SET(processor, &own);
  if (CPU_COUNT(&own) == 1) sched_setaffinity(0, sizeof own, &own);
}

/**
 * The time of one repetition. `make` gives each thread what it does again and again; each does `1 / threads` of a
 * repetition.
 */
Time measure(int threads, std::chrono::milliseconds round, double repetitions_per_call,
             const std::function<std::function<void()>()>& make) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::function<void()>> works(threads);
  for (auto& work : works) work = make(), work();
  std::atomic<long> calls = 0;
  const Clock::time_point start = Clock::now();
  const std::clock_t processor = std::clock();
  const auto run = [&](int thread) {
    for (; Clock::now() < start + round; calls++) works[thread]();
  };
  std::vector<std::thread> others;
  if (threads > 1) {
    for (int i = 0; i < threads; i++) others.emplace_back([&run, i] { stay_on(i), run(i); });
  } else {
    run(0);
  }
  for (std::thread& other : others) other.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double busy = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
  const double scale = 1e6 / (repetitions_per_call * static_cast<double>(calls));
  return {seconds * scale, busy * scale};
}

/** The number after a key of the request, or 0. */
long number(const std::string& request, const char* key) {
  const std::size_t at = request.find('"' + std::string(key) + "\":");
  return at == std::string::npos ? 0 : std::atol(request.c_str() + at + std::strlen(key) + 3);
}

}  // namespace

int main(int, char** arguments) {
  const int threads = std::atoi(arguments[1]);
  const std::chrono::milliseconds round(std::atoi(arguments[2]));
  std::atomic<float> sink = 0;
  for (std::string request; std::getline(std::cin, request);) {
    std::vector<Time> times;
    constexpr long repetitions = 10'000;
    if (request == "{}") {
      times.push_back(
          measure(threads, round, 2.0 * lanes * chains * repetitions / 1e9, [&] { return [&] { sink = multiply_add(repetitions); }; }));
    }
    if (const long count = number(request, "multiplyAdds")) {
      times.push_back(measure(threads, round, 1.0 * lanes * chains * repetitions / static_cast<double>(count),
                              [&] { return [&] { sink = multiply_add(repetitions); }; }));
    }
    if (const long count = number(request, "functions")) {
      times.push_back(measure(threads, round, 1.0 * streams * lanes * repetitions / static_cast<double>(count),
                              [&] { return [&] { sink = functions<logistic>(repetitions); }; }));
    }
    if (const long count = number(request, "exponentials")) {
      times.push_back(measure(threads, round, 1.0 * streams * lanes * repetitions / static_cast<double>(count),
                              [&] { return [&] { sink = functions<exponential>(repetitions); }; }));
    }
    if (const long count = number(request, "update")) {
      const long held = std::min(count, Update::most) / threads;
      const bool made = number(request, "made") != 0;
      times.push_back(measure(threads, round, static_cast<double>(held) / static_cast<double>(count),
                              [&] { return [update = std::make_shared<Update>(held, made)] { update->pass(); }; }));
    }
    const long rows = number(request, "rows");
    if (const long terms = number(request, "terms")) {
      const long columns = number(request, "columns"), repeated = number(request, "times");
      const double share = Product(rows, terms, columns).share / static_cast<double>(repeated);
      times.push_back(
          measure(threads, round, share, [&] { return [held = std::make_shared<Product>(rows, terms, columns)] { held->pass(); }; }));
    } else if (rows > 0) {
      const long length = number(request, "length"), of = number(request, "of");
      times.push_back(measure(threads, round, 1.0, [&] { return [copy = std::make_shared<Rows>(rows, length, of)] { copy->pass(); }; }));
    }
    if (const long reads = number(request, "reads"), writes = number(request, "writes"); reads + writes > 0) {
      const long within = number(request, "within");
      times.push_back(measure(threads, round, 1.0, [&] {
        return [&sink, traffic = std::make_shared<Traffic>(reads, writes, within)] { sink = traffic->pass(); };
      }));
    }
    const long taps = number(request, "taps");
    const auto part = [&]<class Loop>(const char* key, auto... more) {
      const long count = number(request, key);
      if (count == 0) return;
      const auto make = [&] { return [loop = std::make_shared<Loop>(std::max(1L, count / threads), more...)] { loop->pass(); }; };
      times.push_back(measure(threads, round, 1.0 / threads, make));
    };
    part.operator()<Outputs<false>>("outputs", taps);
    part.operator()<Outputs<true>>("pooled", taps);
    part.operator()<Loads>("loads");
    Time sum;
    for (const Time& time : times) sum.microseconds += time.microseconds, sum.processor += time.processor;
    std::printf("{\"microseconds\":%.9g,\"processor\":%.9g,\"bits\":%d}\n", sum.microseconds, sum.processor, width * 8);
    std::fflush(stdout);
  }
}
