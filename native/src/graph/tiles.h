#pragma once

#include <cstdint>

#include "graph/node.h"

namespace tiny {

// How an input of an elementwise op lies against its output.
enum class Spread : uint8_t {
  Full,    // like it
  Row,     // one row for all of its rows
  Column,  // one element for each row
  Scalar,  // one element for all
  Whole,   // as it is, whatever the place: a random key
};

// Bytes of the widest operand that a tile may have: a handful of them stay in the first-level cache.
inline constexpr int64_t kTileBytes = 4096;

// Elements [first, first + n) of an output of `rows` by `width`, in row-major order.
struct TileArea {
  int64_t first, n;
  int64_t rows, width;
};

// An op whose output's elements come each from the elements of its inputs at the same place: the planner runs
// trees of such ops as one step, tile by tile. It needs neither scratch nor preparation.
class Tiled {
 public:
  virtual Spread spread(size_t input) const = 0;
  // Computes the area into `out` from as many elements of each input, repeated as they are spread. `out` may
  // be the address of an input of its element size.
  virtual void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept = 0;

 protected:
  ~Tiled() = default;
};

// Ops in order, each on inputs of the step and results of those before; the last one's result is the step's.
struct TileProgram {
  static constexpr int kMembers = 16, kReaders = 16, kOperands = 3, kBuffers = 16;
  // An input of the step as it is spread; what is repeated is written into a buffer of its own.
  struct Reader {
    int input = 0;
    Spread spread = Spread::Full;
    int buffer = -1;
  };
  struct Member {
    const Tiled* op = nullptr;
    int operands[kOperands] = {};  // readers; results of earlier members are ~buffer
    int count = 0;
    int result = -1;  // a buffer, -1 for the step's output
  };
  Reader readers[kReaders];
  Member members[kMembers];
  int reader_count = 0, member_count = 0, buffer_count = 0;
  int64_t widest = 0;  // bytes of an element of anything in a buffer, at most

  // A reader of an input of `size` bytes an element; -1 where there is no room.
  int read(int input, Spread spread, size_t size);
  // A buffer, or -1.
  int buffer();
};

void run_tiles(const TileProgram& program, Run& run);

// One op alone.
void run_tiles(const Tiled& op, size_t inputs, Run& run);

}  // namespace tiny
