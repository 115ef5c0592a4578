#pragma once

#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tiny {

// One JavaScript error class each (packages/core/src/errors.ts); the binding passes the name on.
enum class ErrorCode {
  Shape,       // ShapeError: shapes that do not fit the op
  DType,       // DTypeError: a dtype the op does not take; nothing is promoted silently
  Index,       // IndexError: an id, offset or label out of range, found while running
  Checkpoint,  // CheckpointError: a file that is truncated, malformed or lacks what was asked for
  Stale,       // StaleGraphError: the graph reads a version of a variable that was overwritten
  Disposed,    // DisposedError: a tensor or variable used after dispose()
  Memory,      // OutOfMemoryError: more than memory.limit or than the system gives
  Aborted,     // AbortError: stopped by its AbortSignal
  Gradient,    // GradientError: no gradient is defined there
  Option,      // OptionError: an attribute that the op does not have or a value it does not take
  Internal,    // InternalError: a broken invariant; a bug of ours
};

std::string_view name_of(ErrorCode code);

// A failure as data: the op (or key) it happened in, a sentence that says what is wrong and what to
// do, and facts (shapes as text, byte counts, indices) that JavaScript gets as properties.
class Error : public std::exception {
 public:
  using Fact = std::variant<double, std::string>;

  Error(ErrorCode code, std::string op, std::string what, std::map<std::string, Fact> facts = {});

  const char* what() const noexcept override { return message_.c_str(); }
  ErrorCode code() const { return code_; }
  const std::string& op() const { return op_; }
  const std::map<std::string, Fact>& facts() const { return facts_; }

 private:
  ErrorCode code_;
  std::string op_;
  std::string message_;  // "[op] what", MLX's form
  std::map<std::string, Fact> facts_;
};

}  // namespace tiny
