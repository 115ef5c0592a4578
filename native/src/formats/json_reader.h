#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

namespace tiny {

// JSON (RFC 8259) read in one pass, by what the caller expects next. It builds no tree and does not
// recurse, so a hostile text costs neither stack nor more memory than the strings that are asked for.
// Everything that is not as expected throws CheckpointError with the byte where it is.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  // Calls member(key) for each member of the object that comes next; it must read the value.
  // A key that occurs twice is an error.
  template <typename Member>
  void object(const Member& member) {
    expect('{');
    if (accept('}')) return;
    std::unordered_set<std::string> seen;
    do {
      std::string key = string();
      expect(':');
      const auto [known, fresh] = seen.insert(std::move(key));
      if (!fresh) fail("the key '" + *known + "' occurs twice");
      member(*known);
    } while (accept(','));
    expect('}');
  }

  // Calls item() for each element of the array that comes next; it must read the element.
  template <typename Item>
  void array(const Item& item) {
    expect('[');
    if (accept(']')) return;
    do {
      item();
    } while (accept(','));
    expect(']');
  }

  // A string, escapes resolved; invalid UTF-8 and unpaired surrogates are errors.
  std::string string();

  // A whole number from 0 to 2^63 - 1, without fraction or exponent.
  int64_t size();

  // Nothing but white space may follow.
  void end();

  [[noreturn]] void fail(const std::string& what) const;

 private:
  void space();
  bool accept(char c);
  void expect(char c);
  uint32_t hexadecimal();  // the four digits of \uXXXX
  void escape(std::string& out);
  void character(std::string& out);  // one UTF-8 sequence

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace tiny
