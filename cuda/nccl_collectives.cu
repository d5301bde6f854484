// Collectives of GPUs: NCCL's calls on a stream of their own, between two events. After each of them a small kernel
// looks whether the run is lost; then it raises a fault, so that no state takes what an abandoned collective has left.
#include "nccl_collectives.cuh"

namespace weft::cuda {
namespace {

Step refuse(Call&) {
  fail("ERR_NO_DEVICE", "the ranks of this run meet on GPUs, and the tensor lies on the CPU: write x.to(device()) first");
}

/** One thread: raises a fault where the run is lost. */
__global__ void raise_if_lost(const volatile int32_t* lost, Fault* fault, int32_t call) {
  if (threadIdx.x == 0 && *lost != 0) raise(fault, call, lost_value);
}

}  // namespace

void look_for_loss(const Frame& frame) {
  launch(frame, {.grid = dim3(1), .block = dim3(32)}, raise_if_lost, nccl_world().lost(), frame.fault, frame.call);
}

std::vector<std::pair<std::string, Bind>>& collectives() {
  static std::vector<std::pair<std::string, Bind>> list;
  return list;
}

std::string described(Call& call, const std::string& detail) {
  require(nccl_world().is_open(), "ERR_DISTRIBUTED",
          "the ranks of this run do not meet on GPUs; call distributed.init({ engine: 'nccl' }) for tensors that lie there");
  const View& in = call.in[0];
  std::string what = call.op + " of " + name_of(in.dtype) + "[";
  for (size_t i = 0; i < in.dims.size(); i++) what += (i == 0 ? "" : ",") + std::to_string(in.dims[i]);
  call.waits = call.raises = true;
  return what + "]" + (detail.empty() ? "" : ", " + detail);
}

namespace {

using Enqueue = std::function<void(const void* given, void* taken, cudaStream_t stream)>;

/** A call whose one input is sent and whose one output is received. */
Step moved(const Call& call, const std::string& what, Enqueue enqueue) {
  const View in = call.in[0], out = call.out[0];
  return [=](const Frame& frame) {
    NcclWorld& world = nccl_world();
    world.enqueue(stream_of(frame), what, [&](cudaStream_t stream) { enqueue(frame.at<char>(in), frame.at<char>(out), stream); });
    world.join(stream_of(frame));
    look_for_loss(frame);
  };
}

}  // namespace

void NcclWorld::give_kernels(Registry& to) {
  for (const auto& [op, bind] : collectives()) {
    to.define("cuda", op, 0, bind);
    to.define("cpu", op, 0, refuse);
  }
}

COLLECTIVE(allReduce) {
  const std::string reduce = call.attrs.text("reduce"), what = described(call, reduce);
  const int type = nccl_type(call.in[0].dtype), operation = nccl_operation(reduce);
  const size_t count = size_t(call.in[0].size());
  call.in_place(0, 0);
  const auto reduction = [=](const void* given, void* taken, int of, cudaStream_t stream) {
    const NcclWorld& world = nccl_world();
    check(world.nccl().AllReduce(given, taken, count, of, operation, world.communicator(), stream), "AllReduce");
  };
  if (needs_keys(reduce, call.in[0].dtype)) return reduced_by_keys(call, what, reduce, reduction);
  return moved(call, what, [=](const void* given, void* taken, cudaStream_t stream) { reduction(given, taken, type, stream); });
}

COLLECTIVE(allGather) {
  const size_t bytes = call.in[0].bytes();
  return moved(call, described(call, ""), [=](const void* given, void* taken, cudaStream_t stream) {
    const NcclWorld& world = nccl_world();
    check(world.nccl().AllGather(given, taken, bytes, nccl_bytes, world.communicator(), stream), "AllGather");
  });
}

COLLECTIVE(reduceScatter) {
  const std::string reduce = call.attrs.text("reduce"), what = described(call, reduce);
  const int type = nccl_type(call.in[0].dtype), operation = nccl_operation(reduce);
  const size_t of_each = size_t(call.out[0].size());
  const auto reduction = [=](const void* given, void* taken, int of, cudaStream_t stream) {
    const NcclWorld& world = nccl_world();
    check(world.nccl().ReduceScatter(given, taken, of_each, of, operation, world.communicator(), stream), "ReduceScatter");
  };
  if (needs_keys(reduce, call.in[0].dtype)) return reduced_by_keys(call, what, reduce, reduction);
  return moved(call, what, [=](const void* given, void* taken, cudaStream_t stream) { reduction(given, taken, type, stream); });
}

COLLECTIVE(broadcast) {
  const int root = int(call.attrs.integer("root"));
  const size_t bytes = call.in[0].bytes();
  call.in_place(0, 0);
  return moved(call, described(call, "root " + std::to_string(root)), [=](const void* given, void* taken, cudaStream_t stream) {
    const NcclWorld& world = nccl_world();
    check(world.nccl().Broadcast(given, taken, bytes, nccl_bytes, root, world.communicator(), stream), "Broadcast");
  });
}

COLLECTIVE(allToAll) {
  const std::string what = described(call, "");
  const int size = nccl_world().size();
  const size_t bytes = call.in[0].bytes() / size_t(size);
  return moved(call, what, [=](const void* given, void* taken, cudaStream_t stream) {
    const NcclCommunicator communicator = nccl_world().communicator();
    together([&](const Nccl& nccl) {
      for (int peer = 0; peer < size; peer++) {
        const size_t at = size_t(peer) * bytes;
        check(nccl.Send(static_cast<const char*>(given) + at, bytes, nccl_bytes, peer, communicator, stream), "Send");
        check(nccl.Recv(static_cast<char*>(taken) + at, bytes, nccl_bytes, peer, communicator, stream), "Recv");
      }
    });
  });
}

COLLECTIVE(sendRecv) {
  const std::string what = described(call, "");  // peers differ from rank to rank
  const int to = int(call.attrs.integer("to")), from = int(call.attrs.integer("from"));
  const size_t bytes = call.in[0].bytes();
  return moved(call, what, [=](const void* given, void* taken, cudaStream_t stream) {
    const NcclCommunicator communicator = nccl_world().communicator();
    together([&](const Nccl& nccl) {
      check(nccl.Send(given, bytes, nccl_bytes, to, communicator, stream), "Send");
      check(nccl.Recv(taken, bytes, nccl_bytes, from, communicator, stream), "Recv");
    });
  });
}

}  // namespace weft::cuda
