// setting: reads an environment variable whose value is one of a few words.
#pragma once
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "error.h"

namespace weft {

/** The variable's value. Null where it is not set or is empty. ERR_ARGUMENT where it is none of the words. */
inline const char* setting(const char* name, std::initializer_list<std::string_view> words) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return nullptr;
  std::string known;
  for (std::string_view word : words) {
    if (word == text) return text;
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  throw Error("ERR_ARGUMENT", std::string(name) + "=" + text + ": one of " + known + " is expected");
}

}  // namespace weft
