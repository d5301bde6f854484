// The most float32 multiply-adds this processor can do: independent chains in its widest registers, on so many threads.
// Every line of the input is answered by the time of 10^9 operations, a multiply-add being two.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
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
constexpr int lanes = width / 4;

float multiply_add(long repetitions) {
  // Values that the compiler can't know and that differ, or it would compute ahead of time or one chain for all.
  volatile float given[] = {0.999f, 1e-3f};
  const Vector factor = Vector{} + given[0], summand = Vector{} + given[1];
  Vector sums[chains];
  for (int i = 0; i < chains; i++) sums[i] = summand * static_cast<float>(i);
  for (long i = 0; i < repetitions; i++) {
#pragma GCC unroll 24
    for (Vector& sum : sums) sum = sum * factor + summand;
  }
  float total = 0;
  for (const Vector& sum : sums)
    for (int lane = 0; lane < lanes; lane++) total += sum[lane];
  return total;
}

}  // namespace

int main(int, char** arguments) {
  using Clock = std::chrono::steady_clock;
  const int threads = std::atoi(arguments[1]);
  const std::chrono::milliseconds round(std::atoi(arguments[2]));
  for (int character; (character = std::getchar()) != EOF;) {
    if (character != '\n') continue;
    constexpr long repetitions = 10'000;
    std::atomic<long> blocks = 0;
    std::atomic<float> sink = 0;
    const Clock::time_point start = Clock::now();
    const std::clock_t processor = std::clock();
    const auto work = [&] {
      for (; Clock::now() < start + round; blocks++) sink = multiply_add(repetitions);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double busy = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
    const double scale = 1e6 * 1e9 / (2.0 * lanes * chains * repetitions * static_cast<double>(blocks));
    std::printf("{\"microseconds\":%.9g,\"processor\":%.9g,\"bits\":%d}\n", seconds * scale, busy * scale, width * 8);
    std::fflush(stdout);
  }
}
