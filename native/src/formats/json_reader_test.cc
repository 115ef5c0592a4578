#include "formats/json_reader.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace tiny {

namespace {

std::string string_of(const std::string& text) {
  JsonReader json(text);
  std::string value = json.string();
  json.end();
  return value;
}

int64_t size_of_text(const std::string& text) {
  JsonReader json(text);
  const int64_t value = json.size();
  json.end();
  return value;
}

std::map<std::string, std::vector<int64_t>> lists_of(const std::string& text) {
  std::map<std::string, std::vector<int64_t>> lists;
  JsonReader json(text);
  json.object([&](const std::string& key) {
    auto& list = lists[key];
    json.array([&] { list.push_back(json.size()); });
  });
  json.end();
  return lists;
}

TEST_CASE("objects, arrays and white space") {
  CHECK(lists_of("{}").empty());
  CHECK(lists_of(" { \"a\" : [ 1 ,2,\n3 ] ,\t\"b\":[]}\r\n") ==
        std::map<std::string, std::vector<int64_t>>{{"a", {1, 2, 3}}, {"b", {}}});
}

TEST_CASE("strings: escapes, surrogates and UTF-8") {
  CHECK(string_of(R"("")").empty());
  CHECK(string_of(R"("a\"\\\/\b\f\n\r\t")") == "a\"\\/\b\f\n\r\t");
  CHECK(string_of(R"("\u0041\u00e9\u20AC\uD83d\uDe00")") == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(string_of("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(string_of(R"("\u0000")") == std::string(1, '\0'));
}

TEST_CASE("malformed strings are errors") {
  for (const char* text : {"\"",
                           "\"a",
                           "\"\\\"",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\n\"",
                           "\"\xff\"",
                           "\"\xc3\"",
                           "\"\xc0\xaf\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"",
                           "\"\x80\"",
                           "a",
                           "",
                           "1"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(string_of(text), Error);
  }
}

TEST_CASE("numbers are whole and fit") {
  CHECK(size_of_text("0") == 0);
  CHECK(size_of_text("9223372036854775807") == INT64_MAX);
  for (const char* text : {"-1", "+1", "1.0", "1e3", "01", "9223372036854775808", "99999999999999999999999",
                           "", "0x1", "NaN", "true", "1 2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(size_of_text(text), Error);
  }
}

TEST_CASE("structure that is not as expected is an error") {
  for (const char* text :
       {"", "{", "{\"a\"", "{\"a\":", "{\"a\":[", "{\"a\":[1", "{\"a\":[1,", "{\"a\":[1,]}", "{\"a\":[1]",
        "{\"a\":[1],}", "{\"a\":[1]}}", "{a:[1]}", "{\"a\" [1]}", "{\"a\":[1] \"b\":[1]}", "[1]", "null",
        "{\"a\":[1],\"a\":[2]}", "{\"a\":{\"b\":[1]}}", "{\"a\":[[1]]}"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(lists_of(text), Error);
  }
}

TEST_CASE("errors say where") {
  try {
    lists_of("{\"a\":[1x");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::Checkpoint);
    CHECK(std::string(error.what()) == "']' is missing at byte 7 of the JSON");
  }
}

TEST_CASE("nesting costs no stack") {
  const std::string deep(10'000'000, '[');
  CHECK_THROWS_AS(lists_of("{\"a\":" + deep), Error);
  CHECK_THROWS_AS(lists_of(deep), Error);
}

}  // namespace

}  // namespace tiny
