// One exported program on the emulated CUDA device: binds every call, gives each value memory of its own and of its
// exact size, runs, compares.
#pragma once
#include <map>
#include <memory>

#include "compare_program.h"
#include "launch.h"

namespace weft::replay {

/** Device memory of exactly so many bytes, filled with NaN. */
class Block {
 public:
  explicit Block(size_t bytes) : bytes_(bytes) {
    cuda::check(cudaMalloc(&data_, std::max(bytes, size_t(1))), "cudaMalloc");
    cuda::check(cudaMemset(data_, 0xff, bytes), "cudaMemset");
  }
  ~Block() { cudaFree(data_); }
  Block(const Block&) = delete;
  void* data() const { return data_; }
  void write(const Bytes& from) { cuda::check(cudaMemcpy(data_, from.data(), from.size(), cudaMemcpyHostToDevice), "cudaMemcpy"); }

 private:
  size_t bytes_;
  void* data_ = nullptr;
};

class Replay {
 public:
  /** `in_place`: outputs take over the memory of inputs wherever a kernel allows it. */
  Replay(ProgramFile program, const Target& target, bool in_place) : program_(std::move(program)) {
    bind(target);
    reach();
    place(in_place);
  }

  /** Runs it; empty, or what differs from what was exported. */
  std::string run(cudaStream_t stream) {
    Block fault(sizeof(Fault));
    const Fault none;
    cuda::check(cudaMemcpy(fault.data(), &none, sizeof none, cudaMemcpyHostToDevice), "cudaMemcpy");
    Frame frame{address_.data(), stream, static_cast<Fault*>(fault.data())};
    for (size_t k = 0; k < steps_.size(); k++) {
      frame.call = int32_t(k);
      steps_[k](frame);
    }
    cuda::check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    Fault raised;
    cuda::check(cudaMemcpy(static_cast<void*>(&raised), fault.data(), sizeof raised, cudaMemcpyDeviceToHost), "cudaMemcpy");
    const int32_t met = raised.call.load();
    if (met != program_.fault)
      return "reports bad data in call " + std::to_string(met) + ", should in " + std::to_string(program_.fault) + " (-1: none)";
    if (met < 0)
      for (const Write& write : program_.writes)
        if (address_[write.slot] != states_[write.state]->data())
          cuda::check(
              cudaMemcpy(states_[write.state]->data(), address_[write.slot], program_.slots[write.slot].bytes, cudaMemcpyDeviceToDevice),
              "cudaMemcpy");
    return compare(met >= 0);
  }

 private:
  View view(uint32_t id) const { return {program_.values[id].dims, program_.values[id].dtype, program_.values[id].slot}; }

  void bind(const Target& target) {
    int next_slot = int(program_.slots.size());
    for (CallText& text : program_.calls) {
      Call& call = calls_.emplace_back();
      call.op = text.op;
      call.attrs = text.attrs;
      call.target = target;
      call.precision = program_.precision;
      call.next_slot = &next_slot;
      for (uint32_t id : text.inputs) call.in.push_back(view(id));
      for (uint32_t id : text.outputs) call.out.push_back(view(id));
      const Bind bind = registry().find("cuda", text.op, 0);
      require(bind, "ERR_NO_KERNEL", text.op, ": no CUDA kernel");
      steps_.push_back(bind(call));
      call.attrs.require_read(text.op);
    }
    address_.assign(size_t(next_slot), nullptr);
  }

  /** Where the value of each slot is read last, and how often. */
  void reach() {
    last_read_.assign(address_.size(), -1);
    reads_.assign(address_.size(), 0);
    for (size_t k = 0; k < calls_.size(); k++)
      for (const View& v : calls_[k].in) last_read_[size_t(v.slot)] = int(k), reads_[size_t(v.slot)]++;
    for (const Write& write : program_.writes) last_read_[write.slot] = int(calls_.size());
  }

  void* fresh(size_t bytes) { return blocks_.emplace_back(std::make_unique<Block>(bytes))->data(); }

