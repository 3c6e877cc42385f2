// What may be shown to a person, or put into JSON, of text that came from outside: a path, an argument, a
// module's word. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sigillo::base {

// Well-formed UTF-8 without control characters, each other byte a question mark; `lines`: newlines stay.
std::string printable(std::string_view text, bool lines = false);
// The same, and no longer than a person reads: the middle of what is longer gives way to " ... ".
std::string printable_sentence(std::string_view text);

}  // namespace sigillo::base
