// The CUDA runtime's streams, events and graphs. An eager stream does its work at the call; a lazy one when somebody
// waits for it, or asks for it once for each piece of work.
#include "runtime.h"

namespace emulator {

static std::vector<Stream*> streams;
static constexpr size_t graph_bytes = size_t(1) << 20;

cudaError_t submit(Stream* stream, Work work) {
  if (const cudaError_t error = result(cudaSuccess); error != cudaSuccess) return error;
  if (stream && stream->recording) stream->recording->work.push_back(std::move(work));
  else if (stream && settings().lazy_streams) stream->queue.push_back(std::move(work));
  else work();
  return result(cudaSuccess);
}

static void advance(Stream* stream) {
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (result(cudaSuccess) == cudaSuccess) work();
}
void drain(Stream* stream) {
  for (Stream* other : streams)
    while ((!stream || stream == other) && !other->queue.empty()) advance(other);
}
static void reach(const Mark& mark) {
  while (!mark.reached && result(cudaSuccess) == cudaSuccess && mark.stream && !mark.stream->queue.empty()) advance(mark.stream);
}

cudaError_t enqueue_of_library(Stream* stream, Work work) {
  ENTER;
  return submit(stream, std::move(work));
}
bool recorded_of_library(Stream* stream) {
  ENTER;
  return stream != nullptr && stream->recording != nullptr;
}

bool forbidden_by_capture() {
  bool forbidden = false;
  for (Stream* stream : streams)
    if (stream->recording && stream->mode != cudaStreamCaptureModeRelaxed) stream->invalidated = forbidden = true;
  return forbidden;
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  ENTER;
  if (const cudaError_t error = result(cudaSuccess); error != cudaSuccess) return error;
  streams.push_back(*stream = new Stream{current_device(), {}, nullptr});
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) { return cudaStreamCreateWithFlags(stream, flags); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  ENTER;
  drain(stream);
  std::erase(streams, stream);
  delete stream;
  return result(cudaSuccess);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ENTER;
  if (stream && stream->recording) {
    stream->invalidated = true;
    return result(cudaErrorStreamCaptureUnsupported);
  }
  if (stream) drain(stream);
  return result(cudaSuccess);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  ENTER;
  if (stream && !stream->queue.empty()) {
    advance(stream);
    return result(cudaErrorNotReady);
  }
  return result(cudaSuccess);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  ENTER;
  if (event->recording && stream && !stream->recording) stream->recording = event->recording;  // joins the capture
  if (event->recording || event->mark->reached) return result(cudaSuccess);
  return submit(stream, [mark = event->mark] { reach(*mark); });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* argument) {
  ENTER;
  return submit(stream, [=] { function(argument); });
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  ENTER;
  if (!stream || stream->recording) return result(cudaErrorIllegalState);
  stream->recording = std::make_shared<Graph>();
  stream->mode = mode;
  stream->origin = true;
  stream->invalidated = false;
  return result(cudaSuccess);
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  ENTER;
  *graph = nullptr;
  if (!stream->recording || !stream->origin) return result(cudaErrorIllegalState);
  const std::shared_ptr<Graph> recording = stream->recording;
  bool invalidated = false;
  for (Stream* other : streams)
    if (other->recording == recording) {
      invalidated |= other->invalidated;
      other->recording.reset();
      other->origin = false;
    }
  if (invalidated) return result(cudaErrorStreamCaptureInvalidated);
  *graph = new Graph(*recording);
  recording->work.clear();  // events of the capture refer to it for longer than the graph lives
  return result(cudaSuccess);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  ENTER;
  *status = !stream || !stream->recording ? cudaStreamCaptureStatusNone
            : stream->invalidated         ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
  return result(cudaSuccess);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  *mode = cudaStreamCaptureModeGlobal;
  return cudaSuccess;
}

// ---- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new Event{};
  (*event)->timed = !(flags & cudaEventDisableTiming);
  return result(cudaSuccess);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return result(cudaSuccess);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  ENTER;
  event->recording = stream ? stream->recording : nullptr;
  event->mark = std::make_shared<Mark>();
  event->mark->stream = stream;
  return submit(stream, [mark = event->mark] {
    mark->time = std::chrono::steady_clock::now();
    mark->reached = true;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  ENTER;
  if (event->recording) return result(cudaErrorStreamCaptureUnsupported);
  if (event->mark->reached) return result(cudaSuccess);
  if (event->mark->stream && !event->mark->stream->queue.empty()) advance(event->mark->stream);
  return result(cudaErrorNotReady);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ENTER;
  if (event->recording) return result(cudaErrorStreamCaptureUnsupported);
  reach(*event->mark);
  return result(cudaSuccess);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  ENTER;
  if (!from->timed || !to->timed) return result(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(to->mark->time - from->mark->time).count();
  return result(cudaSuccess);
}

// ---- graphs

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* program, cudaGraph_t graph, unsigned long long) {
  ENTER;
  // as on a GPU, an instantiated graph needs some of the device's memory
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) == cudaSuccess && free < graph_bytes) return result(cudaErrorMemoryAllocation);
  *program = new GraphProgram{graph->work};
  return result(cudaSuccess);
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = graph->work.size();
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t program, cudaStream_t stream) {
  ENTER;
  for (const Work& work : program->work)
    if (const cudaError_t error = submit(stream, work); error != cudaSuccess) return error;
  return result(cudaSuccess);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return result(cudaSuccess); }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return result(cudaSuccess);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t program) {
  delete program;
  return result(cudaSuccess);
}
