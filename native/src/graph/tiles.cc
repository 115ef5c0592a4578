#include "graph/tiles.h"

#include <algorithm>
#include <cstring>

#include "runtime/cpu.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 16384;  // elements that a thread takes at once, of one op

template <typename T>
void repeat(const void* from, void* to, int64_t n) {
  T value;
  std::memcpy(&value, from, sizeof value);
  std::fill_n(static_cast<T*>(to), n, value);
}

void repeat(const char* from, size_t size, char* to, int64_t n) {
  switch (size) {
    case 1:
      return repeat<uint8_t>(from, to, n);
    case 2:
      return repeat<uint16_t>(from, to, n);
    case 4:
      return repeat<uint32_t>(from, to, n);
    default:
      return repeat<uint64_t>(from, to, n);
  }
}

// Where an input's tiles lie while a thread works.
class Operand {
 public:
  void bind(const View& view, Spread spread, char* buffer, int64_t most) {
    data_ = view.as<const char>();
    size_ = size_of(view.dtype);
    stride_ = view.row_stride;
    width_ = std::max<int64_t>(1, view.width());
    spread_ = spread;
    buffer_ = buffer;
    if (spread == Spread::Scalar && data_ != nullptr) repeat(data_, size_, buffer_, most);
    most_ = most;
  }

  const void* tile(int64_t row, int64_t column) {
    switch (spread_) {
      case Spread::Full:
        return at(row * stride_ + column);
      case Spread::Row:
        return at(column);
      case Spread::Column:
        // One element a row, in their order, whatever rows it has itself.
        if (row != filled_) repeat(at(row / width_ * stride_ + row % width_), size_, buffer_, most_);
        filled_ = row;
        return buffer_;
      case Spread::Scalar:
        return buffer_;
      case Spread::Whole:
        return data_;
    }
    return nullptr;
  }

 private:
  const char* at(int64_t element) const { return data_ + element * static_cast<int64_t>(size_); }

  const char* data_ = nullptr;
  size_t size_ = 0;
  int64_t stride_ = 0, width_ = 1, most_ = 0;
  Spread spread_ = Spread::Full;
  char* buffer_ = nullptr;
  int64_t filled_ = -1;  // the row whose element the buffer repeats
};

}  // namespace

int TileProgram::buffer() { return buffer_count < kBuffers ? buffer_count++ : -1; }

int TileProgram::read(int input, Spread spread, size_t size) {
  for (int i = 0; i < reader_count; ++i) {
    if (readers[i].input == input && readers[i].spread == spread) return i;
  }
  Reader reader{input, spread, -1};
  if (spread == Spread::Column || spread == Spread::Scalar) reader.buffer = buffer();
  const bool room = reader.buffer >= 0 || (spread != Spread::Column && spread != Spread::Scalar);
  if (!room || reader_count == kReaders) return -1;
  if (spread != Spread::Whole) widest = std::max(widest, static_cast<int64_t>(size));
  readers[reader_count] = reader;
  return reader_count++;
}

void run_tiles(const TileProgram& program, Run& run) {
  isa();  // throws for an unusable TINY_ISA, which tiles must not
  const View& out = run.output(0);
  const auto out_size = static_cast<int64_t>(size_of(out.dtype));
  const int64_t width = out.width(), most = kTileBytes / std::max(program.widest, out_size);
  // Without rows and columns to tell apart everything is one row.
  bool flat = out.rows() == 1;
  if (!flat) {
    flat = true;
    for (int i = 0; i < program.reader_count; ++i) {
      const auto& [input, spread, buffer] = program.readers[i];
      const bool whole = spread == Spread::Full && run.input(static_cast<size_t>(input)).row_stride == width;
      flat = flat && (whole || spread == Spread::Scalar || spread == Spread::Whole);
    }
  }
  const auto part = [&](int64_t rows_begin, int64_t rows_end, int64_t begin, int64_t end) {
    alignas(64) char buffers[TileProgram::kBuffers][kTileBytes];
    Operand operands[TileProgram::kReaders];
    const void* tiles[TileProgram::kReaders];
    for (int i = 0; i < program.reader_count; ++i) {
      const auto& [input, spread, buffer] = program.readers[i];
      operands[i].bind(run.input(static_cast<size_t>(input)), spread, buffer < 0 ? nullptr : buffers[buffer],
                       most);
    }
    for (int64_t row = rows_begin; row < rows_end; ++row) {
      for (int64_t column = begin; column < end; column += most) {
        const int64_t first = row * width + column;
        const TileArea area{first, std::min(most, end - column), out.rows(), width};
        for (int i = 0; i < program.reader_count; ++i) tiles[i] = operands[i].tile(row, column);
        for (int m = 0; m < program.member_count; ++m) {
          const TileProgram::Member& member = program.members[m];
          const void* inputs[TileProgram::kOperands] = {};
          for (int k = 0; k < member.count; ++k) {
            const int operand = member.operands[k];
            inputs[k] = operand < 0 ? buffers[~operand] : tiles[operand];
          }
          void* to = member.result < 0 ? out.as<char>() + first * out_size : buffers[member.result];
          member.op->tile(inputs, to, area);
        }
      }
    }
  };
  const int64_t grain = std::max<int64_t>(1024, kGrain / program.member_count);
  if (flat) {
    run.pool().ranges(out.size(), grain, [&](int64_t begin, int64_t end) { part(0, 1, begin, end); });
  } else {
    const int64_t rows = std::max<int64_t>(1, grain / std::max<int64_t>(1, width));
    run.pool().ranges(out.rows(), rows, [&](int64_t begin, int64_t end) { part(begin, end, 0, width); });
  }
}

void run_tiles(const Tiled& op, size_t inputs, Run& run) {
  TileProgram program;
  TileProgram::Member& member = program.members[program.member_count++];
  member.op = &op;
  member.count = static_cast<int>(inputs);
  for (int i = 0; i < member.count; ++i) {
    const auto at = static_cast<size_t>(i);
    member.operands[i] = program.read(i, op.spread(at), size_of(run.input(at).dtype));
  }
  run_tiles(program, run);
}

}  // namespace tiny
