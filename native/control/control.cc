#include "control/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "error.h"

namespace weft {
namespace {

constexpr uint64_t most_message = uint64_t(1) << 30;
/** Of a connection at a time, so that a long message does not keep the others waiting for a sign of life. */
constexpr size_t most_at_once = size_t(1) << 20;

}  // namespace

Control::~Control() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
  for (const Connection& one : connections_)
    if (one.socket >= 0) ::close(one.socket);
  for (const int one : {listening_, waking_[0], waking_[1]})
    if (one >= 0) ::close(one);
}

void Control::watch(Told told, double timeout) {
  told_ = std::move(told);
  if (pipe2(waking_, O_CLOEXEC | O_NONBLOCK) != 0) fail("ERR_DISTRIBUTED", "no pipe can be made: ", strerror(errno));
  thread_ = std::thread([this] { work(); });
  if (rank_ != 0) return;
  std::unique_lock lock(mutex_);
  const bool met = changed_.wait_for(lock, std::chrono::duration<double, std::milli>(timeout), [&] { return present_ == size_ - 1; });
  require(met, "ERR_DISTRIBUTED", "rank 0 waited ", timeout, " ms, and ", size_ - 1 - present_, " of ", size_ - 1,
          " other ranks did not come; ", refused_.empty() ? "" : "the last process that was refused: " + refused_ + "; ", "start all ",
          size_, " ranks, and name the network between the hosts in WEFT_INTERFACE");
}

void Control::wake() const {
  const char byte = 0;
  if (waking_[1] >= 0 && write(waking_[1], &byte, 1) < 0 && errno != EAGAIN) std::abort();
}

