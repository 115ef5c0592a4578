#include "graph/variable.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tiny {

namespace {

thread_local Trace* current_trace = nullptr;

class Read final : public Primitive {
 public:
  explicit Read(VariableRead read) : read(std::move(read)) {}
  const char* name() const override { return "variable"; }
  void forward(Run&) const override {}
  const VariableRead read;
};

Value make_read(std::shared_ptr<Variable> variable, uint64_t version) {
  Type type = variable->type();
  return make_value(std::make_unique<Read>(VariableRead{std::move(variable), version}), {}, std::move(type));
}

}  // namespace

const VariableRead* variable_read(const Node& node) {
  const auto* read = dynamic_cast<const Read*>(node.primitive.get());
  return read == nullptr ? nullptr : &read->read;
}

Variable::Variable(Type type, std::shared_ptr<Buffer> contents, std::string name)
    : type_(std::move(type)), name_(std::move(name)), contents_(std::move(contents)) {}

struct Variable::Owner {
  std::shared_ptr<Variable> variable;
  ~Owner() { variable->forget_pending(); }
};

std::shared_ptr<Variable> Variable::create(Type type, std::shared_ptr<Buffer> contents, std::string name) {
  auto owner = std::make_shared<Owner>();
  owner->variable =
      std::shared_ptr<Variable>(new Variable(std::move(type), std::move(contents), std::move(name)));
  Variable* variable = owner->variable.get();
  return std::shared_ptr<Variable>(std::move(owner), variable);
}

void Variable::forget_pending() {
  Value dropped;
  std::lock_guard lock(mutex_);
  dropped = std::exchange(pending_, Value{});
}

Value Variable::read() {
  if (Trace* trace = Trace::current()) return trace->read(*this);
  std::lock_guard lock(mutex_);
  if (disposed_) {
    throw Error(ErrorCode::Disposed, "", "the variable '" + name_ + "' was disposed of");
  }
  if (pending_) return pending_;
  if (auto node = read_.lock(); node && variable_read(*node)->version == newest_) return Value{node, 0};
  Value value = make_read(shared_from_this(), newest_);
  read_ = value.node;
  return value;
}

void Variable::bind(const Value& value, uint64_t version) {
  std::lock_guard lock(mutex_);
  if (version == newest_) pending_ = value;
}

uint64_t Variable::claim() {
  Value superseded;  // from now on a read binds the version claimed here, whose writer depends on it
  std::lock_guard lock(mutex_);
  superseded = std::exchange(pending_, Value{});
  return ++newest_;
}

uint64_t Variable::committed() const {
  std::lock_guard lock(mutex_);
  return committed_;
}

void Variable::give_up(uint64_t version) {
  Value dropped;
  std::lock_guard lock(mutex_);
  if (version != newest_) {
    committed_ = std::max(committed_, version);
    return;
  }
  --newest_;
  dropped = std::exchange(pending_, Value{});
}

void Variable::commit(uint64_t version) {
  Value dropped;  // destroyed after the lock: it may be the last hold on a whole graph
  std::lock_guard lock(mutex_);
  committed_ = std::max(committed_, version);
  if (pending_ && version == newest_) dropped = std::exchange(pending_, Value{});
}

Value Variable::pending() const {
  std::lock_guard lock(mutex_);
  return pending_;
}

const DerivedForm* Variable::whole_form() const {
  for (const auto& [key, form] : derived_) {
    if (form->holds_all()) return form.get();
  }
  return nullptr;
}

std::shared_ptr<Buffer> Variable::contents() {
  std::lock_guard lock(mutex_);
  if (!contents_ && !disposed_) {
    if (const DerivedForm* form = whole_form()) {
      contents_ = form->plain();
      plain_wanted_ = true;
    }
  }
  return contents_;
}

std::shared_ptr<Buffer> Variable::held() const {
  std::lock_guard lock(mutex_);
  return contents_;
}

std::shared_ptr<Buffer> Variable::snapshot() const {
  std::lock_guard lock(mutex_);
  if (contents_ || disposed_) return contents_;
  const DerivedForm* form = whole_form();
  return form == nullptr ? nullptr : form->plain();
}

void Variable::let_go() {
  std::shared_ptr<Buffer> dropped;
  std::lock_guard lock(mutex_);
  // A window of a file costs nothing.
  if (!frozen_ || plain_wanted_ || !contents_ || contents_->mapped() || whole_form() == nullptr) return;
  dropped = std::move(contents_);
}

void Variable::make_writable() {
  std::shared_ptr<Buffer> current = contents();
  if (!current || !current->mapped()) return;
  std::shared_ptr<Buffer> own = Buffer::allocate(current->bytes());
  std::memcpy(own->data(), current->data(), current->bytes());
  std::lock_guard lock(mutex_);
  contents_ = std::move(own);
}

void Variable::dispose() {
  std::shared_ptr<Buffer> dropped;
  std::map<std::string, std::unique_ptr<DerivedForm>> forms;
  Value pending;
  std::lock_guard lock(mutex_);
  disposed_ = true;
  dropped = std::move(contents_);
  forms = std::exchange(derived_, {});
  pending = std::exchange(pending_, Value{});
}

bool Variable::disposed() const {
  std::lock_guard lock(mutex_);
  return disposed_;
}

void Variable::set_frozen(bool frozen) {
  std::lock_guard lock(mutex_);
  if (frozen && !frozen_) plain_wanted_ = false;
  frozen_ = frozen;
}

bool Variable::frozen() const {
  std::lock_guard lock(mutex_);
  return frozen_;
}

DerivedForm* Variable::derived(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = derived_.find(key);
  return found == derived_.end() ? nullptr : found->second.get();
}

void Variable::set_derived(const std::string& key, std::unique_ptr<DerivedForm> form) {
  std::lock_guard lock(mutex_);
  derived_[key] = std::move(form);
}

void Variable::drop_derived() {
  contents();
  std::map<std::string, std::unique_ptr<DerivedForm>> forms;
  std::lock_guard lock(mutex_);
  forms = std::exchange(derived_, {});
}

Trace::Trace() : outer_(current_trace) { current_trace = this; }

Trace::~Trace() { current_trace = outer_; }

Trace* Trace::current() { return current_trace; }

Value Trace::read(Variable& variable) {
  if (const auto found = newest_.find(&variable); found != newest_.end()) return found->second;
  std::weak_ptr<const Node>& cached = reads_[&variable];
  if (auto node = cached.lock()) return Value{node, 0};
  if (variable.disposed()) {
    throw Error(ErrorCode::Disposed, "", "the variable '" + variable.name() + "' was disposed of");
  }
  Value value = make_read(variable.shared_from_this(), kLatest);
  cached = value.node;
  return value;
}

void Trace::bind(Variable& variable, const Value& value) {
  if (!newest_.contains(&variable)) updated_.push_back(variable.shared_from_this());
  newest_[&variable] = value;
}

std::vector<Value> Trace::updates() const {
  std::vector<Value> values;
  for (const auto& variable : updated_) values.push_back(newest_.at(variable.get()));
  return values;
}

}  // namespace tiny
