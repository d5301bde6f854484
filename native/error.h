// The one error type of C++. The guard in addon.h turns it into a WeftError.
#pragma once
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace weft {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code(std::move(code)) {}
  std::string code;  // as in WeftError.code: ERR_SHAPE, ERR_DTYPE, ...
};

// These functions append a part to a message. Every file of kernels includes this file, and a stream in their place
// would double the time that it takes to compile.
inline void append_part(std::string& message, std::string_view part) { message += part; }
inline void append_part(std::string& message, char part) { message += part; }
template <class Number>
requires std::is_arithmetic_v<Number>
void append_part(std::string& message, Number part) {
  if constexpr (std::is_floating_point_v<Number>) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", double(part));
    message += text;
  } else {
    message += std::to_string(part);
  }
}

/** Throws Error{code} with the parts of the message joined. */
template <class... Parts> [[noreturn, gnu::cold, gnu::noinline]] void fail(const char* code, const Parts&... parts) {
  std::string message;
  (append_part(message, parts), ...);
  throw Error(code, message);
}

/** Does the same unless the condition holds. */
template <class... Parts> void require(bool condition, const char* code, const Parts&... parts) {
  if (!condition) fail(code, parts...);
}

}  // namespace weft
