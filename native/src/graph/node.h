#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dim.h"
#include "base/dtype.h"
#include "base/error.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "runtime/thread_pool.h"

namespace tiny {

class Primitive;
class Tiled;
class Variable;
struct Node;

// dtype and shape of a value, known when its node is made. Row-major; all but the last dimension
// together are rows, `row_stride` elements apart. It differs from the width for a slice of columns.
struct Type {
  DType dtype = DType::Float32;
  Shape shape;
  Dim row_stride;

  Type() = default;
  Type(DType dtype, Shape shape);                  // contiguous
  Type(DType dtype, Shape shape, Dim row_stride);  // a slice of columns
  bool contiguous() const { return shape.size() < 2 || row_stride == shape.back(); }
  size_t rank() const { return shape.size(); }
  Dim width() const { return shape.empty() ? Dim(1) : shape.back(); }
  Dim rows() const;  // product of all dimensions but the last
};

// One output of a node. An empty value (no node) stands for an absent optional input or gradient.
struct Value {
  std::shared_ptr<const Node> node;
  uint32_t index = 0;

  explicit operator bool() const { return node != nullptr; }
  bool operator==(const Value&) const = default;
  const Type& type() const;
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }
};

// Memory of a value while a plan runs: sizes are numbers here.
struct View {
  void* data = nullptr;
  DType dtype = DType::Float32;
  Dims dims;
  int64_t row_stride = 0;  // elements

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int64_t width() const { return dims.empty() ? 1 : dims.back(); }
  int64_t rows() const {
    int64_t product = 1;
    for (size_t i = 0; i + 1 < dims.size(); ++i) product *= dims[i];
    return product;
  }
  int64_t size() const { return rows() * width(); }
  size_t bytes() const { return static_cast<size_t>(size()) * size_of(dtype); }
};

// What an op sees while it runs. Everything it may write was reserved before the first kernel ran.
class Run {
 public:
  virtual ~Run() = default;
  bool has(size_t input) const { return inputs_[input].data != nullptr || inputs_[input].size() == 0; }
  const View& input(size_t i) const { return inputs_[i]; }
  const View& output(size_t i) const { return outputs_[i]; }
  // False for an output that nothing reads: it has no memory and must not be written.
  bool wanted(size_t output) const { return wanted_[output]; }
  void* scratch() const { return scratch_; }
  ThreadPool& pool() const { return *pool_; }
  // The variable that input i reads, or null: frozen ones have packed forms (Variable::packed).
  Variable* variable(size_t i) const { return variables_[i]; }

 protected:
  std::vector<View> inputs_, outputs_;
  std::vector<bool> wanted_;
  std::vector<Variable*> variables_;
  void* scratch_ = nullptr;
  ThreadPool* pool_ = nullptr;
  friend class Execution;
};

// Sizes of a step's operands, for scratch(): the same views as in Run, without memory.
struct Extent {
  std::span<const View> inputs, outputs;
  std::span<Variable* const> variables;
  int threads;
  const std::vector<bool>& wanted;
};

// What gradient() is given: the node, and for each output the gradient that arrived (empty if none).
struct GradientContext {
  std::shared_ptr<const Node> node;
  std::span<const Value> gradients;
  std::span<const bool> wants;  // per input: whether anything downstream asked for its gradient

  Value input(size_t i) const;
  Value output(size_t i) const { return Value{node, static_cast<uint32_t>(i)}; }
};

enum class Effect {
  None,    // a function of its inputs
  Alias,   // outputs are windows of inputs (reshape, row and column slices, cache appends)
  Update,  // writes the variables it targets; runs in the commit phase
};

// One operation with its attributes: immutable; its node shares it only with copies of that node (rebuild.h).
class Primitive {
 public:
  virtual ~Primitive() = default;
  virtual const char* name() const = 0;

  // Computes the wanted outputs. Everything but updates may throw Error (an id out of range);
  // updates are noexcept in fact: they must neither throw nor allocate.
  virtual void forward(Run& run) const = 0;

  // Gradient with respect to each input, empty where none flows. The default throws GradientError.
  virtual std::vector<Value> gradient(const GradientContext& context) const;

  // Bytes of workspace for these sizes. A pure function; called before anything runs.
  virtual size_t scratch(const Extent& extent) const;

  // Input whose memory output `output` may take over when that is the input's last use; -1 if none.
  // The kernel must be correct with both at the same address.
  virtual int reuse(size_t output) const;
  // The same for ops that do not care which of several.
  virtual bool reuses(size_t output, size_t input) const { return reuse(output) == static_cast<int>(input); }

  // Declares the op elementwise (tiles.h); null for all others.
  virtual const Tiled* tiled() const { return nullptr; }

  virtual Effect effect() const { return Effect::None; }
  // Effect::Alias: the input that an output is a window of, and where output 0 starts inside it, in elements.
  virtual size_t alias_input(size_t) const { return 0; }
  virtual Dim alias_offset() const { return Dim(0); }
  // Effect::Alias: whether forward() is called to write through into input 0's memory.
  virtual bool runs() const { return effect() != Effect::Alias; }
  // Effect::Update: output i is the new version of target i.
  virtual std::span<const std::shared_ptr<Variable>> targets() const { return {}; }
  // Called on the engine thread before anything runs and before memory is reserved: a place for
  // packing frozen weights. May throw.
  virtual void prepare(const Extent& extent, ThreadPool& pool) const;
  // After prepare(): whether forward() will look at the input's memory. False for a variable that it reads in
  // a derived form.
  virtual bool reads(const Extent&, size_t) const { return true; }
};

// A vertex of the graph. Immutable but for `results`, which the engine fills in for evaluated roots.
struct Node {
  Node(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs, std::vector<Type> outputs);
  ~Node();  // releases chains of inputs iteratively: a graph may be a million nodes deep

  std::shared_ptr<const Primitive> primitive;
  std::vector<Value> inputs;  // may contain empty values
  std::vector<Type> outputs;
  uint64_t order;                  // creation number: inputs always have lower ones
  std::vector<uint64_t> versions;  // of an update's outputs (kLatest inside compiled plans)

  // Memory of evaluated roots and of tensors made from data, per output; null where it was not
  // evaluated. Written by the engine thread and by dispose(); read by both sides.
  std::shared_ptr<Buffer> result(uint32_t output) const;
  void set_result(uint32_t output, std::shared_ptr<Buffer> buffer) const;
  // After dispose() of a tensor made from data there is nothing to compute it from.
  void dispose(uint32_t output) const;
  bool disposed() const;

  // Why an update never ran: its evaluation failed and the variable kept its contents. Whatever still needs
  // the version that it was to write fails for the same reason. Null for every other node.
  void set_failure(std::exception_ptr why) const;
  std::exception_ptr failure() const;

 private:
  mutable std::vector<std::shared_ptr<Buffer>> results_;
  mutable bool disposed_ = false;
  mutable std::exception_ptr failure_;
};

// The creation number of the newest node.
uint64_t newest_order();

// Makes a node and returns its outputs.
std::vector<Value> make_node(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs,
                             std::vector<Type> outputs);
// The same for one output.
Value make_value(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs, Type output);

// Makes an update: its outputs are bound as the newest versions of the primitive's targets.
std::vector<Value> make_update(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs);

// A tensor made from data. A null buffer is filled in later by the engine (results that stay native).
Value constant(Type type, std::shared_ptr<Buffer> buffer);
// An argument of a compiled plan.
Value placeholder(Type type, int argument);
// The argument's number, or -1 for any other node.
int placeholder_argument(const Node& node);
bool is_constant(const Node& node);

}  // namespace tiny
