// Control: the connections that tell the ranks of a run about each other. Rank 0 listens, and every other rank has one
// connection to it, which carries signs of life, the loss of a rank, and small messages. An engine alone does not
// notice a rank that is gone: MPI waits for ever.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace weft {

/** Why a run cannot go on. */
struct Loss {
  int rank = -1;  // the rank that is lost
  std::string text;
  /** It left in order: collectives and gathers with a smaller number were finished by it, so they can be finished. */
  bool left = false;
  uint64_t collectives = 0, gathers = 0, comparisons = 0;
};

class Control {
 public:
  using Told = std::function<void(const Loss&)>;

  /** Where the ranks meet. An engine that brings its own connections finds out; without one it is agreed on before. */
  struct Meeting {
    int port = 0;               // 0: one that the system chooses
    uint64_t job[2] = {};       // strangers do not know it; zeros: one is drawn at random
    char addresses[1024] = {};  // of rank 0, separated by spaces
  };

  /**
   * Of rank 0: begins to listen. `only_here`: all ranks run on this host. `network`: an interface's name or address.
   */
  static std::unique_ptr<Control> listen(int size, double heartbeat, bool only_here, const std::string& network, Meeting& meeting);
  /** Of every other rank. */
  static std::unique_ptr<Control> connect(int rank, int size, double heartbeat, const Meeting& meeting, double timeout);
  ~Control();

  /** Begins to watch. `told` is called, on a thread of this object, when a rank is lost or leaves. */
  void watch(Told told, double timeout);
  /** Gathers of a kind meet those of the same kind, whatever the other kind does meanwhile. */
  enum class Gather : uint8_t { texts, comparisons };
  /** Stops waiting where a rank was lost. */
  std::vector<std::string> gather(const std::string& mine, double timeout, Gather kind = Gather::texts);
  /** Tells all ranks that this one cannot go on, and why. */
  void give_up(const std::string& why);
  /**
   * Tells the others that this rank ends, and waits until all end, unless it has failed. `whole`: this rank has
   * finished all that it began. Whether all ranks end so: only then may one wait for the others in its engine.
   */
  bool leave(uint64_t collectives, bool failed, bool whole);

  /** Of a socket: no delay, no waiting, and closed in programs that this one starts. */
  static void set_up(int socket);

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    int socket = -1, rank = -1;
    std::string in, out;
    size_t put = 0;  // of `out`: what is sent
    Clock::time_point heard;
    bool left = false;
  };
  enum class Kind : uint32_t { hello, beat, piece, whole, leaving, left, lost, over };
  struct Head {
    Kind kind;
    int32_t rank;
    uint64_t number, bytes;
  };
  Control(int rank, int size, double heartbeat) : rank_(rank), size_(size), heartbeat_(heartbeat) {}
  void work();
  void accept_one();
  void read_from(Connection&);
  bool take(Connection&);
  void heard(Connection&, const Head&, std::string body);
  void write_to(Connection&);
  void send(Connection&, Kind, int rank, uint64_t number, const std::string& body);
  void send_all(Kind, int rank, uint64_t number, const std::string& body);
  void piece(int rank, uint64_t number, std::string body);
  void someone_leaves(int rank, const std::string& counts);
  void end_when_all_left();
  void lose(Loss loss);
  void end_connection(Connection&, const std::string& why);
  void refuse(Connection&, const std::string& why);
  void look_for_silence();
  void wake() const;

  const int rank_, size_;
  const double heartbeat_;
  int listening_ = -1, waking_[2] = {-1, -1};
  uint64_t job_[2] = {};
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Connection> connections_;
  Told told_;
  std::map<uint64_t, std::vector<std::optional<std::string>>> pieces_;  // of rank 0: gathers under way
  std::map<uint64_t, std::string> wholes_;
  uint64_t gathers_[2] = {};  // of each kind
  int present_ = 0, gone_ = 0;
  std::string refused_;  // why the last stranger was
  std::optional<Loss> loss_;
  bool leaving_ = false, over_ = false, stopping_ = false;
  bool all_whole_ = true;  // of rank 0: those that have left; elsewhere what rank 0 said of all
};

}  // namespace weft
