// What the ranks of the NCCL twin share: processes of one host that meet in a mapping, and lay their bytes there a
// window at a time.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nccl_twin {

constexpr int most_ranks = 16;
constexpr size_t window = size_t(1) << 18;

struct Shared {
  std::atomic<uint64_t> arrived[most_ranks], left[most_ranks];
  /** What each rank asks for, in words. */
  char asks[most_ranks][192];
  /** Of sends: the rank that the window is for, or -1. */
  int64_t to[most_ranks];
  uint64_t bytes[most_ranks];
  char data[most_ranks][window];
};

/** A send or a receive of a group. */
struct Transfer {
  char* memory;
  size_t bytes;
  int peer;
};

/** A communicator. Recorded work refers to it, as long as a graph holds that work. */
class Communicator {
 public:
  /** Null where the mapping cannot be made, or not all ranks come in time. */
  static std::shared_ptr<Communicator> meet(const std::string& name, int size, int rank);
  ~Communicator();

  const int size, rank;
  std::atomic<bool> aborted{false};
  std::atomic<int> error{0};  // an ncclResult_t
  std::string what_failed;

  using Add = std::function<void(void* sum, const void* other, size_t elements)>;
  /** All ranks ask for `what`. Each gets the sum of what all give, in the order of the ranks; or its part of it. */
  void reduce(const std::string& what, const char* given, char* taken, size_t elements, size_t element_bytes, const Add& add, bool scatter);
  void gather(const std::string& what, const char* given, char* taken, size_t bytes);
  void broadcast(const std::string& what, const char* given, char* taken, size_t bytes, int root);
  void exchange(const std::string& what, std::vector<Transfer> sends, std::vector<Transfer> receives);

 private:
  Communicator(Shared* shared, int size, int rank) : size(size), rank(rank), shared_(shared) {}
  bool meet(std::atomic<uint64_t>* flags);
  bool begin(const std::string& what);
  /** As NCCL does: what fails never ends, until the communicator is aborted. */
  void fail(int result, const std::string& what);

  Shared* shared_;
  uint64_t turn_ = 0;
  uint64_t done_ = 0;
};

}  // namespace nccl_twin
