// Program: a graph bound to kernels, with a place for every value; a run only walks its steps.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel.h"

namespace weft {

enum class SlotKind : uint8_t { arena, input, output, state, constant };

/** A memory block of a program. */
struct SlotSpec {
  SlotKind kind;
  size_t bytes;
  int index = 0;     // input, output: position in the run's lists; state: position in ProgramSpec::states
  double value = 0;  // constant: of every element
  DType dtype = DType::float32;
};

struct ValueSpec {
  int slot;  // -1: nobody reads it
  Dims dims;
  DType dtype;
};

struct CallSpec {
  std::string op;
  std::vector<int> inputs, outputs;  // indices of values
  Attrs attrs;
  bool update = false;  // writes new state over old, after everything that may fail
};

/** State `state` takes the value in `slot` when the step succeeds. */
struct WriteSpec {
  int slot, state;
};

struct ProgramSpec {
  std::vector<SlotSpec> slots;
  std::vector<ValueSpec> values;
  std::vector<CallSpec> calls;
  std::vector<void*> states;  // addresses; they never move
  std::vector<size_t> state_bytes;
  std::vector<WriteSpec> writes;
};

/** Time and traffic by op, while profiling. */
struct Profile {
  struct Entry {
    int64_t count = 0;
    double ms = 0, flops = 0, bytes = 0;
  };
  std::map<std::string, Entry> entries;
};

class Program {
 public:
  Program(ProgramSpec spec, std::string_view backend, int level);

  /** Runs every step. `arena` has at least arena_bytes(), 64-byte aligned. One run at a time. State changes only when no fault is raised. */
  void run(char* arena, void* const* inputs, void* const* outputs, Fault& fault, Profile* profile);

  size_t arena_bytes() const { return arena_bytes_; }
  size_t constant_bytes() const { return constants_.size(); }
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  size_t input_bytes(size_t index) const { return inputs_[index].bytes; }
  size_t output_bytes(size_t index) const { return outputs_[index].bytes; }

 private:
  struct BoundStep {
    Step step;
    int32_t call;
    bool commit;  // writes state in place: skipped after a fault
  };
  struct Port {
    std::vector<int> slots;
    size_t bytes = 0;
  };
  struct Copy {
    int slot;
    void* to;
    size_t bytes;
  };

  void place_in_arena(const ProgramSpec& spec, const std::vector<Call>& calls);
  void share_state(const ProgramSpec& spec, const std::vector<Call>& calls);

  std::vector<BoundStep> steps_;
  std::vector<std::string> names_;                // of the calls, for profiles
  std::vector<std::pair<double, double>> costs_;  // flops and bytes of the calls
  std::vector<void*> address_;
  std::vector<std::pair<int, size_t>> arena_slots_;  // slot, offset
  std::vector<Port> inputs_, outputs_;
  std::vector<Copy> commits_;
  std::vector<char> constants_;
  std::vector<int> state_of_slot_;  // where a slot is state memory: which; else -1
  size_t arena_bytes_ = 0;
  const char* arena_ = nullptr;  // the one the addresses are for
};

}  // namespace weft
