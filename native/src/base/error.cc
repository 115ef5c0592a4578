#include "base/error.h"

#include <utility>

namespace tiny {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::Shape:
      return "ShapeError";
    case ErrorCode::DType:
      return "DTypeError";
    case ErrorCode::Index:
      return "IndexError";
    case ErrorCode::Checkpoint:
      return "CheckpointError";
    case ErrorCode::Stale:
      return "StaleGraphError";
    case ErrorCode::Disposed:
      return "DisposedError";
    case ErrorCode::Memory:
      return "OutOfMemoryError";
    case ErrorCode::Aborted:
      return "AbortError";
    case ErrorCode::Gradient:
      return "GradientError";
    case ErrorCode::Option:
      return "OptionError";
    case ErrorCode::Internal:
      return "InternalError";
  }
  return "InternalError";
}

Error::Error(ErrorCode code, std::string op, std::string what, std::map<std::string, Fact> facts)
    : code_(code),
      op_(std::move(op)),
      message_(op_.empty() ? std::move(what) : "[" + op_ + "] " + what),
      facts_(std::move(facts)) {}

}  // namespace tiny
