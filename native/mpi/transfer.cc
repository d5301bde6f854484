// How a collective travels: what MPI is asked for, and when it is done.
#include <algorithm>
#include <cstring>

#include "error.h"
#include "mpi/world.h"

namespace weft::mpi {
namespace {

/**
 * Bytes of a piece, and pieces that travel at a time. Of 25 and 100 MB over 1 Gbit/s and through shared memory no other
 * size from 256 KiB to 4 MiB was clearly quicker with both Open MPI 4.1 and MPICH 4.0.
 */
constexpr size_t most_bytes = size_t(1) << 20, most_flying = 4;
/**
 * So few bytes come with their message. More may be read out of the sender's memory: Open MPI 4.1 ends the process
 * where the receiver asks for less, or the sender has failed already. The wait for the comparison costs less than sums
 * of 16 KiB to 1 MiB vary from run to run (two ranks of one host, 0.35 to 1.5 ms each, with it and without).
 */
constexpr size_t few_bytes = 4096;

/** FNV-1a. */
uint64_t hash_of(const std::string& text) {
  uint64_t hash = 1469598103934665603ull;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * 1099511628211ull;
  return hash;
}

bool cut_in_pieces(const Collective& c) { return c.kind == Collective::Kind::all_reduce || c.kind == Collective::Kind::broadcast; }

}  // namespace

void World::check(int code, const char* function) const {
  if (code == 0) return;
  char text[1024] = {};
  int length = 0;
  mpi_.call.Error_string(code, text, &length);
  fail("ERR_DISTRIBUTED", function, ": ", text);
}

bool World::tested(Handle& request) const {
  int done = 0;
  check(mpi_.call.Test(&request, &done, mpi_.the.status_ignore), "MPI_Test");
  return done != 0;
}

Handle World::type_of(DType dtype) const {
  switch (dtype) {
    case DType::uint8: return mpi_.the.uint8;
    case DType::int32: return mpi_.the.int32;
    case DType::int64: return mpi_.the.int64;
    case DType::float16:
    case DType::bfloat16: return mpi_.the.uint16;
    case DType::float32: return mpi_.the.float32;
    case DType::float64: return mpi_.the.float64;
    default: fail("ERR_DTYPE", name_of(dtype), " cannot be reduced over ranks");
  }
}

Handle World::operation(const Collective& c) const {
  if (c.reduce == "sum") {
    if (c.dtype == DType::bfloat16) return sum_bfloat16_;
    return c.dtype == DType::float16 ? sum_float16_ : mpi_.the.sum;
  }
  const auto floats = extremes_.find(c.dtype);
  if (floats != extremes_.end()) return c.reduce == "max" ? floats->second.max : floats->second.min;
  return c.reduce == "max" ? mpi_.the.max : mpi_.the.min;
}

/** Throws where the collective cannot be done, on any rank. */
void World::accept(const Collective& c) const {
  if (!c.reduce.empty()) type_of(c.dtype), operation(c);
  require(cut_in_pieces(c) || c.elements * size_of(c.dtype) <= size_t(INT32_MAX), "ERR_DISTRIBUTED", c.what, ": at most 2 GiB at a time");
}

/**
 * Begins the comparison of what the ranks ask for, on a communicator of its own. Without that MPI would report another
 * size on one rank and success on the others, or wait.
 */
void World::compare(Pending& pending) {
  const Collective& c = pending.collective;
  const size_t bytes = c.elements * size_of(c.dtype);
  if (cut_in_pieces(c)) pending.pieces = std::max<size_t>(1, (bytes + most_bytes - 1) / most_bytes);
  pending.mine = {.signature = hash_of(c.what), .to = c.to, .from = c.from};
  pending.asked.resize(size_t(size_));
  check(mpi_.call.Iallgather(&pending.mine, sizeof pending.mine, mpi_.the.byte, pending.asked.data(), sizeof pending.mine, mpi_.the.byte,
                             control_communicator_, &pending.comparison),
        "MPI_Iallgather");
  if (c.given == c.taken || bytes == 0) return;
  if (c.kind == Collective::Kind::all_reduce || (c.kind == Collective::Kind::broadcast && rank_ == c.from))
    std::memcpy(c.taken, c.given, bytes);
}

/**
 * Begins pieces, as many as may travel at a time. Whether any was. Few bytes need not wait for the comparison.
 */
bool World::begin_pieces(Pending& pending) {
  const size_t before = pending.begun;
  const bool few = pending.collective.elements * size_of(pending.collective.dtype) <= few_bytes;
  while (pending.begun < pending.pieces && flying_ < most_flying && (pending.compared || few)) {
    const size_t flying = pending.flying.size();
    begin_piece(pending, pending.begun++);
    flying_ += pending.flying.size() - flying;
  }
  return pending.begun > before;
}

void World::begin_piece(Pending& pending, size_t piece) {
  const Collective& c = pending.collective;
  const size_t element = size_of(c.dtype), whole = c.elements * element;
  const size_t begin = cut_in_pieces(c) ? piece * most_bytes : 0, bytes = cut_in_pieces(c) ? std::min(whole - begin, most_bytes) : whole;
  char* const taken = static_cast<char*>(c.taken) + begin;
  const int count = int(bytes / element), size = int(bytes);
  Handle requests[2] = {};
  Handle* const request = &requests[0];
  switch (c.kind) {
    case Collective::Kind::all_reduce:
      check(mpi_.call.Iallreduce(mpi_.the.in_place, taken, count, type_of(c.dtype), operation(c), data_, request), "MPI_Iallreduce");
      break;
    case Collective::Kind::all_gather:
      check(mpi_.call.Iallgather(c.given, size, mpi_.the.byte, taken, size, mpi_.the.byte, data_, request), "MPI_Iallgather");
      break;
    case Collective::Kind::reduce_scatter:
      check(mpi_.call.Ireduce_scatter_block(c.given, taken, count / size_, type_of(c.dtype), operation(c), data_, request),
            "MPI_Ireduce_scatter_block");
      break;
    case Collective::Kind::broadcast: check(mpi_.call.Ibcast(taken, size, mpi_.the.byte, c.from, data_, request), "MPI_Ibcast"); break;
    case Collective::Kind::all_to_all:
      check(mpi_.call.Ialltoall(c.given, size / size_, mpi_.the.byte, taken, size / size_, mpi_.the.byte, data_, request), "MPI_Ialltoall");
      break;
    case Collective::Kind::send_receive:
      check(mpi_.call.Irecv(taken, size, mpi_.the.byte, c.from, 0, data_, request), "MPI_Irecv");
      pending.flying.push_back(*request);
      check(mpi_.call.Isend(c.given, size, mpi_.the.byte, c.to, 0, data_, request), "MPI_Isend");
      break;
  }
  pending.flying.push_back(*request);
}

/** Looks what is done. Whether anything was. */
bool World::test(Pending& pending) {
  bool changed = false;
  // the comparison first: where ranks ask for different things, the rest may never be done
  if (!pending.compared) {
    if (!tested(pending.comparison)) return false;
    look_for_differences(pending);
    pending.compared = changed = true;
  }
  for (size_t i = 0; i < pending.flying.size();) {
    if (!tested(pending.flying[i])) {
      i++;
      continue;
    }
    pending.flying.erase(pending.flying.begin() + ptrdiff_t(i));
    flying_--;
    changed = true;
  }
  return changed;
}

/** Fails where the ranks do not ask for the same. Every rank finds that, and nothing can follow. */
void World::look_for_differences(const Pending& pending) {
  const auto& asked = pending.asked;
  for (size_t rank = 0; rank < asked.size(); rank++)
    if (asked[rank].signature != pending.mine.signature) disagree(pending, int(rank));
  if (pending.collective.kind != Collective::Kind::send_receive) return;
  for (size_t rank = 0; rank < asked.size(); rank++) {
    const int to = asked[rank].to, from = asked[size_t(to)].from;
    require(from == int(rank), "ERR_DISTRIBUTED", "the ranks disagree: rank ", rank, " sends to rank ", to, ", which takes from rank ",
            from);
  }
}

/** The ranks tell each other what they asked for. */
void World::disagree(const Pending& pending, int other) {
  char mine[256] = {};
  std::strncpy(mine, pending.collective.what.c_str(), sizeof mine - 1);
  std::vector<char> all(sizeof mine * size_t(size_));
  Handle request = 0;
  check(
      mpi_.call.Iallgather(mine, sizeof mine, mpi_.the.byte, all.data(), sizeof mine, mpi_.the.byte, disagreement_communicator_, &request),
      "MPI_Iallgather");
  // a rank that is lost meanwhile does not answer
  for (int tests = 0; !tested(request) && tests < 100'000; tests++) std::this_thread::sleep_for(std::chrono::microseconds(50));
  fail("ERR_DISTRIBUTED", "the ranks disagree: rank ", rank_, " asks for ", mine, ", rank ", other, " for ",
       all.data() + size_t(other) * sizeof mine);
}

}  // namespace weft::mpi
