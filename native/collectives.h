// Collectives: what a process needs of an engine that moves bytes between the ranks of a distributed run. The engines
// come in libraries of their own, which distributed.init() opens.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

class Registry;

/** What distributed.init() knows before the ranks have met. */
struct WorldSettings {
  int rank = 0, size = 0;  // as the launcher says; a size of 0: it does not say
  double timeout = 0;      // milliseconds after which a collective fails
  double heartbeat = 0;    // milliseconds between two signs of life; a rank that is silent for four of them is lost
  std::string network;     // the name or address of the interface that control connections use; empty: any
  std::string device;      // 'cuda:0': where the engine's tensors lie
  // where the ranks meet if the engine does not know it: rank 0 listens at this port of this host
  std::string address;
  int port = 0;
  std::string job;  // 32 hexadecimal digits that no process of another run knows
};

/** What the ranks know after they have met. */
struct WorldFacts {
  int rank = 0, size = 1;
  std::string version;  // of the engine's library
};

/**
 * The engine of a process. Its functions block, so no thread of JavaScript calls them, but close() when a process ends.
 */
class Engine {
 public:
  virtual ~Engine() = default;
  /** Its name in distributed.init({ engine }). */
  virtual const char* name() const = 0;
  /**
   * Opens the engine's own library, on the thread of JavaScript: its constructors change functions of the system that
   * other threads of JavaScript must not be in. An error where there is none, with what to install.
   * @returns its version, as 'Open MPI v4.1.4'
   */
  virtual std::string load(const std::string& library) = 0;
  /** Defines the kernels of its collectives, where its library has not done so when it was opened. */
  virtual void give_kernels([[maybe_unused]] Registry& to) {}
  /** Meets the other ranks. ERR_DISTRIBUTED where that fails, with what to do. Once per process. */
  virtual WorldFacts open(const WorldSettings&) = 0;
  /**
   * The bytes that each rank gives, in the order of the ranks. The k-th call of a rank meets the k-th of the others.
   */
  virtual std::vector<std::string> gather(const std::string& mine) = 0;
  /**
   * Leaves the world: waits until all ranks leave it, or one is lost. `failed`: the process ends with an error, which
   * it shows when this returns, so it waits for nobody.
   */
  virtual void close(bool failed) = 0;
};

}  // namespace weft
