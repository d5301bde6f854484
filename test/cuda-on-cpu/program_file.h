// Reads the programs that export.ts writes; the format is described there.
#pragma once
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernel.h"

namespace weft::replay {

enum class SlotKind : uint8_t { arena, input, output, state, constant };

struct Slot {
  SlotKind kind;
  DType dtype;
  uint32_t index;
  size_t bytes;
  double value;
};
struct Value {
  int slot;
  DType dtype;
  Dims dims;
};
struct CallText {
  std::string op;
  bool update;
  std::vector<uint32_t> inputs, outputs;
  Attrs attrs;
};
struct Write {
  uint32_t slot, state;
};
using Bytes = std::vector<char>;

struct ProgramFile {
  Precision precision = Precision::float32;
  std::vector<Slot> slots;
  std::vector<Value> values;
  std::vector<CallText> calls;
  std::vector<Write> writes;
  std::vector<Bytes> before, after;  // of each state
  std::vector<Bytes> inputs, outputs;
  int32_t fault = -1;  // the call that met bad data
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }
  template <class T> T number() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::string text() {
    const uint32_t length = number<uint32_t>();
    return std::string(take(length), length);
  }
  Bytes bytes() {
    const uint64_t length = number<uint64_t>();
    const char* from = take(length);
    return Bytes(from, from + length);
  }
  template <class F> auto list(F&& item) {
    std::vector<decltype(item())> all(number<uint32_t>());
    for (auto& one : all) one = item();
    return all;
  }

 private:
  const char* take(uint64_t count) {
    require(count <= bytes_.size() - at_, "ERR_FORMAT", path_, ": ends early");
    at_ += count;
    return bytes_.data() + at_ - count;
  }
  std::string path_;
  Bytes bytes_;
  size_t at_ = 0;
};

inline Attrs read_attrs(Reader& in) {
  Attrs attrs;
  in.list([&] {
    std::string name = in.text();
    switch (in.number<uint8_t>()) {
      case 0: attrs.set(name, in.number<double>()); break;
      case 1: attrs.set(name, in.text()); break;
      default: attrs.set(name, in.list([&] { return in.number<double>(); }));
    }
    return 0;
  });
  return attrs;
}

inline ProgramFile read_program(const std::string& path) {
  Reader in(path);
  require(in.number<uint32_t>() == 0x57454654 && in.number<uint32_t>() == 1, "ERR_FORMAT", path, ": not a program of this format");
  ProgramFile program;
  const std::string precision = in.text();
  program.precision = precision == "tf32" ? Precision::tf32 : precision == "mixedBfloat16" ? Precision::bfloat16 : Precision::float32;
  // members of a braced list are read in order
  program.slots = in.list([&] {
    return Slot{SlotKind(in.number<uint8_t>()), DType(in.number<uint8_t>()), in.number<uint32_t>(), in.number<uint64_t>(),
                in.number<double>()};
  });
  program.values = in.list([&] {
    return Value{in.number<int32_t>(), DType(in.number<uint8_t>()), in.list([&] { return in.number<int64_t>(); })};
  });
  program.calls = in.list([&] {
    return CallText{in.text(), in.number<uint8_t>() != 0, in.list([&] { return in.number<uint32_t>(); }),
                    in.list([&] { return in.number<uint32_t>(); }), read_attrs(in)};
  });
  program.writes = in.list([&] { return Write{in.number<uint32_t>(), in.number<uint32_t>()}; });
  in.list([&] {
    program.before.push_back(in.bytes());
    program.after.push_back(in.bytes());
    return 0;
  });
  program.inputs = in.list([&] { return in.bytes(); });
  program.outputs = in.list([&] { return in.bytes(); });
  program.fault = in.number<int32_t>();
  return program;
}

}  // namespace weft::replay
