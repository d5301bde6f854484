// Binds groups of calls as one kernel. A group is a run of pointwise calls of one shape (Chains), or a call with
// neighbours that share a value with it alone (Join).
#include "join.h"

#include <algorithm>

namespace weft {
namespace {

/** Which call writes each slot of a graph, and how often it is read. */
struct Traffic {
  std::vector<int> reads;  // of each slot: how often calls read it, and whether it is read after the last call
  std::vector<int> maker;  // of each slot of the arena: the call that writes it, or -1

  Traffic(const ProgramSpec& spec, const std::vector<Call>& calls) : reads(spec.slots.size(), 0), maker(spec.slots.size(), -1) {
    for (size_t k = 0; k < calls.size(); k++) {
      for (const View& view : calls[k].in) reads[size_t(view.slot)]++;
      for (const View& view : calls[k].out)
        if (view.used() && spec.slots[size_t(view.slot)].kind == SlotKind::arena) maker[size_t(view.slot)] = int(k);
    }
    for (size_t i = 0; i < spec.slots.size(); i++) reads[i] += spec.slots[i].kind != SlotKind::arena;
    for (const WriteSpec& write : spec.writes) reads[size_t(write.slot)]++;
  }
};

Call seen_from_outside(const Call& call) {
  Call joined;
  joined.target = call.target;
  joined.precision = call.precision;
  joined.next_slot = call.next_slot;
  return joined;
}

/** Joins runs of pointwise calls. The last call of a run then describes the whole run. */
void join_chains(const Chains& chains, const ProgramSpec& spec, const Traffic& traffic, std::vector<Call>& calls,
                 std::vector<Step>& steps) {
  const auto can_follow = [&](size_t first, size_t k) {
    return k < calls.size() && !spec.calls[k].update && calls[k].out.size() == 1 && calls[k].out[0].used() &&
           calls[k].out[0].dims == calls[first].out[0].dims && chains.fusible(calls[k]);
  };
  for (size_t first = 0; first < calls.size(); first++) {
    if (calls[first].out.empty() || !can_follow(first, first)) continue;
    size_t end = first + 1;
    while (can_follow(first, end)) end++;
    for (; end - first > 1; end--) {
      std::vector<const Call*> run;
      std::vector<bool> kept;
      std::vector<int> inside(traffic.reads.size(), 0);
      for (size_t k = first; k < end; k++)
        for (const View& view : calls[k].in) inside[size_t(view.slot)]++;
      for (size_t k = first; k < end; k++) {
        run.push_back(&calls[k]);
        const size_t slot = size_t(calls[k].out[0].slot);
        kept.push_back(traffic.reads[slot] > inside[slot]);
      }
      Call joined = seen_from_outside(calls[first]);
      steps[end - 1] = chains.fuse(run, kept, joined);
      if (!steps[end - 1]) continue;  // the run is too long for one kernel: a shorter one may fit
      for (const Call* call : run) call->attrs.require_read(call->op);
      for (size_t k = first; k + 1 < end; k++) calls[k] = Call{};
      calls[end - 1] = std::move(joined);
      break;
    }
    first = end - 1;
  }
}

/**
 * The neighbours of a call. The calls that make its inputs may move to its place. Nothing that they read is overwritten
 * meanwhile, because memory is planned later.
 */
Neighbours neighbours_of(size_t k, const ProgramSpec& spec, const Traffic& traffic, const std::vector<Call>& calls) {
  Neighbours neighbours{&calls[k], {}, {}};
  const auto free = [&](size_t other) { return !spec.calls[other].update && !calls[other].op.empty(); };
  for (const View& view : calls[k].in) {
    const int maker = traffic.maker[size_t(view.slot)];
    const bool alone = maker >= 0 && traffic.reads[size_t(view.slot)] == 1 && free(size_t(maker)) && calls[size_t(maker)].out.size() == 1;
    neighbours.makers.push_back(alone ? &calls[size_t(maker)] : nullptr);
  }
  for (const View& view : calls[k].out) {
    auto& readers = neighbours.readers.emplace_back();
    if (!view.used() || traffic.maker[size_t(view.slot)] != int(k)) continue;
    int reads = 0;
    bool early = true;
    for (size_t other = k + 1; other < calls.size(); other++) {
      const auto reads_it =
          std::count_if(calls[other].in.begin(), calls[other].in.end(), [&](const View& in) { return in.slot == view.slot; });
      if (reads_it == 0) continue;
      reads += int(reads_it);
      early &= free(other);
      for (const View& in : calls[other].in) early &= in.slot == view.slot || traffic.maker[size_t(in.slot)] < int(k);
      readers.push_back(&calls[other]);
    }
    if (!early || reads != traffic.reads[size_t(view.slot)]) readers.clear();
  }
  return neighbours;
}

void join_neighbours(const ProgramSpec& spec, const Device& device, const Traffic& traffic, std::vector<Call>& calls,
                     std::vector<Step>& steps) {
  for (size_t k = 0; k < calls.size(); k++) {
    if (calls[k].op.empty() || steps[k]) continue;
    const Join join = registry().find_join(device.backend(), calls[k].op, device.level());
    if (!join) continue;
    Call joined = seen_from_outside(calls[k]);
    std::vector<const Call*> taken;
    steps[k] = join(neighbours_of(k, spec, traffic, calls), joined, taken);
    if (!steps[k]) continue;
    joined.attrs.require_read(joined.op);  // the attributes of calls[k] are among those of the group
    for (const Call* call : taken) call->attrs.require_read(call->op);
    for (const Call* call : taken) calls[size_t(call - calls.data())] = Call{};
    calls[k] = std::move(joined);
  }
}

}  // namespace

std::vector<Step> join_calls(const ProgramSpec& spec, const Device& device, std::vector<Call>& calls) {
  std::vector<Step> steps(calls.size());
  if (spec.single) return steps;
  const Traffic traffic(spec, calls);
  if (const Chains chains = registry().chains(device.backend()); chains.fuse != nullptr) join_chains(chains, spec, traffic, calls, steps);
  join_neighbours(spec, device, traffic, calls, steps);
  return steps;
}

}  // namespace weft
