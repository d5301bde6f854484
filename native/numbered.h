// numbered: what two calls of one program share beside its values, as a bucket of gradients whose sum the one begins
// and the other finishes. They find it by the number that both have among their attributes.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace weft {

/** The T with this number: a new one where no call holds it. */
template <class T> std::shared_ptr<T> numbered(int64_t number) {
  static std::mutex mutex;
  static auto* const all = new std::map<int64_t, std::weak_ptr<T>>;
  std::lock_guard lock(mutex);
  std::erase_if(*all, [](const auto& entry) { return entry.second.expired(); });
  auto& known = (*all)[number];
  auto found = known.lock();
  if (!found) known = found = std::make_shared<T>();
  return found;
}

}  // namespace weft