  void place(bool in_place) {
    for (const Bytes& before : program_.before) states_.emplace_back(std::make_unique<Block>(before.size()))->write(before);
    std::map<uint32_t, int> users;  // slots that show the same input
    for (const Slot& slot : program_.slots)
      if (slot.kind == SlotKind::input) users[slot.index]++;
    std::map<uint32_t, void*> inputs, outputs;
    for (size_t i = 0; i < program_.slots.size(); i++) {
      const Slot& slot = program_.slots[i];
      if (slot.kind == SlotKind::state) address_[i] = states_[slot.index]->data();
      if (slot.kind == SlotKind::constant) address_[i] = constant(slot);
      if (slot.kind == SlotKind::input) {
        void*& at = inputs[slot.index];
        if (at == nullptr) {
          at = fresh(program_.inputs[slot.index].size());
          blocks_.back()->write(program_.inputs[slot.index]);
        }
        address_[i] = at;
      }
    }
    const auto given_away = [&](const View& from, size_t call) {
      if (from.slot < 0 || reads_[size_t(from.slot)] != 1 || last_read_[size_t(from.slot)] != int(call)) return false;
      const Slot& slot = program_.slots[size_t(from.slot)];
      return slot.kind == SlotKind::arena || (slot.kind == SlotKind::input && users[slot.index] == 1);
    };
    for (size_t k = 0; k < calls_.size(); k++) {
      Call& call = calls_[k];
      for (size_t j = 0; j < call.out.size(); j++) {
        if (!call.out[j].used()) continue;
        const size_t to = size_t(call.out[j].slot);
        const Slot& slot = program_.slots[to];
        void*& at = slot.kind == SlotKind::output ? outputs[slot.index] : address_[to];
        if (at != nullptr && slot.kind != SlotKind::output) continue;
        for (const auto& [input, output] : call.in_places) {
          if (output != j || at != nullptr) continue;
          const View& from = call.in[input];
          if (in_place && given_away(from, k) && program_.slots[size_t(from.slot)].bytes == slot.bytes) at = address_[size_t(from.slot)];
          if (updates_state(k, input, to)) at = address_[size_t(from.slot)];
        }
        if (at == nullptr) at = fresh(slot.bytes);
        address_[to] = at;
        if (slot.kind == SlotKind::output) output_at_[slot.index] = at;
      }
      for (const auto& scratch : call.scratches) address_[size_t(scratch.slot)] = fresh(scratch.bytes);
    }
    for (const Write& write : program_.writes)
      require(address_[write.slot] != nullptr, "ERR_FORMAT", "a state becomes a value nobody computes");
  }

  /**
   * Whether an update may write over the variable it reads: nobody reads the old value later, and a reported fault
   * stops it.
   */
  bool updates_state(size_t k, size_t input, size_t to) const {
    const Slot& old = program_.slots[size_t(calls_[k].in[input].slot)];
    if (!program_.calls[k].update || !calls_[k].guarded || old.kind != SlotKind::state || program_.slots[to].kind != SlotKind::arena)
      return false;
    bool written = false;
    for (const Write& write : program_.writes) {
      const Slot& source = program_.slots[write.slot];
      if (source.kind == SlotKind::state && source.index == old.index) return false;
      written |= write.slot == to && write.state == old.index;
    }
    for (size_t other = k; other < calls_.size(); other++)
      for (size_t i = 0; i < calls_[other].in.size(); i++) {
        const Slot& read = program_.slots[size_t(calls_[other].in[i].slot)];
        if (read.kind == SlotKind::state && read.index == old.index && !(other == k && i == input)) return false;
      }
    return written;
  }

  void* constant(const Slot& slot) {
    Bytes content(slot.bytes);
    const auto fill = [&]<class T>(T value) {
      for (size_t i = 0; i + sizeof(T) <= content.size(); i += sizeof(T)) std::memcpy(content.data() + i, &value, sizeof(T));
    };
    switch (slot.dtype) {
      case DType::boolean: fill(uint8_t(slot.value != 0)); break;
      case DType::uint8: fill(uint8_t(slot.value)); break;
      case DType::int8: fill(int8_t(slot.value)); break;
      case DType::int32: fill(int32_t(slot.value)); break;
      case DType::int64: fill(int64_t(slot.value)); break;
      case DType::float16: fill(Float16(float(slot.value))); break;
      case DType::bfloat16: fill(BFloat16(float(slot.value))); break;
      default: fill(float(slot.value));
    }
    void* at = fresh(slot.bytes);
    blocks_.back()->write(content);
    return at;
  }

  static Bytes read(const void* from, size_t bytes) {
    Bytes to(bytes);
    cuda::check(cudaMemcpy(to.data(), from, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return to;
  }

  std::string compare(bool faulted) {
    return Comparison(program_).differences(
        faulted, [&](uint32_t i) { return output_at_.count(i) ? read(output_at_[i], program_.outputs[i].size()) : Bytes(); },
        [&](uint32_t i) { return read(states_[i]->data(), program_.after[i].size()); });
  }

  ProgramFile program_;
  std::vector<Call> calls_;
  std::vector<Step> steps_;
  std::vector<void*> address_;
  std::vector<int> last_read_, reads_;
  std::vector<std::unique_ptr<Block>> blocks_, states_;
  std::map<uint32_t, void*> output_at_;
};

}  // namespace weft::replay
