#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/node.h"

namespace tiny {

// A derived form of a variable's contents (a packed matrix), owned by the variable and dropped when
// an update writes it.
class DerivedForm {
 public:
  virtual ~DerivedForm() = default;
  // Whether plain() gives the contents back, bit for bit.
  virtual bool holds_all() const { return false; }
  // The contents as they were. Throws OutOfMemoryError.
  virtual std::shared_ptr<Buffer> plain() const { return nullptr; }
};

// State: a parameter, an optimizer moment, a cache. Reads and updates are nodes; which version a
// node reads is bound when the graph is built, and writing happens in place after every read of the
// old version.
class Variable : public std::enable_shared_from_this<Variable> {
 public:
  // The pointer returned is the owner's: nodes hold the variable by shared_from_this(), and when the last
  // owner goes, an update that was bound and can no longer be read goes with it (it refers to its variable,
  // which would keep both for ever otherwise).
  static std::shared_ptr<Variable> create(Type type, std::shared_ptr<Buffer> contents, std::string name);

  const Type& type() const { return type_; }
  const std::string& name() const { return name_; }

  // The newest version as a value: inside a trace the trace's own, otherwise the pending update's
  // output or a read of what is stored.
  Value read();

  // Makes an output of an update node the newest version. Called by make_update alone.
  void bind(const Value& value, uint64_t version);

  // Engine thread. The version whose contents are stored now.
  uint64_t committed() const;
  void commit(uint64_t version);
  // The update that was to write `version` failed: as if it had never been bound, unless a later one was
  // claimed meanwhile; then the version stands for the old contents.
  void give_up(uint64_t version);
  // Claims the next version for a compiled call at enqueue time.
  uint64_t claim();
  // The update that was bound and has not run yet, or an empty value.
  Value pending() const;

  // Its memory; made again, and kept, where it was let go of.
  std::shared_ptr<Buffer> contents();
  // Its memory, or null where it was let go of.
  std::shared_ptr<Buffer> held() const;
  // What contents() gives, without keeping it: for saving.
  std::shared_ptr<Buffer> snapshot() const;
  // Lets go of memory of its own while frozen, where a derived form holds all of it and nothing has asked for
  // the plain form since it was frozen. Engine thread only.
  void let_go();
  // Memory for writing: a window of a file is copied out first. Called in the prepare phase.
  void make_writable();
  void dispose();
  bool disposed() const;

  // Trainable variables keep their plain form; frozen ones may be packed (decision 5).
  void set_frozen(bool frozen);
  bool frozen() const;
  // The derived form kept under `key`, or null. Engine thread only, like set_derived.
  DerivedForm* derived(const std::string& key) const;
  void set_derived(const std::string& key, std::unique_ptr<DerivedForm> form);
  void drop_derived();

 private:
  struct Owner;
  void forget_pending();
  const DerivedForm* whole_form() const;
  Variable(Type type, std::shared_ptr<Buffer> contents, std::string name);

  Type type_;
  std::string name_;
  mutable std::mutex mutex_;
  std::shared_ptr<Buffer> contents_;
  uint64_t newest_ = 0;
  uint64_t committed_ = 0;
  Value pending_;
  std::weak_ptr<const Node> read_;
  bool frozen_ = true;
  bool plain_wanted_ = false;  // since it was frozen
  bool disposed_ = false;
  std::map<std::string, std::unique_ptr<DerivedForm>> derived_;
};

inline constexpr uint64_t kLatest = ~uint64_t{0};

// A read of a variable: its version (kLatest inside compiled plans) and the variable; null for any
// other node.
struct VariableRead {
  std::shared_ptr<Variable> variable;
  uint64_t version;
};
const VariableRead* variable_read(const Node& node);

// While one lives on this thread, reads and updates of variables are recorded for a compiled plan
// instead of being bound to versions.
class Trace {
 public:
  Trace();
  ~Trace();
  Trace(const Trace&) = delete;
  static Trace* current();

  Value read(Variable& variable);
  void bind(Variable& variable, const Value& value);
  // Newest versions of all updated variables: roots of the plan.
  std::vector<Value> updates() const;

 private:
  Trace* outer_;
  std::map<Variable*, Value> newest_;
  std::map<Variable*, std::weak_ptr<const Node>> reads_;
  std::vector<std::shared_ptr<Variable>> updated_;
};

}  // namespace tiny
