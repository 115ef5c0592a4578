#include "formats/json_reader.h"

#include <limits>

#include "base/error.h"

namespace tiny {

namespace {

void append_utf8(std::string& out, uint32_t code) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonReader::fail(const std::string& what) const {
  throw Error(ErrorCode::Checkpoint, "", what + " at byte " + std::to_string(at_) + " of the JSON",
              {{"byte", static_cast<double>(at_)}});
}

void JsonReader::space() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

bool JsonReader::accept(char c) {
  space();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!accept(c)) fail(std::string("'") + c + "' is missing");
}

uint32_t JsonReader::hexadecimal() {
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const char lower = static_cast<char>(c | 0x20);
    if (!is_digit(c) && (lower < 'a' || lower > 'f')) fail("four hexadecimal digits are missing");
    code = code * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  return code;
}

void JsonReader::escape(std::string& out) {
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  switch (c) {
    case '"':
    case '\\':
    case '/':
      out += c;
      return;
    case 'b':
      out += '\b';
      return;
    case 'f':
      out += '\f';
      return;
    case 'n':
      out += '\n';
      return;
    case 'r':
      out += '\r';
      return;
    case 't':
      out += '\t';
      return;
    case 'u':
      break;
    default:
      fail("an escape is not one of JSON's");
  }
  uint32_t code = hexadecimal();
  if (code >= 0xdc00 && code < 0xe000) fail("a surrogate stands alone");
  if (code >= 0xd800 && code < 0xdc00) {
    if (text_.substr(at_, 2) != "\\u") fail("a surrogate stands alone");
    at_ += 2;
    const uint32_t low = hexadecimal();
    if (low < 0xdc00 || low >= 0xe000) fail("a surrogate stands alone");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(out, code);
}

void JsonReader::character(std::string& out) {
  const auto byte = [&](size_t i) -> uint32_t {
    return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0;
  };
  const uint32_t first = byte(0);
  const size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t code = first;
  if (length > 1) {
    code = first & (0x7fu >> length);
    for (size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) fail("a string is not UTF-8");
      code = code << 6 | (byte(i) & 0x3f);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool valid =
        first >= 0xc2 && code >= kLeast[length] && code <= 0x10ffff && (code < 0xd800 || code >= 0xe000);
    if (!valid) fail("a string is not UTF-8");
  }
  if (code < 0x20) fail("a string holds a control character");
  out.append(text_, at_, length);
  at_ += length;
}

std::string JsonReader::string() {
  expect('"');
  std::string out;
  while (at_ < text_.size()) {
    if (text_[at_] == '"') {
      ++at_;
      return out;
    }
    if (text_[at_] == '\\') {
      ++at_;
      escape(out);
    } else {
      character(out);
    }
  }
  fail("a string does not end");
}

int64_t JsonReader::size() {
  space();
  const size_t start = at_;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  int64_t value = 0;
  while (at_ < text_.size() && is_digit(text_[at_])) {
    const int digit = text_[at_] - '0';
    if (value > (kMost - digit) / 10) fail("a number is too large");
    value = value * 10 + digit;
    ++at_;
  }
  const bool more = at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
  if (at_ == start || more || (text_[start] == '0' && at_ > start + 1))
    fail("a whole number from 0 up is missing");
  return value;
}

void JsonReader::end() {
  space();
  if (at_ < text_.size()) fail("there is something after the end");
}

}  // namespace tiny
