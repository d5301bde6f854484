// Kernels. A binder runs once per program and makes all decisions. It returns a Step, which only computes (on the CPU)
// or enqueues (on a GPU).
#pragma once
#include <atomic>
#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "view.h"

/** Stands before functions that run once per program. The compiler makes them small. Lambdas in them stay fast. */
#define WEFT_BINDER __attribute__((cold))

namespace weft {

/** The first bad datum of a run, such as an id or a label out of range: the call that met it, and its value. */
struct Fault {
  std::atomic<int32_t> call{-1};
  int64_t value = 0;
  bool raised() const { return call.load(std::memory_order_relaxed) >= 0; }
};

/** Where the values of one run lie. A Step takes every address from here when it runs. */
struct Frame {
  void* const* address;
  void* stream;      // the device's stream; unused on the CPU
  Fault* fault;      // on CUDA it lies in the device's memory
  int32_t call = 0;  // index of the call that runs, which a fault names

  template <class T> T* at(const View& view) const { return static_cast<T*>(address[view.slot]); }
  /**
   * Reports a bad value. The kernel goes on with a safe value in its place. The state of the run is not committed. Any
   * thread may call this.
   */
  void raise(int64_t value) const {
    int32_t none = -1;
    if (fault->call.compare_exchange_strong(none, call)) fault->value = value;
  }
};

/**
 * What a binder returns: a lambda that computes or enqueues one call. Copies of a Step share the lambda. So no kernel
 * needs code that copies what its lambda has captured.
 */
class Step {
 public:
  Step() = default;
  template <std::invocable<const Frame&> F> WEFT_BINDER Step(F work) : Step(new F(std::move(work)), run_as<F>, end_as<F>) {}

