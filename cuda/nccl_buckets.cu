// Gradients of a step on GPUs: many values that travel as one, side by side in a bucket. Where a rank has met a bad
// value, that travels along, and the step fails on every rank.

#include "copies.h"
#include "nccl_collectives.cuh"
#include "numbered.h"

namespace weft::cuda {
namespace {

/** One thread: what this rank tells the others. */
__global__ void tell_fault(const Fault* fault, Met* mine) {
  if (threadIdx.x > 0) return;
  const int32_t call = *reinterpret_cast<const volatile int32_t*>(fault);
  *mine = {call, 0, call < 0 ? 0 : *reinterpret_cast<const int64_t*>(reinterpret_cast<const char*>(fault) + 8)};
}

/**
 * One thread: the first rank that has met a bad value fails the others. It names that rank and the value's low bits.
 */
__global__ void share_fault(const Met* all, int size, const volatile int32_t* lost, Fault* fault, int32_t call) {
  if (threadIdx.x > 0) return;
  if (*lost != 0) return raise(fault, call, lost_value);
  int rank = 0;
  while (rank < size && all[rank].call < 0) rank++;
  if (rank < size) raise(fault, call, int64_t(uint64_t(rank) << 48 | (uint64_t(all[rank].value) & 0xffffffffffffull)));
}

/** Values that lie side by side while they travel. */
struct Bundle {
  std::vector<View> in;
  std::vector<size_t> at;
  size_t bytes = 0;
  int type;
  size_t elements;

  explicit Bundle(const std::vector<View>& values) : in(values), type(nccl_type(values[0].dtype)) {
    const DType dtype = values[0].dtype;
    for (const View& one : values) {
      require(one.dtype == dtype, "ERR_DTYPE", "all values have one dtype");
      at.push_back(bytes);
      bytes += one.bytes();
    }
    elements = bytes / size_of(dtype);
  }
  std::string described() const {
    return " and others, " + std::to_string(in.size()) + " values of " + std::to_string(elements) + " elements";
  }
  void pack(const Frame& frame, char* bucket) const {
    std::vector<Copy> copies;
    for (size_t i = 0; i < in.size(); i++)
      if (in[i].bytes() > 0) copies.push_back({bucket + at[i], frame.at<char>(in[i]), in[i].bytes()});
    copy_all(stream_of(frame), copies, nullptr);
  }
  static void unpack(const Frame& frame, const std::vector<View>& out, const char* bucket) {
    std::vector<Copy> copies;
    for (const View& one : out) {
      if (one.used() && one.bytes() > 0) copies.push_back({frame.at<char>(one), bucket, one.bytes()});
      bucket += one.bytes();
    }
    copy_all(stream_of(frame), copies, nullptr);
  }
};

}  // namespace

/**
 * Sums of many values, which travel together: the gradients of a step. With them each rank tells whether it has met a
 * bad value. Then the step fails on every rank, and none commits it.
 */
COLLECTIVE(allReduceMany) {
  const std::string first = described(call, "");
  const Bundle bundle(call.in);
  const std::string what = first + bundle.described() + ", of a batch of " + std::to_string(call.attrs.integer("rows")) + " rows";
  for (size_t i = 0; i < call.in.size(); i++) call.in_place(i, i);
  const int size = nccl_world().size();
  const View bucket = call.scratch(bundle.bytes), mine = call.scratch(sizeof(Met)), all = call.scratch(size_t(size) * sizeof(Met));
  const std::vector<View> out = call.out;
  return [=](const Frame& frame) {
    NcclWorld& world = nccl_world();
    char* const values = frame.at<char>(bucket);
    bundle.pack(frame, values);
    launch(frame, {.grid = dim3(1), .block = dim3(32)}, tell_fault, static_cast<const Fault*>(frame.fault), frame.at<Met>(mine));
    world.enqueue(stream_of(frame), what, [&](cudaStream_t stream) {
      together([&](const Nccl& nccl) {
        check(nccl.AllReduce(values, values, bundle.elements, bundle.type, nccl_operation("sum"), world.communicator(), stream),
              "AllReduce");
        check(nccl.AllGather(frame.at<char>(mine), frame.at<char>(all), sizeof(Met), nccl_bytes, world.communicator(), stream),
              "AllGather");
      });
    });
    world.join(stream_of(frame));
    launch(frame, {.grid = dim3(1), .block = dim3(32)}, share_fault, static_cast<const Met*>(frame.at<Met>(all)), size, world.lost(),
           frame.fault, frame.call);
    Bundle::unpack(frame, out, values);
  };
}

namespace {

/**
 * What allReduceBegin and allReduceFinish of one program share. Its memory is no part of the program's arena, whose
 * planner does not know that the values travel between the two.
 */
struct Bucket {
  char* values = nullptr;
  cudaEvent_t there = nullptr;
  Bucket() = default;
  Bucket(const Bucket&) = delete;
  ~Bucket() {
    release();
    if (there != nullptr) cudaEventDestroy(there);
  }
  void allocate(size_t bytes) {
    release();
    values = static_cast<char*>(nccl_world().device().allocate(bytes));
    require(values != nullptr, "ERR_OUT_OF_MEMORY", "the device has no ", bytes, " bytes left for a bucket of gradients");
    if (there == nullptr) check(cudaEventCreateWithFlags(&there, cudaEventDisableTiming), "event");
  }
  void release() {
    if (values != nullptr) nccl_world().device().release(std::exchange(values, nullptr));
  }
};

}  // namespace

/**
 * Copies the values into a bucket, whose sum over the ranks begins. The result is no value: the other half waits for
 * it.
 */
COLLECTIVE(allReduceBegin) {
  const std::string first = described(call, "");
  const Bundle bundle(call.in);
  const std::string what = first + bundle.described();
  const auto bucket = numbered<Bucket>(call.attrs.integer("bucket"));
  nccl_world().device().use();
  bucket->allocate(bundle.bytes);
  return [=](const Frame& frame) {
    NcclWorld& world = nccl_world();
    char* const values = bucket->values;
    bundle.pack(frame, values);
    world.enqueue(stream_of(frame), what, [&](cudaStream_t stream) {
      check(world.nccl().AllReduce(values, values, bundle.elements, bundle.type, nccl_operation("sum"), world.communicator(), stream),
            "AllReduce");
    });
    world.mark(bucket->there);
  };
}

/** Waits for the sum, and copies the values out of the bucket. */
COLLECTIVE(allReduceFinish) {
  const auto bucket = numbered<Bucket>(call.attrs.integer("bucket"));
  const std::vector<View> out = call.out;
  call.waits = call.raises = true;
  return [=](const Frame& frame) {
    NcclWorld::join(stream_of(frame), bucket->there);
    look_for_loss(frame);
    Bundle::unpack(frame, out, bucket->values);
  };
}

}  // namespace weft::cuda
