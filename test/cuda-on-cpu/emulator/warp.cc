// The collectives of a warp: every lane that the mask names must come, and all must come to the same one.
#include <bit>

#include "state.h"

namespace emulator {

void collective(const char* name, unsigned mask, void* argument, void (*together)(Warp&, unsigned mask)) {
  Thread& self = *current;
  Warp& warp = *self.warp;
  const unsigned bit = 1u << self.lane;
  if (!(mask & bit)) fault("%s: the lane that calls is not in its mask %08x", name, mask);
  if (mask & ~warp.alive) fault("%s: mask %08x names lanes that returned or do not exist (lanes alive: %08x)", name, mask, warp.alive);
  int at = 0;
  while (at < warp.pending_count && warp.pending[at].mask != mask) {
    if (warp.pending[at].mask & mask)
      fault("%s: mask %08x overlaps the mask %08x of %s under way", name, mask, warp.pending[at].mask, warp.pending[at].name);
    at++;
  }
  if (at == warp.pending_count) warp.pending[warp.pending_count++] = {name, mask, 0};
  Collective& pending = warp.pending[at];
  if (pending.name != name) fault("divergent warp: a lane is at %s while others are at %s", name, pending.name);
  if (pending.arrived & bit) fault("%s: a lane arrived twice", name);
  pending.arrived |= bit;
  warp.argument[self.lane] = argument;
  if (pending.arrived != mask) {
    block_on(name);
    return;
  }
  for (int i = at + 1; i < warp.pending_count; i++)
    if (warp.pending[i].mask & mask) fault("%s: mask %08x overlaps the mask of %s under way", name, mask, warp.pending[i].name);
  pending = warp.pending[--warp.pending_count];
  if (together) together(warp, mask);
  for (unsigned left = mask & ~bit; left != 0; left &= left - 1) make_ready(warp.lane[std::countr_zero(left)]);
}

void syncwarp(unsigned mask) {
  collective("__syncwarp", mask, nullptr, [](Warp& warp, unsigned lanes) {
    if (observer) observer->warp_barrier(warp, lanes);
  });
}

namespace {
struct ShuffleArgument {
  Shuffle kind;
  int operand, width;
  uint64_t value, result;
};
struct VoteArgument {
  bool vote;
  unsigned result;
};
struct MatchArgument {
  uint64_t value;
  unsigned result;
};
struct ReduceArgument {
  Reduction kind;
  int64_t value, result;
};

template <class T, class F> void each(Warp& warp, unsigned mask, F f) {
  for (unsigned left = mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    f(lane, *static_cast<T*>(warp.argument[lane]));
  }
}

void exchange(Warp& warp, unsigned mask) {
  each<ShuffleArgument>(warp, mask, [&](int lane, ShuffleArgument& mine) {
    const int begin = lane & ~(mine.width - 1), end = begin + mine.width;
    int source = lane;
    switch (mine.kind) {
      case Shuffle::from: source = begin + (mine.operand & (mine.width - 1)); break;
      case Shuffle::up: source = lane - mine.operand >= begin ? lane - mine.operand : lane; break;
      case Shuffle::down: source = lane + mine.operand < end ? lane + mine.operand : lane; break;
      case Shuffle::exclusive_or: source = (lane ^ mine.operand) < end ? lane ^ mine.operand : lane; break;
    }
    if (!(mask >> source & 1)) fault("a shuffle reads lane %d, which is not in its mask %08x", source, mask);
    mine.result = static_cast<ShuffleArgument*>(warp.argument[source])->value;
  });
}
}  // namespace

uint64_t shuffle(Shuffle kind, unsigned mask, uint64_t value, int operand, int width) {
  static constexpr const char* names[] = {"__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync"};
  if (width <= 0 || width > 32 || (width & (width - 1)) != 0) fault("a shuffle of width %d", width);
  ShuffleArgument argument{kind, operand, width, value, 0};
  collective(names[int(kind)], mask, &argument, exchange);
  return argument.result;
}

unsigned ballot(unsigned mask, bool vote) {
  VoteArgument argument{vote, 0};
  collective("a vote of the warp", mask, &argument, [](Warp& warp, unsigned lanes) {
    unsigned result = 0;
    each<VoteArgument>(warp, lanes, [&](int lane, VoteArgument& a) { result |= unsigned(a.vote) << lane; });
    each<VoteArgument>(warp, lanes, [&](int, VoteArgument& a) { a.result = result; });
  });
  return argument.result;
}

unsigned match_any(unsigned mask, uint64_t value) {
  MatchArgument argument{value, 0};
  collective("__match_any_sync", mask, &argument, [](Warp& warp, unsigned lanes) {
    each<MatchArgument>(warp, lanes, [&](int, MatchArgument& mine) {
      each<MatchArgument>(warp, lanes, [&](int lane, MatchArgument& other) { mine.result |= unsigned(other.value == mine.value) << lane; });
    });
  });
  return argument.result;
}

int64_t reduce(Reduction kind, unsigned mask, int64_t value) {
  ReduceArgument argument{kind, value, 0};
  collective("__reduce_sync", mask, &argument, [](Warp& warp, unsigned lanes) {
    bool first = true;
    int64_t result = 0;
    each<ReduceArgument>(warp, lanes, [&](int, ReduceArgument& a) {
      const int64_t x = a.value;
      if (first) result = x;
      else switch (a.kind) {
          case Reduction::add: result += x; break;
          case Reduction::minimum: result = x < result ? x : result; break;
          case Reduction::maximum: result = x > result ? x : result; break;
          case Reduction::bit_and: result &= x; break;
          case Reduction::bit_or: result |= x; break;
          case Reduction::bit_xor: result ^= x; break;
        }
      first = false;
    });
    each<ReduceArgument>(warp, lanes, [&](int, ReduceArgument& a) { a.result = result; });
  });
  return argument.result;
}

}  // namespace emulator
