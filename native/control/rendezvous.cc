#include "control/rendezvous.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "error.h"

namespace weft {
namespace {

/**
 * The IPv4 addresses of a host, separated by spaces. Empty where nobody knows it: a name may come later than its host.
 */
std::string addresses_of_host(const std::string& host) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  std::string list;
  if (getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return list;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr, text, sizeof text);
    if (list.size() + std::strlen(text) + 2 < sizeof(Control::Meeting::addresses)) list += (list.empty() ? "" : " ") + std::string(text);
  }
  freeaddrinfo(found);
  return list;
}

}  // namespace

std::unique_ptr<Control> rendezvous(const WorldSettings& settings) {
  using Clock = std::chrono::steady_clock;
  Control::Meeting meeting;
  meeting.port = settings.port;
  for (size_t i = 0; i < 2; i++) meeting.job[i] = std::stoull(settings.job.substr(16 * i, 16), nullptr, 16);
  const bool only_here = settings.address == "127.0.0.1" || settings.address == "localhost";
  if (settings.rank == 0) return Control::listen(settings.size, settings.heartbeat, only_here, settings.network, meeting);
  const auto until = Clock::now() + std::chrono::duration<double, std::milli>(settings.timeout);
  for (;;) {
    const double left = std::chrono::duration<double, std::milli>(until - Clock::now()).count();
    const std::string addresses = only_here ? "127.0.0.1" : addresses_of_host(settings.address);
    require(left > 0, "ERR_DISTRIBUTED", "rank ", settings.rank, " cannot reach rank 0 at ", settings.address, ", port ", settings.port,
            addresses.empty() ? ": the name of that host is not known" : "");
    if (addresses.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    std::memcpy(meeting.addresses, addresses.c_str(), addresses.size() + 1);
    return Control::connect(settings.rank, settings.size, settings.heartbeat, meeting, left);
  }
}

}  // namespace weft