void Control::work() {
  std::unique_lock lock(mutex_);
  auto beaten = Clock::now();
  while (!stopping_) {
    std::vector<pollfd> watched = {{waking_[0], POLLIN, 0}};
    if (listening_ >= 0 && present_ < size_ - 1) watched.push_back({listening_, POLLIN, 0});
    const size_t first = watched.size(), count = connections_.size();
    for (const Connection& one : connections_) watched.push_back({one.socket, short(POLLIN | (one.out.empty() ? 0 : POLLOUT)), 0});
    lock.unlock();
    poll(watched.data(), watched.size(), int(heartbeat_ / 2) + 1);
    lock.lock();
    char bytes[64];
    while (read(waking_[0], bytes, sizeof bytes) > 0) {}
    for (size_t i = 0; i < count; i++) {
      if (connections_[i].socket >= 0 && (watched[first + i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_from(connections_[i]);
      if (connections_[i].socket >= 0) write_to(connections_[i]);
    }
    if (first == 2 && (watched[1].revents & POLLIN) != 0) accept_one();
    const auto now = Clock::now();
    if (now - beaten >= std::chrono::duration<double, std::milli>(heartbeat_)) {
      beaten = now;
      send_all(Kind::beat, rank_, 0, "");
    }
    look_for_silence();
  }
  // what is left of the last words
  for (Connection& one : connections_)
    for (size_t before = SIZE_MAX; one.socket >= 0 && !one.out.empty() && one.put != before;) before = one.put, write_to(one);
}

void Control::accept_one() {
  const int socket = accept(listening_, nullptr, nullptr);
  if (socket < 0) return;
  set_up(socket);
  Connection& one = connections_.emplace_back();
  one.socket = socket, one.heard = Clock::now();
}

void Control::read_from(Connection& from) {
  char bytes[65536];
  for (size_t taken = 0; taken < most_at_once;) {
    const ssize_t got = read(from.socket, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got <= 0) return end_connection(from, "its connection has ended");
    taken += size_t(got);
    from.in.append(bytes, size_t(got));
    from.heard = Clock::now();
    while (from.socket >= 0 && take(from)) {}
    if (from.socket < 0) return;
  }
}

/** Takes a message out of what was read. */
bool Control::take(Connection& from) {
  Head head;
  if (from.in.size() < sizeof head) return false;
  std::memcpy(&head, from.in.data(), sizeof head);
  const bool stranger = from.rank < 0 && (head.kind != Kind::hello || head.bytes != sizeof job_ || head.rank < 1 || head.rank >= size_);
  if (stranger || head.bytes > most_message) return end_connection(from, "it sent something else than messages"), false;
  if (from.in.size() < sizeof head + head.bytes) return false;
  std::string body = from.in.substr(sizeof head, head.bytes);
  from.in.erase(0, sizeof head + head.bytes);
  if (from.rank < 0 && std::memcmp(body.data(), job_, sizeof job_) != 0)
    return refuse(from, "it belongs to another run, or has another WEFT_SECRET or number of ranks"), false;
  const auto same = [&](const Connection& one) { return one.rank == head.rank; };
  if (from.rank < 0 && std::any_of(connections_.begin(), connections_.end(), same))
    return refuse(from, "another process is rank " + std::to_string(head.rank) + " already"), false;
  heard(from, head, std::move(body));
  return true;
}

/** Tells a process why it is no rank of this run. */
void Control::refuse(Connection& one, const std::string& why) {
  refused_ = why;
  send(one, Kind::lost, 0, 0, "rank 0 has refused this process: " + why);
  write_to(one);
  if (one.socket >= 0) end_connection(one, why);
}

void Control::heard(Connection& from, const Head& head, std::string body) {
  switch (head.kind) {
    case Kind::hello:
      from.rank = head.rank;
      present_++;
      break;
    case Kind::beat: break;
    case Kind::piece: piece(from.rank, head.number, std::move(body)); break;
    case Kind::whole: wholes_[head.number] = std::move(body); break;
    case Kind::leaving:
      from.left = true;
      someone_leaves(from.rank, body);
      break;
    case Kind::left: someone_leaves(head.rank, body); break;
    case Kind::lost: lose({.rank = head.rank, .text = body}); break;
    case Kind::over:
      all_whole_ = head.number != 0;
      over_ = true;
      break;
  }
  changed_.notify_all();
}

void Control::write_to(Connection& to) {
  for (size_t sent = 0; to.put < to.out.size();) {
    if (sent >= most_at_once) return;
    const ssize_t put = ::send(to.socket, to.out.data() + to.put, std::min(to.out.size() - to.put, most_at_once), MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (put < 0) return end_connection(to, "its connection has ended");
    to.put += size_t(put);
    sent += size_t(put);
  }
  // all at once: what is left of a long message would be moved for each of its packets
  to.out.clear();
  to.put = 0;
}

void Control::send(Connection& to, Kind kind, int rank, uint64_t number, const std::string& body) {
  if (to.socket < 0) return;
  const Head head{kind, rank, number, body.size()};
  to.out.append(reinterpret_cast<const char*>(&head), sizeof head);
  to.out += body;
}

void Control::send_all(Kind kind, int rank, uint64_t number, const std::string& body) {
  for (Connection& one : connections_)
    if (one.rank >= 0) send(one, kind, rank, number, body);
  wake();
}

/** Of rank 0: a rank's piece of a gather. The last one makes it whole. */
void Control::piece(int rank, uint64_t number, std::string body) {
  auto& all = pieces_[number];
  all.resize(size_t(size_));
  all[size_t(rank)] = std::move(body);
  for (const auto& one : all)
    if (!one) return;
  std::string whole;
  for (const auto& one : all) {
    const uint64_t bytes = one->size();
    whole.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    whole += *one;
  }
  pieces_.erase(number);
  send_all(Kind::whole, 0, number, whole);
  wholes_[number] = std::move(whole);
  changed_.notify_all();
}

std::vector<std::string> Control::gather(const std::string& mine, double timeout, Gather kind) {
  std::unique_lock lock(mutex_);
  const uint64_t count = gathers_[size_t(kind)]++;
  const uint64_t number = count << 1 | uint64_t(kind);
  if (rank_ == 0) piece(0, number, mine);
  else send_all(Kind::piece, rank_, number, mine);
  const auto here = [&] { return wholes_.count(number) != 0; };
  const auto hopeless = [&] { return loss_ && !(loss_->left && count < (kind == Gather::texts ? loss_->gathers : loss_->comparisons)); };
  changed_.wait_for(lock, std::chrono::duration<double, std::milli>(timeout), [&] { return here() || hopeless(); });
  if (!here()) {
    if (loss_) fail("ERR_DISTRIBUTED", loss_->text);
    fail("ERR_DISTRIBUTED", "the other ranks did not come within ", timeout, " ms");
  }
  const std::string whole = std::move(wholes_[number]);
  wholes_.erase(number);
  std::vector<std::string> list;
  for (size_t at = 0; at + sizeof(uint64_t) <= whole.size();) {
    uint64_t bytes;
    std::memcpy(&bytes, whole.data() + at, sizeof bytes);
    list.push_back(whole.substr(at + sizeof bytes, bytes));
    at += sizeof bytes + bytes;
  }
  return list;
}

/** Notes that a rank leaves in order. Rank 0 tells the others. */
void Control::someone_leaves(int rank, const std::string& counts) {
  Loss loss{.rank = rank, .text = "rank " + std::to_string(rank) + " has ended", .left = true};
  std::memcpy(&loss.collectives, counts.data(), sizeof loss.collectives);
  std::memcpy(&loss.gathers, counts.data() + 8, 8);
  std::memcpy(&loss.comparisons, counts.data() + 16, 8);
  if (rank_ == 0) {
    send_all(Kind::left, rank, 0, counts);
    all_whole_ &= counts.size() > 24 && counts[24] != 0;
    gone_++;
    end_when_all_left();
  }
  if (rank != rank_) lose(loss);
}

/** Of rank 0: tells the ranks that all have left, and whether each of them has finished what it began. */
void Control::end_when_all_left() {
  if (!leaving_ || gone_ < size_ - 1) return;
  over_ = true;
  send_all(Kind::over, 0, all_whole_, "");
}

void Control::give_up(const std::string& why) {
  std::unique_lock lock(mutex_);
  if (rank_ != 0 && !loss_) send_all(Kind::lost, rank_, 0, why);
  lose({.rank = rank_, .text = why});
}

bool Control::leave(uint64_t collectives, bool failed, bool whole) {
  std::unique_lock lock(mutex_);
  leaving_ = true;
  whole &= !failed;
  std::string counts(reinterpret_cast<const char*>(&collectives), sizeof collectives);
  counts.append(reinterpret_cast<const char*>(gathers_), sizeof gathers_);
  counts += char(whole);
  if (rank_ == 0) {
    send_all(Kind::left, 0, 0, counts);
    all_whole_ &= whole;
    end_when_all_left();
  } else {
    send_all(Kind::leaving, rank_, 0, counts);
  }
  if (failed) return false;
  changed_.wait(lock, [&] { return over_ || (loss_ && !loss_->left); });
  return over_ && all_whole_;
}

void Control::end_connection(Connection& one, const std::string& why) {
  ::close(one.socket);
  one.socket = -1;
  const int rank = one.rank;
  if (rank < 0 || over_ || (rank == 0 && leaving_ && gone_ == size_)) return;
  if (one.left) return;
  lose({.rank = rank, .text = "rank " + std::to_string(rank) + " was lost: " + why});
}

/** Notes the first loss, and tells it. A rank that is gone without a word outweighs one that left in order. */
void Control::lose(Loss loss) {
  if (loss_ && (!loss_->left || loss.left)) return;
  loss_ = loss;
  if (rank_ == 0 && !loss.left) send_all(Kind::lost, loss.rank, 0, loss.text);
  if (told_) told_(loss);
  changed_.notify_all();
}

void Control::look_for_silence() {
  const auto now = Clock::now();
  const std::chrono::duration<double, std::milli> limit(4 * heartbeat_);
  const auto silent = [&](const Connection& one) { return one.socket >= 0 && !over_ && now - one.heard > limit; };
  for (Connection& one : connections_) {
    // where this process stood still itself, signs of life have come that nobody has read yet
    if (silent(one)) read_from(one);
    if (silent(one)) end_connection(one, "it has given no sign of life for " + std::to_string(int64_t(4 * heartbeat_)) + " ms");
  }
}

}  // namespace weft
