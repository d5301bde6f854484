// Loads a program: binds each call, finds a place for each value, and decides what is updated in place.
#include "program.h"

#include <algorithm>

#include "join.h"
#include "plan.h"

namespace weft {
namespace {

template <class T> void fill(void* to, size_t bytes, double value) {
  T* p = static_cast<T*>(to);
  std::fill(p, p + bytes / sizeof(T), T(value));
}

void fill_constant(DType dtype, void* to, size_t bytes, double value) {
  switch (dtype) {
    case DType::boolean: return fill<uint8_t>(to, bytes, value != 0);
    case DType::uint8: return fill<uint8_t>(to, bytes, value);
    case DType::int8: return fill<int8_t>(to, bytes, value);
    case DType::int32: return fill<int32_t>(to, bytes, value);
    case DType::int64: return fill<int64_t>(to, bytes, value);
    case DType::float16: return fill<Float16>(to, bytes, float(value));
    case DType::bfloat16: return fill<BFloat16>(to, bytes, float(value));
    case DType::float32: return fill<float>(to, bytes, value);
    case DType::float64: return fill<double>(to, bytes, value);
  }
}

}  // namespace

Program::Program(ProgramSpec spec, Device& device) : device_(device) {
  int next_slot = int(spec.slots.size());
  std::vector<Call> calls;
  calls.reserve(spec.calls.size());
  single_ = spec.single;
  describe(spec, calls, next_slot);
  bind(spec, calls);

  address_.assign(size_t(next_slot), nullptr);
  state_of_slot_.assign(size_t(next_slot), -1);
  for (size_t i = 0; i < spec.slots.size(); i++) {
    const SlotSpec& slot = spec.slots[i];
    if (slot.kind == SlotKind::state) {
      state_of_slot_[i] = slot.index;
      address_[i] = spec.states[size_t(slot.index)];
    } else if (slot.kind == SlotKind::input || slot.kind == SlotKind::output) {
      auto& ports = slot.kind == SlotKind::input ? inputs_ : outputs_;
      if (ports.size() <= size_t(slot.index)) ports.resize(size_t(slot.index) + 1);
      ports[size_t(slot.index)].slots.push_back(int(i));
      ports[size_t(slot.index)].bytes = slot.bytes;
    }
  }
  single_ |= spec.retraced && shared();
  place_constants(spec);
  share_state(spec, calls);
  place_in_arena(spec, calls);
  if (!device_.is_host()) place_ports();
  if (keeps_arena()) own_arena_ = std::make_unique<Memory>(device_, std::max(arena_bytes_, alignment));
}

/** Makes the calls that binders see. */
void Program::describe(ProgramSpec& spec, std::vector<Call>& calls, int& next_slot) {
  for (CallSpec& description : spec.calls) {
    Call& call = calls.emplace_back();
    call.op = description.op;
    call.attrs = std::move(description.attrs);
    call.target = device_.target();
    call.precision = spec.precision;
    call.next_slot = &next_slot;
    const auto view = [&](int id) { return View{spec.values[id].dims, spec.values[id].dtype, spec.values[id].slot}; };
    for (int id : description.inputs) call.in.push_back(view(id));
    for (int id : description.outputs) call.out.push_back(view(id));
  }
}

void Program::bind(const ProgramSpec& spec, std::vector<Call>& calls) {
  std::vector<Step> joined = join_calls(spec, device_, calls);
  for (size_t k = 0; k < calls.size(); k++) {
    Call& call = calls[k];
    if (call.op.empty()) continue;  // the call is part of a group
    Step step = std::move(joined[k]);
    if (!step) {
      const Bind bind = registry().find(device_.backend(), call.op, device_.level());
      require(bind, "ERR_ARGUMENT", call.op, ": no ", device_.backend(), " kernel of this name");
      try {
        step = bind(call);
      } catch (const Error& error) { throw Error(error.code, call.op + ": " + error.what()); }
      call.attrs.require_read(call.op);
    }
    steps_.push_back({std::move(step), int32_t(k), false});
    raises_ |= call.raises;
    waits_ |= call.waits;
    if (call.waits && !device_.is_host()) shared_calls_.push_back(int32_t(k));
    double bytes = 0, elements = 0;
    for (const View& v : call.in) bytes += double(v.bytes());
    for (const View& v : call.out) bytes += v.used() ? double(v.bytes()) : 0, elements += v.used() ? double(v.size()) : 0;
    costs_.push_back({call.op, call.flops > 0 ? call.flops : elements, bytes});
  }
}

/** Puts constants into the host's memory. A device with memory of its own gets them before the first run. */
void Program::place_constants(const ProgramSpec& spec) {
  size_t bytes = 0;
  for (size_t i = 0; i < spec.slots.size(); i++)
    if (spec.slots[i].kind == SlotKind::constant) constant_slots_.emplace_back(int(i), bytes), bytes += align(spec.slots[i].bytes);
  if (bytes == 0) return;
  constants_.resize(bytes + alignment);
  char* base = constants_data();
  for (const auto& [slot, offset] : constant_slots_) {
    const SlotSpec& constant = spec.slots[size_t(slot)];
    fill_constant(constant.dtype, base + offset, constant.bytes, constant.value);
    address_[size_t(slot)] = base + offset;
  }
}

/**
 * Gives small inputs and outputs places of their own, because recorded work reads and writes fixed addresses. Calls
 * outside jit are not recorded, and need none.
 */
void Program::place_ports() {
  // recorded collectives cannot be recorded again for other addresses, so more is copied to where they read it
  const size_t most_input = shared() ? size_t(64) << 20 : 65536;
  size_t offset = alignment;  // the fault comes first
  if (!single_) {
    for (Port& port : outputs_)
      if (port.bytes <= most_reply) port.staged = offset, offset += align(port.bytes);
    reply_bytes_ = offset;
    for (Port& port : outputs_)
      if (shared() && port.staged == none) port.staged = offset, offset += align(port.bytes);
    for (Port& port : inputs_)
      if (port.bytes <= most_input) port.staged = offset, offset += align(port.bytes);
  } else {
    reply_bytes_ = offset;
  }
  constants_at_ = offset;
  own_ = std::make_unique<Memory>(device_, offset + constants_.size());
  for (const auto& [slot, at] : constant_slots_) address_[size_t(slot)] = own_->data() + constants_at_ + at;
}

/**
 * Lets an update write over the variable that it reads, where nobody reads the old value later. All other assignments
 * are copies after the last step.
 */
void Program::share_state(const ProgramSpec& spec, const std::vector<Call>& calls) {
  for (const WriteSpec& write : spec.writes) {
    bool shared = false;
    for (size_t k = 0; k < calls.size() && !shared && spec.slots[size_t(write.slot)].kind == SlotKind::arena; k++) {
      if (!spec.calls[k].update || state_of_slot_[size_t(write.slot)] >= 0) continue;
      if (!device_.is_host() && !calls[k].guarded) continue;
      for (const auto& [input, output] : calls[k].in_places) {
        if (calls[k].out[output].slot != write.slot || state_of_slot_[size_t(calls[k].in[input].slot)] != write.state) continue;
        bool read_elsewhere = false;
        for (size_t other = k; other < calls.size(); other++)
          for (size_t i = 0; i < calls[other].in.size(); i++)
            read_elsewhere |= state_of_slot_[size_t(calls[other].in[i].slot)] == write.state && !(other == k && i == input);
        for (const WriteSpec& later : spec.writes)
          read_elsewhere |= state_of_slot_[size_t(later.slot)] == write.state;  // another variable takes the old value
        if (read_elsewhere) continue;
        state_of_slot_[size_t(write.slot)] = write.state;
        address_[size_t(write.slot)] = spec.states[size_t(write.state)];
        for (BoundStep& bound : steps_) bound.commit |= bound.call == int32_t(k);
        shared = true;
      }
    }
    if (!shared) writes_.push_back({write.slot, spec.states[size_t(write.state)], spec.state_bytes[size_t(write.state)]});
  }
}

void Program::place_in_arena(const ProgramSpec& spec, const std::vector<Call>& calls) {
  const int32_t end = int32_t(calls.size());
  std::vector<int32_t> first(address_.size(), -1), last(address_.size(), -1);
  std::vector<size_t> bytes(address_.size(), 0);
  const auto in_arena = [&](int slot) {
    return slot >= 0 &&
           (size_t(slot) >= spec.slots.size() || (spec.slots[size_t(slot)].kind == SlotKind::arena && state_of_slot_[size_t(slot)] < 0));
  };
  for (int32_t k = 0; k < end; k++) {
    for (const View& v : calls[size_t(k)].out)
      if (in_arena(v.slot)) first[size_t(v.slot)] = last[size_t(v.slot)] = k, bytes[size_t(v.slot)] = spec.slots[size_t(v.slot)].bytes;
    for (const View& v : calls[size_t(k)].in)
      if (in_arena(v.slot)) last[size_t(v.slot)] = k;
    for (const auto& scratch : calls[size_t(k)].scratches)
      first[size_t(scratch.slot)] = last[size_t(scratch.slot)] = k, bytes[size_t(scratch.slot)] = scratch.bytes;
  }
  for (const Write& write : writes_)
    if (in_arena(write.slot)) last[size_t(write.slot)] = end;

  // Where the kernel allows it, an output takes over the memory of an input that nobody reads after this call.
  std::vector<int> home(address_.size());
  for (size_t i = 0; i < home.size(); i++) home[i] = int(i);
  for (int32_t k = 0; k < end; k++) {
    const Call& call = calls[size_t(k)];
    for (const auto& [input, output] : call.in_places) {
      const int from = call.in[input].slot, to = call.out[output].slot;
      if (!in_arena(from) || !in_arena(to) || from == to || home[size_t(to)] != to) continue;
      const size_t owner = size_t(home[size_t(from)]);
      int reads = 0;
      for (const View& v : call.in) reads += v.slot >= 0 && home[size_t(v.slot)] == int(owner);
      if (last[owner] != k || reads != 1 || bytes[size_t(to)] > bytes[owner] || first[owner] < 0) continue;
      home[size_t(to)] = int(owner);
      last[owner] = last[size_t(to)];
      // an output that takes over this one's memory finds the owner through home
    }
  }

  std::vector<Block> blocks;
  std::vector<size_t> block_of(address_.size(), SIZE_MAX);
  for (size_t i = 0; i < address_.size(); i++) {
    if (first[i] < 0 || home[i] != int(i)) continue;
    block_of[i] = blocks.size();
    blocks.push_back({bytes[i], first[i], last[i]});
  }
  const Plan placed = plan(blocks);
  arena_bytes_ = placed.bytes;
  for (size_t i = 0; i < address_.size(); i++)
    if (first[i] >= 0) arena_slots_.emplace_back(int(i), placed.offsets[block_of[size_t(home[i])]]);
}

}  // namespace weft
