// The collectives as kernels of the CPU, and the engine for the addon. A step hands its collective to the thread that
// talks to MPI, and waits for it.
#include <cstring>

#include "kernel_library.h"
#include "mpi/world.h"
#include "numbered.h"

WEFT_KERNEL_LIBRARY

/** The engine of this library, for the addon. */
extern "C" __attribute__((visibility("default"))) weft::Engine* weft_engine() { return &weft::mpi::world(); }

namespace weft::mpi {
namespace {

/** The collective of a call, without memory: what all ranks have to ask for alike. */
Collective described(Call& call, Collective::Kind kind, const std::string& detail) {
  const View& in = call.in[0];
  std::string what = call.op + " of " + name_of(in.dtype) + "[";
  for (size_t i = 0; i < in.dims.size(); i++) what += (i == 0 ? "" : ",") + std::to_string(in.dims[i]);
  what += "]" + (detail.empty() ? "" : ", " + detail);
  call.waits = true;
  return {.kind = kind, .dtype = in.dtype, .reduce = "", .elements = size_t(in.size()), .given = nullptr, .taken = nullptr, .what = what};
}

Step done_by_mpi(const Call& call, const Collective& collective) {
  const View in = call.in[0], out = call.out[0];
  return [=](const Frame& frame) {
    Collective now = collective;
    now.given = frame.at<char>(in);
    now.taken = frame.at<char>(out);
    world().wait(*world().begin(std::move(now)));
  };
}

void put_flag(DType dtype, void* to, bool raised) {
  dispatch<float, double, int32_t, BFloat16, Float16>(dtype, [&]<class T>() {
    *static_cast<T*>(to) = T(raised ? 1 : 0);
    return 0;
  });
}

/** Some rank has met a bad value. It reports that itself; the others fail with its number and the value. */
void share_fault(const Frame& frame) {
  struct Met {
    int32_t call;
    int32_t unused;
    int64_t value;
  };
  const Met mine{frame.fault->call.load(), 0, frame.fault->value};
  std::vector<Met> all(size_t(world().size()));
  world().wait(*world().begin({.kind = Collective::Kind::all_gather,
                               .dtype = DType::uint8,
                               .reduce = "",
                               .elements = sizeof mine,
                               .given = &mine,
                               .taken = all.data(),
                               .what = "the bad values of a step"}));
  if (mine.call >= 0) return;
  for (size_t rank = 0; rank < all.size(); rank++)
    if (all[rank].call >= 0)
      fail("ERR_DATA", "rank ", rank, " has met a bad value, ", all[rank].value, "; its own error names the operation and the layer");
}

}  // namespace

KERNEL(cpu, allReduce) {
  Collective collective = described(call, Collective::Kind::all_reduce, call.attrs.text("reduce"));
  collective.reduce = call.attrs.text("reduce");
  call.in_place(0, 0);
  return done_by_mpi(call, collective);
}

KERNEL(cpu, allGather) { return done_by_mpi(call, described(call, Collective::Kind::all_gather, "")); }

KERNEL(cpu, reduceScatter) {
  Collective collective = described(call, Collective::Kind::reduce_scatter, call.attrs.text("reduce"));
  collective.reduce = call.attrs.text("reduce");
  return done_by_mpi(call, collective);
}

KERNEL(cpu, broadcast) {
  const int root = int(call.attrs.integer("root"));
  Collective collective = described(call, Collective::Kind::broadcast, "root " + std::to_string(root));
  collective.from = root;
  call.in_place(0, 0);
  return done_by_mpi(call, collective);
}

KERNEL(cpu, allToAll) { return done_by_mpi(call, described(call, Collective::Kind::all_to_all, "")); }

KERNEL(cpu, sendRecv) {
  Collective collective = described(call, Collective::Kind::send_receive, "");  // peers differ from rank to rank
  collective.to = int(call.attrs.integer("to"));
  collective.from = int(call.attrs.integer("from"));
  return done_by_mpi(call, collective);
}

/**
 * Sums of many values, which travel together: the gradients of a step. A flag travels with them, which says that a rank
 * has met a bad value. Then the step fails on every rank, and none commits it.
 */
KERNEL(cpu, allReduceMany) {
  Collective collective = described(call, Collective::Kind::all_reduce, "");
  collective.reduce = "sum";
  size_t bytes = 0;
  for (size_t i = 0; i < call.in.size(); i++) {
    require(call.in[i].dtype == collective.dtype, "ERR_DTYPE", "all values have one dtype");
    bytes += call.in[i].bytes();
    call.in_place(i, i);
  }
  const size_t element = size_of(collective.dtype), flag = bytes;
  const View bucket = call.scratch(bytes + element);
  collective.elements = bytes / element + 1;
  collective.what += " and others, " + std::to_string(call.in.size()) + " values of " + std::to_string(bytes / element) +
                     " elements, of a batch of " + std::to_string(call.attrs.integer("rows")) + " rows";
  const std::vector<View> in = call.in, out = call.out;
  return [=](const Frame& frame) {
    char* const begin = frame.at<char>(bucket);
    char* at = begin;
    for (const View& one : in) std::memcpy(at, frame.at<char>(one), one.bytes()), at += one.bytes();
    const std::vector<char> none(element, 0);
    put_flag(collective.dtype, begin + flag, frame.fault->raised());
    Collective now = collective;
    now.given = now.taken = begin;
    world().wait(*world().begin(std::move(now)));
    if (std::memcmp(begin + flag, none.data(), element) != 0) share_fault(frame);
    at = begin;
    for (const View& one : out) {
      if (one.used()) std::memcpy(frame.at<char>(one), at, one.bytes());
      at += one.bytes();
    }
  };
}

namespace {

/**
 * What allReduceBegin and allReduceFinish of one program share. Its memory is no part of the program's arena: where a
 * run fails between the two, the values still travel.
 */
struct Bucket {
  std::vector<char> memory;
  std::shared_ptr<Pending> pending;
  void settle() {
    if (pending) world().wait(*std::exchange(pending, nullptr));
  }
};

}  // namespace

/**
 * Copies the values into a bucket, whose sum over the ranks begins. The result is no value: the other half waits for
 * it.
 */
KERNEL(cpu, allReduceBegin) {
  Collective collective = described(call, Collective::Kind::all_reduce, "");
  collective.reduce = "sum";
  size_t bytes = 0;
  for (const View& one : call.in) bytes += one.bytes();
  const auto bucket = numbered<Bucket>(call.attrs.integer("bucket"));
  bucket->memory.resize(bytes);
  collective.elements = bytes / size_of(collective.dtype);
  collective.what += " and others, " + std::to_string(call.in.size()) + " values of " + std::to_string(collective.elements) + " elements";
  const std::vector<View> in = call.in;
  return [=](const Frame& frame) {
    // what a failed run has left behind
    try {
      bucket->settle();
    } catch (const Error&) {}
    char* at = bucket->memory.data();
    for (const View& one : in) std::memcpy(at, frame.at<char>(one), one.bytes()), at += one.bytes();
    Collective now = collective;
    now.given = now.taken = bucket->memory.data();
    bucket->pending = world().begin(std::move(now));
  };
}

/** Waits for the sum, and copies the values out of the bucket. */
KERNEL(cpu, allReduceFinish) {
  const auto bucket = numbered<Bucket>(call.attrs.integer("bucket"));
  const std::vector<View> out = call.out;
  call.waits = true;
  return [=](const Frame& frame) {
    bucket->settle();
    const char* at = bucket->memory.data();
    for (const View& one : out) {
      if (one.used()) std::memcpy(frame.at<char>(one), at, one.bytes());
      at += one.bytes();
    }
  };
}

}  // namespace weft::mpi