  Step(const Step& other);
  Step(Step&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Step& operator=(Step other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Step();

  void operator()(const Frame& frame) const { held_->run(held_->closure, frame); }
  explicit operator bool() const { return held_ != nullptr; }

 private:
  using Run = void (*)(void* closure, const Frame&);
  using End = void (*)(void* closure);
  struct Held {
    void* closure;
    Run run;
    End end;
    std::atomic<int> holders{1};
  };
  Step(void* closure, Run run, End end);
  template <class F> WEFT_BINDER static void end_as(void* closure) { delete static_cast<F*>(closure); }
  template <class F> static void run_as(void* closure, const Frame& frame) { (*static_cast<F*>(closure))(frame); }

  Held* held_ = nullptr;
};

/** What binders may know of the device they bind for. */
struct Target {
  int capability = 0;  // on CUDA 10 * major + minor, as in sm_90; 0 on the CPU
  int multiprocessors = 1;
  size_t shared_memory = 0;  // on CUDA the most bytes of shared memory that a block can have
};

/**
 * How products of float32 matrices may be computed: as exactly as in float32, with operands rounded to tf32, or with
 * operands rounded to bfloat16.
 */
enum class Precision : uint8_t { float32, tf32, bfloat16 };

/**
 * The attributes of a call. Its binder, or the binder of a group that the call is part of, must read each of them: an
 * attribute that nobody has read is an error. So TypeScript and C++ agree on them.
 */
class Attrs {
 public:
  void set(std::string name, double value);
  void set(std::string name, std::string value);
  void set(std::string name, std::vector<double> value);
  bool has(const std::string& name) const { return find(name) != nullptr; }
  double number(const std::string& name) const;
  int64_t integer(const std::string& name) const { return int64_t(number(name)); }
  bool flag(const std::string& name) const { return number(name) != 0; }
  const std::string& text(const std::string& name) const;
  const std::vector<double>& numbers(const std::string& name) const;
  Dims integers(const std::string& name) const;
  /**
   * ERR_ARGUMENT for an attribute of `op` that nobody has read. `shape` and `dtype` need not be read: they describe the
   * result, which binders see as a view.
   */
  void require_read(const std::string& op) const;

 private:
  enum class Kind : uint8_t { number, text, numbers };
  struct Attribute {
    std::string name;
    Kind kind = Kind::number;
    double number = 0;
    std::string text = {};
    std::vector<double> numbers = {};
    mutable bool read = false;
  };
  const Attribute* find(const std::string& name) const;
  /** The attribute, which counts as read from now on. ERR_ARGUMENT where it is missing or of another kind. */
  const Attribute& get(const std::string& name, Kind kind, const char* expected) const;
  void put(Attribute attribute);
  std::vector<Attribute> attributes_;
};

/** A call of an operation in a program, as its binder sees it. */
class Call {
 public:
  std::string op;
  std::vector<View> in, out;
  Attrs attrs;
  Target target;
  Precision precision = Precision::float32;
  double flops = 0;     // for profiles: set by binders whose work is not one operation per element
  bool raises = false;  // on CUDA, set by the binder: the kernel may report a bad value
  /**
   * On CUDA, set by the binder: once a bad value was reported, the kernel writes nothing. So it may update state in
   * place.
   */
  bool guarded = false;
  bool waits = false;  // set by the binder: the step waits for other processes, so it never runs on a thread of JavaScript

  /** Memory for the time that this step runs. Its address is a multiple of 64, and its contents are undefined. */
  View scratch(size_t bytes);
  /**
   * Says that an output may lie in the memory of an input of as many bytes: each element is read before it is written.
   */
  void in_place(size_t input, size_t output);

  // filled by the binder, read by the program
  struct Scratch {
    int slot;
    size_t bytes;
  };
  std::vector<Scratch> scratches;
  std::vector<std::pair<size_t, size_t>> in_places;
  int* next_slot = nullptr;
};

using Bind = Step (*)(Call&);

class Device;

/** How a backend binds several pointwise calls as one. */
struct Chains {
  /** Whether a call can be part of a chain. */
  bool (*fusible)(const Call&) = nullptr;
  /**
   * Binds calls that have the same output shape. kept[i] says that somebody outside the chain reads the output of
   * calls[i]. `joined` becomes the chain as one call. An empty Step: the chain does not fit into one kernel.
   */
  Step (*fuse)(const std::vector<const Call*>& calls, const std::vector<bool>& kept, Call& joined) = nullptr;
};

/**
 * A call and its neighbours. A neighbour shares a value with the call, and nobody else does. If the two are bound as
 * one, that value need not lie in memory.
 */
struct Neighbours {
  const Call* call;
  std::vector<const Call*> makers;  // of each input: the call that makes it; null if somebody else reads it too
  /**
   * Of each output: the calls that read it. None if somebody else reads it too, or one could not run right after
   * `call`.
   */
  std::vector<std::vector<const Call*>> readers;
};
/**
 * Binds a call together with some of its neighbours. An empty Step: no neighbour fits. Otherwise `joined` becomes the
 * group as one call, as it is seen from outside, and `taken` becomes the neighbours in the group. Memory is planned for
 * `joined`.
 */
using Join = Step (*)(const Neighbours&, Call& joined, std::vector<const Call*>& taken);

/** All kernels, by backend and op. Of several kernels of an op, the one of the highest level that can be used wins. */
class Registry {
 public:
  void define(std::string_view backend, std::string_view op, int level, Bind);
  /** Null where there is none. Levels above `level` are left out. On the CPU 0 is portable, 1 AVX2, 2 AVX-512. */
  Bind find(std::string_view backend, std::string_view op, int level) const;
  std::vector<std::string> ops(std::string_view backend) const;
  void define(std::string_view backend, std::string_view op, int level, Join);
  /** Null where calls of this op are always bound by themselves. */
  Join find_join(std::string_view backend, std::string_view op, int level) const;
  void define(std::string_view backend, const Chains& chains) { chains_.emplace_back(backend, chains); }
  /** How the backend binds chains. The functions are null where it binds every call by itself. */
  Chains chains(std::string_view backend) const;
  /** Defines all kernels of this registry in another one. */
  void give_to(Registry& other) const;

  /** Devices that a library brings beside its kernels. They live as long as the process. */
  std::vector<Device*> devices;
  /** What a library tells users about the machine: versions, and why a device cannot be used. */
  std::vector<std::pair<std::string, std::string>> notes;

 private:
  template <class F> struct Entry {
    std::string backend, op;
    int level;
    F bind;
  };
  std::vector<Entry<Bind>> kernels_;
  std::vector<Entry<Join>> joins_;
  std::vector<std::pair<std::string, Chains>> chains_;  // of each backend
};
Registry& registry();

struct Define {
  Define(std::string_view backend, std::string_view op, int level, Bind bind) { registry().define(backend, op, level, bind); }
  Define(std::string_view backend, std::string_view op, int level, Join join) { registry().define(backend, op, level, join); }
};

#ifndef WEFT_LEVEL
#define WEFT_LEVEL 0
#endif

#define WEFT_JOIN_(a, b) a##b
#define WEFT_JOIN(a, b) WEFT_JOIN_(a, b)
/** Defines and registers the binder of an op: KERNEL(cpu, softmax) { ... return Step; }, with `call` in scope. */
#define KERNEL(backend, op)                                                                          \
  WEFT_BINDER static ::weft::Step bind_##op(::weft::Call& call);                                     \
  static const ::weft::Define WEFT_JOIN(define_, __COUNTER__){#backend, #op, WEFT_LEVEL, bind_##op}; \
  static ::weft::Step bind_##op([[maybe_unused]] ::weft::Call& call)

/**
 * Defines and registers how calls of an op are joined with their neighbours: JOIN(cpu, lstm) { ... return Step; }. Join
 * says what the function does.
 */
#define JOIN(backend, op)                                                                                                 \
  WEFT_BINDER static ::weft::Step join_##op(const ::weft::Neighbours&, ::weft::Call&, std::vector<const ::weft::Call*>&); \
  static const ::weft::Define WEFT_JOIN(define_, __COUNTER__){#backend, #op, WEFT_LEVEL, join_##op};                      \
  static ::weft::Step join_##op(const ::weft::Neighbours& neighbours, ::weft::Call& joined, std::vector<const ::weft::Call*>& taken)

}  // namespace weft
