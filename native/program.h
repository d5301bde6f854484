// Program: a graph that is bound to kernels and has a place for every value. A run does its steps one after the other.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device.h"
#include "kernel.h"
#include "pace.h"

namespace weft {

/**
 * The most bytes of an output that a run can bring to the host by itself. Recorded work writes such outputs to places
 * of their own.
 */
constexpr size_t most_reply = 4096;

enum class SlotKind : uint8_t { arena, input, output, state, constant };

/** A memory block of a program. */
struct SlotSpec {
  SlotKind kind;
  size_t bytes;
  // of an input or output: its position in the run's lists; of a state: its position in ProgramSpec::states
  int index = 0;
  double value = 0;  // of a constant: the value of every element
  DType dtype = DType::float32;
};

struct ValueSpec {
  int slot;  // -1: nobody reads it
  Dims dims;
  DType dtype;
};

struct CallSpec {
  std::string op;
  std::vector<int> inputs, outputs;  // indices in ProgramSpec::values
  Attrs attrs;
  bool update = false;  // writes new state over old; such calls come after everything that may fail
};

/** When the run succeeds, state `state` takes the value in `slot`. */
struct WriteSpec {
  int slot, state;
};

struct ProgramSpec {
  std::vector<SlotSpec> slots;
  std::vector<ValueSpec> values;
  std::vector<CallSpec> calls;
  std::vector<void*> states;  // the addresses of the states, which never move
  std::vector<size_t> state_bytes;
  std::vector<WriteSpec> writes;
  Precision precision = Precision::float32;
  bool single = false;  // a call outside jit: its results go straight to their buffers, and nothing is recorded
  // made of a function that is traced at every call. Functions with equal graphs share the program, and graphs that are
  // equal on one rank may not be on another: what has collectives is not recorded
  bool retraced = false;
};

/** Time and memory traffic of each op, measured while a profile is taken. */
struct Profile {
  struct Entry {
    int64_t count = 0;
    double ms = 0, flops = 0, bytes = 0;
  };
  std::map<std::string, Entry> entries;
};

/** An output that JavaScript wants to have in its memory when the run is done. */
struct Reply {
  void* to;
  int output;
};

/** One run of a program. */
struct Run {
  char* arena;  // at least arena_bytes()
  void* const* inputs;
  void* const* outputs;
  const std::vector<Reply>& replies;
  Profile* profile;
  Fault fault;              // filled when the run is done
  std::vector<char> reply;  // what a device with a stream sent back
  /** On the host: called after each step. Null: nobody wants to know. */
  const std::function<void()>* after_step = nullptr;
};

class Program {
 public:
  Program(ProgramSpec spec, Device& device);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /** Does every step, or enqueues it. Runs follow one another. The state changes only if no fault is raised. */
  void run(Run& run);
  /** Called when the device is done with the run: puts the fault and the replies where the caller wants them. */
  void finish(Run& run) const;

  Device& device() const { return device_; }
  /** Whether a run may report a bad value. */
  bool raises() const { return raises_; }
  /** Whether a run may wait for other processes. */
  bool waits() const { return waits_; }
  /** Whether a run has collectives that are part of the device's order of work. */
  bool shared() const { return waits_ && !device_.is_host(); }
  /** Whether the call is such a collective. */
  bool shared(int32_t call) const { return std::find(shared_calls_.begin(), shared_calls_.end(), call) != shared_calls_.end(); }
  /** Whether a run changes state. */
  bool updates() const {
    return !writes_.empty() || std::any_of(steps_.begin(), steps_.end(), [](const BoundStep& bound) { return bound.commit; });
  }
  Pace pace;
  /** The call that was under way when run() threw. */
  int32_t current_call() const { return current_call_; }
  size_t arena_bytes() const { return arena_bytes_; }
  /** What a run needs of the arena that all programs of a queue share. */
  size_t borrowed_bytes() const { return keeps_arena() ? 0 : arena_bytes_; }
  size_t constant_bytes() const { return constants_.size(); }
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  size_t input_bytes(size_t index) const { return inputs_[index].bytes; }
  size_t output_bytes(size_t index) const { return outputs_[index].bytes; }
  /** Whether a run can bring this output to the host by itself. */
  bool can_reply(size_t index) const {
    return device_.is_host() || (outputs_[index].staged != none && outputs_[index].bytes <= most_reply);
  }

