// Chains of pointwise calls made into programs for the interpreter of chain.cuh. One launch and one trip through memory
// take the place of one of each per call.
#include "fuse.h"

#include <map>

#include "chain.cuh"

namespace weft::cuda {
using namespace chain;
namespace {

struct Entry {
  Operation operation;
  int operands;
  std::vector<const char*> attributes = {};  // as the operation's line names them
};

/** The operation of a call; operands 0 where a chain knows none. */
Entry entry_of(const Call& call) {
  static const std::map<std::string, Entry> entries{
#define X(kind, name, ...) {#name, {Operation::name, 1}},
      WEFT_CHAIN_UNARY(X)
#undef X
#define X(kind, name, ...) {#name, {Operation::name, 2}},
          WEFT_CHAIN_BINARY(X)
#undef X
#define X(kind, name, ...) {#name, {Operation::name, 1}}, {#name "Grad", {Operation::name##Grad, 2}},
              WEFT_CHAIN_SLOPED(X)
#undef X
#define X(kind, name, first, ...) {#name, {Operation::name, 1, {#first}}}, {#name "Grad", {Operation::name##Grad, 2, {#first}}},
                  WEFT_CHAIN_SLOPED_1(X)
#undef X
#define X(kind, name, first, second, ...) \
  {#name, {Operation::name, 1, {#first, #second}}}, {#name "Grad", {Operation::name##Grad, 2, {#first, #second}}},
                      WEFT_CHAIN_SLOPED_2(X)
#undef X
                          {"logicalNot", {Operation::logicalNot, 1}},
      {"where", {Operation::where, 3}},
      {"identity", {Operation::identity, 1}},
      {"cast", {Operation::identity, 1}}};
  const auto found = entries.find(call.op);
  if (found == entries.end()) return {Operation::identity, 0};
  Entry entry = found->second;
  if (call.op == "cast") {
    const DType to = call.out[0].dtype;
    if (to == DType::boolean) entry.operation = Operation::test;
    if (to == DType::float16) entry.operation = Operation::roundFloat16;
    if (to == DType::bfloat16) entry.operation = Operation::roundBFloat16;
  }
  return entry;
}

bool in_chain(DType dtype) { return is_float(dtype) || dtype == DType::boolean; }

}  // namespace

bool fusible(const Call& call) {
  const Entry entry = entry_of(call);
  bool fits = entry.operands > 0 && call.out.size() == 1 && call.in.size() == size_t(entry.operands) && in_chain(call.out[0].dtype);
  for (const View& view : call.in) fits = fits && in_chain(view.dtype);
  return fits;
}

Step fuse(const std::vector<const Call*>& calls, const std::vector<bool>& kept, Call& joined) {
  if (calls.empty() || calls.size() > most_instructions) return {};
  Chain program;
  joined.op = "chain";
  std::map<int, size_t> last_use, maker;  // by slot: the last call that reads it; the call that makes it
  for (size_t i = 0; i < calls.size(); i++) {
    require(fusible(*calls[i]) && calls[i]->out[0].dims == calls[0]->out[0].dims && calls[i]->out[0].used(), "ERR_ARGUMENT", calls[i]->op,
            ": cannot be part of this chain");
    for (const View& view : calls[i]->in) last_use[view.slot] = i;
    maker[calls[i]->out[0].slot] = i;
  }
  std::map<int, int> input, temporary;  // by slot
  std::array<int, most_temporaries> holds;
  holds.fill(-1);
  for (size_t i = 0; i < calls.size(); i++) {
    const Call& call = *calls[i];
    const View& out = call.out[0];
    Instruction& instruction = program.at[program.instructions++];
    const Entry entry = entry_of(call);
    instruction.operation = entry.operation;
    for (size_t k = 0; k < entry.attributes.size(); k++) instruction.attribute[k] = float(call.attrs.number(entry.attributes[k]));
    for (size_t k = 0; k < call.in.size(); k++) {
      const View& view = call.in[k];
      const auto made = maker.find(view.slot);
      if (made != maker.end() && made->second < i) {
        if (made->second + 1 == i) instruction.source[k] = last_result;
        else instruction.source[k] = uint8_t(first_temporary + temporary.at(view.slot));
        continue;
      }
      if (!input.count(view.slot)) {
        if (joined.in.size() == most_inputs) return {};
        input[view.slot] = int(joined.in.size());
        program.in_bool[joined.in.size()] = view.dtype == DType::boolean;
        joined.in.push_back(view);
      } else if (joined.in[size_t(input[view.slot])].dims != view.dims) {
        return {};  // one value under two shapes
      }
      instruction.source[k] = uint8_t(input[view.slot]);
    }
    for (int& slot : holds)
      if (slot >= 0 && last_use[slot] <= i) slot = -1;
    if (last_use.count(out.slot) && last_use[out.slot] > i + 1) {
      const auto free = std::find(holds.begin(), holds.end(), -1);
      if (free == holds.end()) return {};
      *free = out.slot;
      temporary[out.slot] = int(free - holds.begin());
      instruction.temporary = uint8_t(free - holds.begin());
    }
    if (kept[i]) {
      if (joined.out.size() == most_outputs) return {};
      instruction.output = uint8_t(joined.out.size());
      program.out_kind[joined.out.size()] = kind_of(out.dtype);
      program.out_bool[joined.out.size()] = out.dtype == DType::boolean;
      joined.out.push_back(out);
    }
    joined.flops += double(out.size());
  }
  if (joined.out.empty()) return {};
  program.inputs = int(joined.in.size());
  Call padded;
  padded.in = joined.in;
  padded.in.resize(most_inputs);
  padded.out = joined.out;
  // an input may be overwritten by the output that takes it: a thread has read all of its elements before it writes
  for (size_t j = 0; j < joined.out.size(); j++)
    for (size_t k = 0; k < joined.in.size(); k++)
      if (joined.in[k].dims == joined.out[j].dims && size_of(joined.in[k].dtype) == size_of(joined.out[j].dtype)) joined.in_place(k, j);
  return [plan = PointwisePlan<most_inputs>(padded), outs = joined.out, program](const Frame& frame) {
    for (const auto& part : plan.parts) {
      Chain now = program;
      bool fits = true;
      for (size_t j = 0; j < outs.size(); j++) {
        now.out[j] = frame.at<char>(outs[j]) + part.first * int64_t(size_of(outs[j].dtype));
        fits = fits && aligned(now.out[j], 4 * size_of(outs[j].dtype));
      }
      const PointwiseWork<most_inputs> work = plan.work_of(part, frame, fits);
      const int64_t threads = work.packs + work.singles;
      const unsigned block = block_for(threads);
      launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, run_chain, work, now);
    }
  };
}

}  // namespace weft::cuda
