// Sums of gradients of which each rank gets its part. They travel from when the last gradient of a bucket is there,
// while other calls run. Gradients may travel as bfloat16: MPI would round such sums at each step, so each rank is sent
// the values for its part, and adds them up itself, in float32 and in the order of the ranks.
#include <algorithm>
#include <cstring>

#include "kernel_library.h"
#include "mpi/world.h"
#include "numbered.h"

namespace weft::mpi {
namespace {

/** What scatterBegin and scatterFinish of one program share. A run that fails between the two leaves it under way. */
struct Scatter {
  std::vector<char> given, taken;
  std::shared_ptr<Pending> pending;
  size_t length = 0;  // elements of the part of a rank
  bool halves = false;
  DType dtype = DType::float32;
  void settle() {
    if (pending) world().wait(*std::exchange(pending, nullptr));
  }
};

/** Copies, or rounds to bfloat16, `count` values. */
void put(bool halves, char* to, const char* from, size_t count, size_t element) {
  if (!halves) return void(std::memcpy(to, from, count * element));
  const float* const values = reinterpret_cast<const float*>(from);
  BFloat16* const rounded = reinterpret_cast<BFloat16*>(to);
  for (size_t i = 0; i < count; i++) rounded[i] = BFloat16(values[i]);
}

}  // namespace

/**
 * Puts the values, each cut into one part for each rank with zeros behind it, beside each other by rank, and begins
 * their exchange. The result is no value: the other half waits for it.
 */
KERNEL(cpu, scatterBegin) {
  const auto scatter = numbered<Scatter>(call.attrs.integer("bucket"));
  scatter->halves = call.attrs.integer("halves") != 0;
  scatter->dtype = call.in[0].dtype;
  const size_t ranks = size_t(world().size()), element = size_of(scatter->dtype), sent = scatter->halves ? 2 : element;
  const std::vector<View> in = call.in;
  scatter->length = 0;
  for (const View& one : in) {
    require(one.dtype == scatter->dtype, "ERR_DTYPE", "all values have one dtype");
    scatter->length += (size_t(one.size()) + ranks - 1) / ranks;
  }
  const size_t length = scatter->length;
  scatter->given.assign(ranks * length * sent, 0);
  scatter->taken.resize(scatter->halves ? ranks * length * sent : length * sent);
  Collective collective{.kind = scatter->halves ? Collective::Kind::all_to_all : Collective::Kind::reduce_scatter,
                        .dtype = scatter->halves ? DType::bfloat16 : scatter->dtype,
                        .reduce = "sum",
                        .elements = ranks * length,
                        .given = nullptr,
                        .taken = nullptr,
                        .what = call.op + " of " + name_of(scatter->dtype) + (scatter->halves ? " as bfloat16, " : ", ") +
                                std::to_string(in.size()) + " values in parts of " + std::to_string(length) + " elements"};
  return [=](const Frame& frame) {
    // what a failed run has left behind
    try {
      scatter->settle();
    } catch (const Error&) {}
    size_t at = 0;
    for (const View& one : in) {
      const size_t count = size_t(one.size()), part = (count + ranks - 1) / ranks;
      for (size_t rank = 0; rank < ranks; rank++) {
        const size_t from = std::min(count, rank * part);
        put(scatter->halves, scatter->given.data() + (rank * length + at) * sent, frame.at<char>(one) + from * element,
            std::min(part, count - from), element);
      }
      at += part;
    }
    Collective now = collective;
    now.given = scatter->given.data();
    now.taken = scatter->taken.data();
    scatter->pending = world().begin(std::move(now));
  };
}

/** Waits for the exchange, and gives this rank's parts of the sums. */
KERNEL(cpu, scatterFinish) {
  const auto scatter = numbered<Scatter>(call.attrs.integer("bucket"));
  const std::vector<View> out = call.out;
  call.waits = true;
  return [=](const Frame& frame) {
    scatter->settle();
    size_t at = 0;
    for (const View& one : out) {
      const size_t count = size_t(one.size());
      if (one.used() && !scatter->halves) {
        const size_t element = size_of(scatter->dtype);
        std::memcpy(frame.at<char>(one), scatter->taken.data() + at * element, count * element);
      } else if (one.used()) {
        float* const sum = frame.at<float>(one);
        const BFloat16* const values = reinterpret_cast<const BFloat16*>(scatter->taken.data()) + at;
        for (size_t i = 0; i < count; i++) sum[i] = float(values[i]);
        for (size_t rank = 1; rank < size_t(world().size()); rank++)
          for (size_t i = 0; i < count; i++) sum[i] += float(values[rank * scatter->length + i]);
      }
      at += count;
    }
  };
}

}  // namespace weft::mpi
