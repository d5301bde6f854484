// World: the ranks of a run as this process sees them. One thread talks to MPI. It begins collectives in the order in
// which they were handed over, and tests them until they are done, so that waiting does not burn a core, and a rank
// that is gone becomes an error. Long ones travel in pieces, a few at a time.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "collectives.h"
#include "control/control.h"
#include "mpi/mpi.h"

namespace weft::mpi {

/** A collective that one rank asks for. All ranks ask for the same ones in the same order. */
struct Collective {
  enum class Kind : uint8_t { all_reduce, all_gather, reduce_scatter, broadcast, all_to_all, send_receive } kind;
  DType dtype;
  std::string reduce;    // sum, max or min, where something is reduced
  size_t elements;       // of what this rank gives
  int to = 0, from = 0;  // the root of a broadcast; the peers of send_receive
  const void* given;
  void* taken;
  /** What every rank has to ask for alike: shown where one asks for something else. */
  std::string what;
};

/** A collective under way. */
struct Pending {
  Collective collective;
  uint64_t number = 0;
  bool done = false;
  std::string problem;
  // the thread that talks to MPI alone
  struct Asked {
    uint64_t signature;
    int32_t to, from;
  };
  Asked mine{};
  std::vector<Asked> asked;  // by all ranks
  Handle comparison = 0;
  bool compared = false;
  size_t pieces = 1, begun = 0;  // of the values
  std::vector<Handle> flying;    // requests, in the order in which they were begun
};

class World final : public Engine {
 public:
  const char* name() const override { return "mpi"; }
  std::string load(const std::string& library) override {
    mpi_ = mpi::open(library);
    return mpi_.version;
  }
  WorldFacts open(const WorldSettings&) override;
  std::vector<std::string> gather(const std::string& mine) override;
  void close(bool failed) override;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /** Hands a collective over. Its memory stays as it is until wait() returns. */
  std::shared_ptr<Pending> begin(Collective);
  /** Waits until it is done. ERR_DISTRIBUTED where it cannot be. */
  void wait(Pending&);

 private:
  void work(WorldSettings settings);
  void meet(const WorldSettings& settings);
  bool advance();
  void rest(double waited, int tests, std::unique_lock<std::mutex>&);
  void accept(const Collective&) const;
  void compare(Pending&);
  bool begin_pieces(Pending&);
  void begin_piece(Pending&, size_t number);
  bool test(Pending&);
  void look_for_differences(const Pending&);
  void disagree(const Pending&, int other);
  void end(Pending&, std::string problem);
  bool hopeless(const Pending&) const;
  void check(int code, const char* function) const;
  bool tested(Handle& request) const;
  Handle type_of(DType) const;
  Handle operation(const Collective&) const;
  template <class T> void create_extremes(DType);

  Library mpi_;
  Handle data_ = 0, control_communicator_ = 0, disagreement_communicator_ = 0, sum_bfloat16_ = 0, sum_float16_ = 0;
  struct Extremes {
    Handle max = 0, min = 0;
  };
  std::map<DType, Extremes> extremes_;  // of floats
  int rank_ = 0, size_ = 1;
  double timeout_ = 0, heartbeat_ = 0;
  std::unique_ptr<Control> control_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  std::deque<std::shared_ptr<Pending>> handed_over_;
  std::list<std::shared_ptr<Pending>> under_way_;
  uint64_t begun_ = 0;
  int waiting_ = 0;    // threads in wait()
  size_t flying_ = 0;  // pieces under way
  std::optional<Loss> loss_;
  bool open_ = false, ending_ = false, broken_ = false, finalizing_ = false, left_ = false, finished_ = false;
  std::string failed_to_open_;
};

/** The world of the process. */
World& world();

}  // namespace weft::mpi
