// Repeats exported programs (test/cuda-on-cpu/export.ts) on the CPU device, without node, and compares their results
// with those recorded. Each program runs on one thread and on two; both must give the same bits.
// Usage: runner [--shard i/n] <folder>. Each failing program is one line; ends with "N programs, N failed".
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "compare_program.h"
#include "device.h"
#include "program.h"

namespace weft::replay {
namespace {

/** What a signal handler names. */
const char* current = "";

void crashed(int signal) {
  char line[400];
  const int length = std::snprintf(line, sizeof line, "FAIL %s: ended by signal %d\n", current, signal);
  if (write(STDOUT_FILENO, line, size_t(length)) < 0) _exit(3);
  _exit(2);
}

/** Memory at a multiple of 64, filled with 0xff: floats are NaN. */
class Block {
 public:
  explicit Block(size_t bytes)
      : bytes_(bytes), data_(static_cast<char*>(std::aligned_alloc(64, (std::max(bytes, size_t(1)) + 63) / 64 * 64))) {
    require(data_ != nullptr, "ERR_OUT_OF_MEMORY", "no memory for ", bytes, " bytes");
    std::memset(data_, 0xff, bytes);
  }
  ~Block() { std::free(data_); }
  Block(const Block&) = delete;
  void write(const Bytes& from) {
    if (!from.empty()) std::memcpy(data_, from.data(), from.size());
  }
  Bytes read() const { return Bytes(data_, data_ + bytes_); }
  char* data() const { return data_; }

 private:
  size_t bytes_;
  char* data_;
};
using Blocks = std::vector<std::unique_ptr<Block>>;

std::vector<void*> addresses(const Blocks& blocks) {
  std::vector<void*> list;
  for (const auto& block : blocks) list.push_back(block->data());
  return list;
}
std::vector<int> ints(const std::vector<uint32_t>& list) { return {list.begin(), list.end()}; }

/** What one run left behind. */
struct Results {
  std::vector<Bytes> outputs, states;
  int32_t fault;
  bool operator==(const Results&) const = default;
};

Results run(const ProgramFile& file, bool alone) {
  Blocks states, inputs, outputs;
  const auto make = [](Blocks& blocks, const std::vector<Bytes>& contents, bool fill) {
    for (const Bytes& content : contents) {
      blocks.push_back(std::make_unique<Block>(content.size()));
      if (fill) blocks.back()->write(content);
    }
  };
  make(states, file.before, true);
  make(inputs, file.inputs, true);
  make(outputs, file.outputs, false);

  ProgramSpec spec;
  for (const Slot& slot : file.slots)
    spec.slots.push_back({weft::SlotKind(slot.kind), slot.bytes, int(slot.index), slot.value, slot.dtype});
  for (const Value& value : file.values) spec.values.push_back({value.slot, value.dims, value.dtype});
  for (const CallText& call : file.calls) spec.calls.push_back({call.op, ints(call.inputs), ints(call.outputs), call.attrs, call.update});
  for (const Write& write : file.writes) spec.writes.push_back({int(write.slot), int(write.state)});
  spec.states = addresses(states);
  for (const Bytes& before : file.before) spec.state_bytes.push_back(before.size());
  spec.precision = file.precision;

  Device& device = cpu_device();
  Program program(std::move(spec), device);
  const Block arena(program.arena_bytes());
  const std::vector<void*> in = addresses(inputs), out = addresses(outputs);
  Run once{arena.data(), in.data(), out.data(), {}, nullptr, {}, {}};
  device.work_alone(alone);
  program.run(once);
  device.work_alone(false);

  Results results{{}, {}, once.fault.call.load()};
  for (const auto& block : outputs) results.outputs.push_back(block->read());
  for (const auto& block : states) results.states.push_back(block->read());
  return results;
}

/** Empty, or what is wrong. */
std::string check(const ProgramFile& file) {
  const Results one = run(file, true), two = run(file, false);
  if (one.fault != file.fault)
    return "reports bad data in call " + std::to_string(one.fault) + ", should in " + std::to_string(file.fault) + " (-1: none)";
  if (!(one == two)) return "one thread and two give different bits";
  return Comparison(file).differences(
      one.fault >= 0, [&](uint32_t i) { return one.outputs[i]; }, [&](uint32_t i) { return one.states[i]; });
}

int main_of(int count, char** words) {
  size_t shard = 0, shards = 1, failed = 0, programs = 0;
  std::string folder;
  for (int i = 1; i < count; i++) {
    if (std::string(words[i]) == "--shard" && i + 1 < count) std::sscanf(words[++i], "%zu/%zu", &shard, &shards);
    else folder = words[i];
  }
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".program") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(signal, crashed);
  cpu_device().enter();
  for (size_t i = shard; i < files.size(); i += shards) {
    const std::string name = std::filesystem::path(files[i]).stem().string();
    current = name.c_str();
    std::string wrong;
    try {
      wrong = check(read_program(files[i]));
    } catch (const Error& error) { wrong = error.code + " " + error.what(); }
    programs++;
    if (wrong.empty()) continue;
    failed++;
    std::printf("FAIL %s: %s\n", name.c_str(), wrong.c_str());
    std::fflush(stdout);
  }
  std::printf("%zu programs, %zu failed\n", programs, failed);
  return failed > 0 || programs == 0 ? 1 : 0;
}

}  // namespace
}  // namespace weft::replay

int main(int count, char** words) {
  try {
    return weft::replay::main_of(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