 private:
  static constexpr size_t none = SIZE_MAX;
  static constexpr size_t alignment = 64;
  static constexpr size_t align(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
  struct BoundStep {
    Step step;
    int32_t call;
    bool commit;  // the step writes state in place, so it is left out after a fault
  };
  /** What a step does, as profiles report it. */
  struct Cost {
    std::string op;
    double flops, bytes;
  };
  struct Port {
    std::vector<int> slots;
    size_t bytes = 0;
    size_t staged = none;  // the offset in own_ of the fixed place that recorded work reads or writes
  };
  struct Write {
    int slot;
    void* to;
    size_t bytes;
  };
  /** Recorded work, and the addresses that it was recorded with. */
  struct Recorded {
    std::vector<void*> addresses;
    std::unique_ptr<Recording> recording;
  };

  void describe(ProgramSpec& spec, std::vector<Call>& calls, int& next_slot);
  void bind(const ProgramSpec& spec, std::vector<Call>& calls);
  void place_constants(const ProgramSpec& spec);
  void place_ports();
  void place_in_arena(const ProgramSpec& spec, const std::vector<Call>& calls);
  void share_state(const ProgramSpec& spec, const std::vector<Call>& calls);
  /** Where the constants begin in `constants_`. */
  char* constants_data() { return reinterpret_cast<char*>(align(reinterpret_cast<size_t>(constants_.data()))); }
  void set(const Port& port, void* address);
  void walk(Fault* fault, Profile* profile, const std::function<void()>* after_step = nullptr);
  void walk_whole(Profile* profile);
  void walk_or_replay(const Run& run, std::vector<void*> addresses);
  void walk_shared(const Run& run);
  void enqueue(Run& run);
  /**
   * Whether a run is recorded is for all ranks to decide alike, so nothing that they do not have in common may decide
   * it. A program with collectives has an arena of its own, which never moves.
   */
  bool keeps_arena() const { return shared() && !single_; }

  Device& device_;
  std::vector<BoundStep> steps_;
  std::vector<Cost> costs_;  // of each step
  std::vector<void*> address_;
  std::vector<std::pair<int, size_t>> arena_slots_;     // slot, offset
  std::vector<std::pair<int, size_t>> constant_slots_;  // slot, offset
  std::vector<Port> inputs_, outputs_;
  std::vector<Write> writes_;
  std::vector<Copy> commits_, taken_in_, given_out_;
  std::vector<char> constants_;
  std::vector<int> state_of_slot_;  // of each slot: the state whose memory it is, or -1
  size_t arena_bytes_ = 0;
  const char* arena_ = nullptr;  // the arena that the addresses point into
  bool raises_ = false;          // some kernel may report a bad value
  bool waits_ = false;           // some kernel waits for other processes
  bool single_ = false;
  int32_t current_call_ = -1;

  /** On devices with a stream: the fault, small outputs, small inputs and constants, in this order. */
  std::unique_ptr<Memory> own_;
  size_t reply_bytes_ = 0, constants_at_ = 0;
  bool prepared_ = false;
  std::vector<Recorded> recorded_;
  std::vector<void*> last_plain_;  // the addresses of the last run that was not replayed

  // of programs with collectives
  using Places = std::vector<std::pair<uint64_t, size_t>>;
  std::vector<int32_t> shared_calls_;
  std::unique_ptr<Memory> own_arena_;
  std::unique_ptr<Recording> shared_recording_;
  std::optional<Places> last_inputs_;  // of the last run: the large inputs, which recorded work reads where they lie
};

}  // namespace weft
