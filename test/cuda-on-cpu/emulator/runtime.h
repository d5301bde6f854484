// What the host functions of the emulated CUDA runtime share.
#pragma once
#include <chrono>
#include <mutex>

#include "state.h"

namespace emulator {

using Work = std::function<void()>;
struct Graph {
  std::vector<Work> work;
};
struct GraphProgram {
  std::vector<Work> work;
};
struct Stream {
  int device;
  std::deque<Work> queue;  // of a lazy stream: what it has not done yet
  std::shared_ptr<Graph> recording;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  bool origin = false;       // the capture began here, and ends here
  bool invalidated = false;  // something happened that cannot be recorded
};
/** One recording of an event. */
struct Mark {
  bool reached = false;
  std::chrono::steady_clock::time_point time;
  Stream* stream = nullptr;
};
struct Event {
  std::shared_ptr<Mark> mark = std::make_shared<Mark>(Mark{true, {}, nullptr});
  std::shared_ptr<Graph> recording;  // the capture it was recorded in
  bool timed = true;
};

extern std::recursive_mutex runtime_mutex;
#define ENTER const std::lock_guard lock(runtime_mutex)

/** Notes an error and returns it; after a kernel's mistake every function returns that. */
cudaError_t result(cudaError_t);
int current_device();
/**
 * Does work in the order of a stream: now, when somebody waits for it (lazy), or when the graph being recorded is
 * launched.
 */
cudaError_t submit(Stream*, Work);
/** Does what a stream has not done yet; null: what any has not. */
void drain(Stream*);
/** Whether some stream is being captured so that this call is forbidden; then the capture is lost. */
bool forbidden_by_capture();

}  // namespace emulator
