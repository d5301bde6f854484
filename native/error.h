// The one error type of the C++ side; the guard in addon.h turns it into a WeftError.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace weft {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code(std::move(code)) {}
  std::string code;  // ERR_SHAPE, ERR_DTYPE, ... as in WeftError.code
};

/** Throws Error{code} with the parts of the message joined. */
template <class... Parts> [[noreturn, gnu::cold, gnu::noinline]] void fail(const char* code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

/** Throws it unless the condition holds. */
template <class... Parts> void require(bool condition, const char* code, const Parts&... parts) {
  if (!condition) fail(code, parts...);
}

}  // namespace weft
