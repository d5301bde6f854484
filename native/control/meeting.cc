// How the ranks of a run meet: rank 0 listens, and the others find it among its addresses.
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "control/control.h"
#include "error.h"

namespace weft {
namespace {

/** The IPv4 addresses of this host that other hosts can reach. */
std::string addresses_of(const std::string& network) {
  std::string list;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return list;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_UP) == 0) continue;
    if (network.empty() && (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    if (!network.empty() && network != one->ifa_name && network != text) continue;
    if (list.size() + strlen(text) + 2 < sizeof(Control::Meeting::addresses)) list += (list.empty() ? "" : " ") + std::string(text);
  }
  freeifaddrs(all);
  return list;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> list;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

/** A connection to the address, or -1. */
int connected(const std::string& address, int port, int milliseconds) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(uint16_t(port));
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return -1;
  const int made = socket(AF_INET, SOCK_STREAM, 0);
  if (made < 0) return -1;
  Control::set_up(made);
  if (::connect(made, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) return ::close(made), -1;
  pollfd ready{made, POLLOUT, 0};
  int problem = 0;
  socklen_t length = sizeof problem;
  if (poll(&ready, 1, milliseconds) != 1 || getsockopt(made, SOL_SOCKET, SO_ERROR, &problem, &length) != 0 || problem != 0)
    return ::close(made), -1;
  return made;
}

}  // namespace

void Control::set_up(int socket) {
  const int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
  fcntl(socket, F_SETFD, FD_CLOEXEC);
}

std::unique_ptr<Control> Control::listen(int size, double heartbeat, bool only_here, const std::string& network, Meeting& meeting) {
  std::unique_ptr<Control> made(new Control(0, size, heartbeat));
  // at a port that was agreed on, other ranks know the host by another way
  const bool anywhere = meeting.port != 0 && network.empty();
  const std::string addresses = only_here || anywhere ? "127.0.0.1" : addresses_of(network);
  require(!addresses.empty(), "ERR_DISTRIBUTED", "rank 0 has no network interface", network.empty() ? "" : " " + network,
          " that other hosts can reach; name one in WEFT_INTERFACE");
  std::memcpy(meeting.addresses, addresses.c_str(), addresses.size() + 1);
  const bool known = meeting.job[0] != 0 || meeting.job[1] != 0;
  require(known || getrandom(meeting.job, sizeof meeting.job, 0) == ssize_t(sizeof meeting.job), "ERR_DISTRIBUTED",
          "no random number can be had");
  std::memcpy(made->job_, meeting.job, sizeof meeting.job);
  made->listening_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(only_here ? INADDR_LOOPBACK : INADDR_ANY);
  if (!only_here && meeting.port != 0 && !network.empty()) inet_pton(AF_INET, words(addresses)[0].c_str(), &here.sin_addr);
  here.sin_port = htons(uint16_t(meeting.port));
  socklen_t length = sizeof here;
  // a run that follows another one at once meets at the same port
  const int again = 1;
  if (made->listening_ >= 0) setsockopt(made->listening_, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
  const bool listens = made->listening_ >= 0 && bind(made->listening_, reinterpret_cast<sockaddr*>(&here), sizeof here) == 0 &&
                       ::listen(made->listening_, 1024) == 0 &&
                       getsockname(made->listening_, reinterpret_cast<sockaddr*>(&here), &length) == 0;
  if (!listens)
    fail("ERR_DISTRIBUTED", "rank 0 cannot listen", meeting.port == 0 ? "" : " at port " + std::to_string(meeting.port), ": ",
         strerror(errno), meeting.port == 0 ? "" : "; give another one in MASTER_PORT");
  set_up(made->listening_);
  meeting.port = ntohs(here.sin_port);
  return made;
}

std::unique_ptr<Control> Control::connect(int rank, int size, double heartbeat, const Meeting& meeting, double timeout) {
  std::unique_ptr<Control> made(new Control(rank, size, heartbeat));
  std::memcpy(made->job_, meeting.job, sizeof meeting.job);
  const std::vector<std::string> addresses = words(std::string(meeting.addresses, strnlen(meeting.addresses, sizeof meeting.addresses)));
  const auto until = Clock::now() + std::chrono::duration<double, std::milli>(timeout);
  while (Clock::now() < until) {
    for (const std::string& address : addresses) {
      const int socket = connected(address, meeting.port, 2000);
      if (socket < 0) continue;
      Connection& zero = made->connections_.emplace_back();
      zero.socket = socket, zero.rank = 0, zero.heard = Clock::now();
      made->send(zero, Kind::hello, rank, 0, std::string(reinterpret_cast<const char*>(meeting.job), sizeof meeting.job));
      return made;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  fail("ERR_DISTRIBUTED", "rank ", rank, " cannot reach rank 0 at ", meeting.addresses, ", port ", meeting.port,
       "; name the network between the hosts in WEFT_INTERFACE");
}

}  // namespace weft
