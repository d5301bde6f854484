#include "nccl_exchange.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace nccl_twin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int invalid_usage = 5, remote_error = 6;

int number(const char* name, int otherwise) {
  const char* const text = getenv(name);
  return text != nullptr && *text != '\0' ? atoi(text) : otherwise;
}
/** Milliseconds after which the twin gives up, so that a test fails and does not hang. */
const int most_waiting = number("WEFT_EMULATED_NCCL_TIMEOUT", 20000);
/** The operation of this process that fails, counted from 1; 0: none. */
const int failing = number("WEFT_EMULATED_NCCL_FAILURE", 0);

}  // namespace

std::shared_ptr<Communicator> Communicator::meet(const std::string& name, int size, int rank) {
  const int file = shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return nullptr;
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return nullptr;
  std::shared_ptr<Communicator> made(new Communicator(static_cast<Shared*>(memory), size, rank));
  const bool met = made->meet(made->shared_->arrived);
  if (rank == 0) shm_unlink(name.c_str());
  return met ? made : nullptr;
}

Communicator::~Communicator() { munmap(shared_, sizeof(Shared)); }

/** Waits until all ranks have come as often as this one. */
bool Communicator::meet(std::atomic<uint64_t>* flags) {
  if (flags == shared_->arrived) turn_++;
  flags[rank].store(turn_, std::memory_order_release);
  const auto end = Clock::now() + std::chrono::milliseconds(most_waiting);
  for (int other = 0; other < size; other++)
    for (int tries = 0; flags[other].load(std::memory_order_acquire) < turn_; tries++) {
      if (aborted) return false;
      if (tries < 200) sched_yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
      if (tries % 64 == 63 && Clock::now() > end) return fail(remote_error, "not all ranks came"), false;
    }
  return true;
}

void Communicator::fail(int result, const std::string& what) {
  if (error == 0) what_failed = what, error = result;
  const auto end = Clock::now() + std::chrono::milliseconds(most_waiting);
  while (!aborted && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/** All ranks ask for the same operation. */
bool Communicator::begin(const std::string& what) {
  if (aborted || error != 0) return false;
  if (failing != 0 && ++done_ == uint64_t(failing)) return fail(remote_error, "it was told to fail"), false;
  snprintf(shared_->asks[rank], sizeof shared_->asks[rank], "%s", what.c_str());
  if (!meet(shared_->arrived)) return false;
  std::string problem;
  for (int other = 0; other < size; other++)
    if (strcmp(shared_->asks[other], shared_->asks[rank]) != 0)
      problem = "rank " + std::to_string(rank) + " asks for " + what + ", rank " + std::to_string(other) + " for " + shared_->asks[other];
  if (!meet(shared_->left)) return false;
  if (problem.empty()) return true;
  fprintf(stderr, "NCCL's twin: %s\n", problem.c_str());
  fail(invalid_usage, problem);
  return false;
}

void Communicator::reduce(const std::string& what, const char* given, char* taken, size_t elements, size_t element_bytes, const Add& add,
                          bool scatter) {
  if (!begin(what)) return;
  const size_t most = window / element_bytes, of_each = elements / size_t(size);
  const std::vector<char> copy = scatter ? std::vector<char>() : std::vector<char>(given, given + elements * element_bytes);
  const char* const from = scatter ? given : copy.data();
  std::vector<char> sum(window);
  for (size_t at = 0; at < elements; at += most) {
    const size_t count = std::min(most, elements - at), bytes = count * element_bytes;
    memcpy(shared_->data[rank], from + at * element_bytes, bytes);
    if (!meet(shared_->arrived)) return;
    memcpy(sum.data(), shared_->data[0], bytes);
    for (int other = 1; other < size; other++) add(sum.data(), shared_->data[other], count);
    const size_t begin = scatter ? std::max(at, of_each * size_t(rank)) : at;
    const size_t end = scatter ? std::min(at + count, of_each * size_t(rank + 1)) : at + count;
    const size_t first = scatter ? of_each * size_t(rank) : 0;
    if (begin < end)
      memcpy(taken + (begin - first) * element_bytes, sum.data() + (begin - at) * element_bytes, (end - begin) * element_bytes);
    if (!meet(shared_->left)) return;
  }
}

void Communicator::gather(const std::string& what, const char* given, char* taken, size_t bytes) {
  if (!begin(what)) return;
  for (size_t at = 0; at < bytes; at += window) {
    const size_t part = std::min(window, bytes - at);
    memcpy(shared_->data[rank], given + at, part);
    if (!meet(shared_->arrived)) return;
    for (int other = 0; other < size; other++) memcpy(taken + size_t(other) * bytes + at, shared_->data[other], part);
    if (!meet(shared_->left)) return;
  }
}

void Communicator::broadcast(const std::string& what, const char* given, char* taken, size_t bytes, int root) {
  if (!begin(what)) return;
  for (size_t at = 0; at < bytes; at += window) {
    const size_t part = std::min(window, bytes - at);
    if (rank == root) memcpy(shared_->data[rank], given + at, part);
    if (!meet(shared_->arrived)) return;
    memcpy(taken + at, shared_->data[root], part);
    if (!meet(shared_->left)) return;
  }
}

/** Rounds, in each of which a rank lays out a part of its next send, until no rank has one. */
void Communicator::exchange(const std::string& what, std::vector<Transfer> sends, std::vector<Transfer> receives) {
  if (!begin(what)) return;
  std::string problem;
  for (size_t next = 0, sent = 0;;) {
    while (next < sends.size() && sent == sends[next].bytes) next++, sent = 0;
    shared_->to[rank] = -1;
    if (next < sends.size()) {
      const size_t part = std::min(window, sends[next].bytes - sent);
      memcpy(shared_->data[rank], sends[next].memory + sent, part);
      shared_->to[rank] = sends[next].peer, shared_->bytes[rank] = part;
      sent += part;
    }
    if (!meet(shared_->arrived)) return;
    bool any = false;
    for (int other = 0; other < size; other++) {
      any |= shared_->to[other] >= 0;
      if (shared_->to[other] != rank) continue;
      const auto mine =
          std::find_if(receives.begin(), receives.end(), [&](const Transfer& one) { return one.peer == other && one.bytes > 0; });
      if (mine == receives.end() || mine->bytes < shared_->bytes[other]) {
        problem = "rank " + std::to_string(other) + " sends rank " + std::to_string(rank) + " what it does not ask for";
        continue;
      }
      memcpy(mine->memory, shared_->data[other], shared_->bytes[other]);
      mine->memory += shared_->bytes[other], mine->bytes -= shared_->bytes[other];
    }
    if (!meet(shared_->left)) return;
    if (!any) break;
  }
  for (const Transfer& one : receives)
    if (one.bytes > 0) problem = "rank " + std::to_string(rank) + " waits for what rank " + std::to_string(one.peer) + " does not send";
  if (problem.empty()) return;
  fprintf(stderr, "NCCL's twin: %s\n", problem.c_str());
  fail(invalid_usage, problem);
}

}  // namespace nccl_twin
