// Whether a repeated program has given what was recorded: its outputs and its states, within what rounding explains.
#pragma once
#include <functional>
#include <set>

#include "compare.h"

namespace weft::replay {

class Comparison {
 public:
  explicit Comparison(const ProgramFile& program) : program_(program), dtype_(program.slots.size(), DType::uint8) {
    for (const Value& value : program.values)
      if (value.slot >= 0) dtype_[size_t(value.slot)] = value.dtype;
  }

  /**
   * Empty, or what differs. `output` and `state` give the bytes of an output and of a state, as many as were recorded;
   * an output without bytes is one that the program does not write. After bad data the results are those of a safe
   * value, and outputs are not compared.
   */
  std::string differences(bool faulted, const std::function<Bytes(uint32_t)>& output, const std::function<Bytes(uint32_t)>& state) const {
    double precision = 0, scale = 0;
    if (program_.precision == Precision::tf32) precision = 0x1p-10;
    if (program_.precision == Precision::bfloat16) precision = 0x1p-7;
    for (const Value& value : program_.values) precision = std::max(precision, precision_of(value.dtype));
    for (size_t i = 0; i < program_.slots.size(); i++) scale = std::max(scale, given(i));
    // a product that nothing is left over of, or that softmax follows, is off by a rounding of its absolute terms' sum;
    // so is one whose operands are rounded on one of the two devices alone
    for (const CallText& call : program_.calls) {
      const bool rounded = call.op == "dense" && program_.precision != Precision::float32;
      if ((call.op != "matMul" && !rounded) || call.inputs.size() < 2) continue;
      const Dims& a = program_.values[call.inputs[0]].dims;
      const double terms = double(a[a.size() - (call.op == "matMul" && call.attrs.flag("transposeA") ? 2 : 1)]);
      scale = std::max(scale, given_as(call.inputs[0]) * given_as(call.inputs[1]) * terms / 4);
    }
    // float64 is for gradients of whole networks: what their sums leave over has gone through more roundings
    if (precision < 0x1p-40) scale *= 16;
    std::string text;
    const auto add = [&](const std::string& what, DType type, const Bytes& actual, const Bytes& expected, double allowed) {
      const std::string differs = difference(type, actual, expected, precision, scale, allowed);
      if (!differs.empty()) text += (text.empty() ? "" : "; ") + what + ": " + differs;
    };
    std::vector<DType> state_dtype(program_.before.size(), DType::uint8);
    for (const Write& write : program_.writes) state_dtype[write.state] = dtype_[write.slot];
    for (size_t i = 0; i < program_.slots.size(); i++) {
      const Slot& slot = program_.slots[i];
      if (slot.kind == SlotKind::state) state_dtype[slot.index] = dtype_[i];
      if (slot.kind != SlotKind::output || faulted) continue;
      const Bytes actual = output(slot.index), &expected = program_.outputs[slot.index];
      if (actual.size() == expected.size()) add("output " + std::to_string(slot.index), dtype_[i], actual, expected, 0);
    }
    const std::set<size_t> parameters = normalized_parameters();
    double longest = 0;
    for (const size_t i : parameters) longest = std::max(longest, farthest(state_dtype[i], program_.before[i], program_.after[i]));
    for (size_t i = 0; i < program_.before.size(); i++)
      add("state " + std::to_string(i), state_dtype[i], state(uint32_t(i)), program_.after[i], parameters.count(i) ? longest : 0);
    return text;
  }

 private:
  /** The largest absolute value of what the program is given in a slot; 0 for what it computes itself. */
  double given(size_t slot_index) const {
    const Slot& slot = program_.slots[slot_index];
    if (slot.kind == SlotKind::input) return largest(dtype_[slot_index], program_.inputs[slot.index]);
    return slot.kind == SlotKind::state ? largest(dtype_[slot_index], program_.before[slot.index]) : 0;
  }
  double given_as(uint32_t value) const { return program_.values[value].slot < 0 ? 0 : given(size_t(program_.values[value].slot)); }

  /**
   * States that adam or nadam updates with gradients of the same program: it divides by the size of the gradient, so
   * where the true one is 0 rounding errors move a parameter as far as a gradient would. What the gradients are is seen
   * in the moments beside them.
   */
  std::set<size_t> normalized_parameters() const {
    std::set<size_t> found;
    // the optimizers whose kernels do so, and those whose kernels do not
    static const std::set<std::string> normalizing{"adam", "nadam"},
        others{"sgd", "rmsprop", "adagrad", "adadelta", "adamax", "lion", "updateSlice"};
    for (const CallText& call : program_.calls)
      require(!call.update || normalizing.count(call.op) != 0 || others.count(call.op) != 0, "ERR_ARGUMENT", call.op,
              " updates state and is in neither list: add it to `normalizing` or `others` in test/cuda-on-cpu/compare_program.h");
    if (program_.calls.size() == 1) return found;
    for (const CallText& call : program_.calls) {
      if (normalizing.count(call.op) == 0) continue;
      const size_t first = call.op == "nadam" ? 1 : 0, slots = call.op == "adam" && call.attrs.flag("amsgrad") ? 4 : 3;
      for (size_t j = first; j < call.outputs.size(); j += slots)
        for (const Write& write : program_.writes)
          if (int(write.slot) == program_.values[call.outputs[j]].slot) found.insert(write.state);
    }
    return found;
  }

  const ProgramFile& program_;
  std::vector<DType> dtype_;  // of each slot
};

}  // namespace weft::replay
