#include "graph/evaluate.h"

#include <doctest/doctest.h>

#include "graph/gradient.h"
#include "graph/plan.h"
#include "graph/test_ops.h"

namespace tiny {

using namespace test;

namespace {

using Floats = std::vector<float>;

void evaluate_all(std::vector<Value> roots, const Cancellation* cancellation = nullptr) {
  ThreadPool pool(1);
  evaluate(roots, pool, cancellation);
}

void fail() { throw Error(ErrorCode::Index, "", "made to fail"); }

ErrorCode code_of(const std::vector<Value>& roots) {
  try {
    evaluate_all(roots);
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return ErrorCode::Internal;
}

}  // namespace

TEST_CASE("roots are computed, kept, and not computed twice") {
  static int calls = 0;
  calls = 0;
  const Value a = tensor({1, 2, 3}, {Dim(3)});
  const Value b = sum({a, a}, 1, [] { ++calls; });
  const Value c = sum({b}, 10);
  evaluate_all({c, b, c});
  CHECK(floats(b) == Floats{3, 5, 7});
  CHECK(floats(c) == Floats{13, 15, 17});
  CHECK(calls == 1);
  evaluate_all({sum({b}, 0)});
  CHECK(calls == 1);
}

TEST_CASE("an input and a constant survive in-place work") {
  const Value a = tensor({1, 2}, {Dim(2)});
  Value x = sum({a}, 1);
  const Value kept = x;
  for (int i = 0; i < 5; ++i) x = sum({x}, 1);
  const Value both = sum({x, kept});
  evaluate_all({both});
  CHECK(floats(both) == Floats{9, 11});
  CHECK(floats(a) == Floats{1, 2});
}

TEST_CASE("a chain takes one slot, however long") {
  Value x = tensor({1}, {Dim(1)});
  for (int i = 0; i < 100; ++i) x = sum({x}, 1);
  const Value root = sum({x}, 0);
  const auto plan = Plan::compile({root});
  CHECK(plan->steps.size() == 101);
  CHECK(plan->slots.size() == 1);
}

// Deep enough for any recursion to leave its stack, and no deeper: sanitizers and qemu run this, too.
TEST_CASE("a graph 200,000 nodes deep is evaluated and freed") {
  const int before = live_primitives;
  {
    Value x = tensor({0}, {Dim(1)});
    for (int i = 0; i < 200000; ++i) x = sum({x}, 1);
    evaluate_all({x});
    CHECK(floats(x) == Floats{200000});
  }
  CHECK(live_primitives == before);
}

TEST_CASE("views of columns read and are copied out densely") {
  const Value x = sum({tensor({1, 2, 3, 4, 5, 6}, {Dim(2), Dim(3)})}, 0);
  const Value right = columns(columns(x, 1, 2), 1, 1);
  const Value middle = columns(x, 1, 1);
  const Value both = sum({right, middle});
  evaluate_all({right, both});
  CHECK(floats(right) == Floats{3, 6});
  CHECK(floats(both) == Floats{5, 11});
}

TEST_CASE("a disposed tensor is an error when it is needed, and only then") {
  const Value a = tensor({1}, {Dim(1)});
  const Value b = sum({a}, 1), c = sum({a}, 2);
  evaluate_all({b});
  a.node->dispose(0);
  evaluate_all({sum({b}, 1)});
  CHECK(code_of({c}) == ErrorCode::Disposed);
}

TEST_CASE("an update runs once and after every read of the old version") {
  const auto v = variable({1, 2});
  const Value old = v->read();
  const Value next = store(v, sum({old}, 1));
  const Value late = sum({old}, 100);  // made after the update, reads what was before it
  CHECK(v->read() == next);
  evaluate_all({late, next});
  CHECK(floats(late) == Floats{101, 102});
  CHECK(floats(v->contents()) == Floats{2, 3});
  evaluate_all({sum({next}, 0)});
  CHECK(floats(v->contents()) == Floats{2, 3});
}

TEST_CASE("chained updates in one evaluation: every version is what it was") {
  const auto v = variable({1});
  const Value v0 = v->read();
  store(v, sum({v0}, 1));
  const Value v1 = v->read();
  store(v, sum({v1}, 10));
  const Value v2 = v->read();
  const Value all = sum({v0, v1, v2});
  evaluate_all({all});
  CHECK(floats(all) == Floats{1 + 2 + 12});
  CHECK(floats(v->contents()) == Floats{12});
}

TEST_CASE("two variables swap") {
  const auto a = variable({1}, "a"), b = variable({2}, "b");
  const Value old_a = a->read(), old_b = b->read();
  const Value new_a = store(a, old_b), new_b = store(b, old_a);
  evaluate_all({sum({new_a, new_b})});
  CHECK(floats(a->contents()) == Floats{2});
  CHECK(floats(b->contents()) == Floats{1});
}

TEST_CASE("an overwritten version is StaleGraphError, never a wrong number") {
  const auto v = variable({1});
  const Value reader = sum({v->read()}, 0);
  const Value next = store(v, tensor({5}, {Dim(1)}));
  evaluate_all({next});
  CHECK(code_of({reader}) == ErrorCode::Stale);
  const Value later = store(v, tensor({6}, {Dim(1)}));
  const Value reads_next = sum({next}, 0);
  ThreadPool pool(1);
  evaluate({}, std::vector<Value>{later}, pool);
  evaluate_all({reads_next});
  CHECK(floats(reads_next) == Floats{5});  // as a root it was kept
  const Value unkept = store(v, tensor({7}, {Dim(1)}));
  evaluate({}, std::vector<Value>{unkept}, pool);
  CHECK(code_of({sum({later}, 0)}) == ErrorCode::Stale);
}

TEST_CASE("a failing evaluation leaves every variable as it was, and usable; the update is given up") {
  const auto v = variable({1, 2});
  const Value bad = sum({v->read()}, 0, fail);
  const Value next = store(v, sum({v->read()}, 1));
  CHECK(code_of({sum({next, bad})}) == ErrorCode::Index);
  CHECK(floats(v->contents()) == Floats{1, 2});
  CHECK_FALSE(v->pending());
  CHECK(code_of({sum({next}, 0)}) == ErrorCode::Index);
  const Value old = sum({v->read()}, 0);
  evaluate_all({old});
  CHECK(floats(old) == Floats{1, 2});
  const Value again = store(v, sum({v->read()}, 5));
  evaluate_all({again});
  CHECK(floats(v->contents()) == Floats{6, 7});
}

TEST_CASE("a failure after a first stage of updates restores them") {
  const auto v = variable({1, 2});
  const Value next = store(v, sum({v->read()}, 1));
  CHECK(code_of({sum({next}, 0, fail)}) == ErrorCode::Index);
  CHECK(floats(v->contents()) == Floats{1, 2});
}

TEST_CASE("cancellation stops before the updates") {
  static Cancellation* current = nullptr;
  Cancellation cancellation;
  current = &cancellation;
  const auto v = variable({1});
  const Value next = store(v, sum({sum({v->read()}, 1, [] { current->cancel(); })}, 1));
  ThreadPool pool(1);
  CHECK_THROWS_AS(evaluate(std::vector<Value>{next}, pool, &cancellation), Error);
  CHECK(floats(v->contents()) == Floats{1});
}

TEST_CASE("the memory limit refuses before anything runs and names both numbers") {
  static bool ran = false;
  ran = false;
  const Value x = sum({tensor(Floats(1 << 16), {Dim(1 << 16)})}, 1, [] { ran = true; });
  const Value y = sum({x, x}, 1);
  set_memory_limit(memory_stats().live + 1000);
  CHECK(code_of({y}) == ErrorCode::Memory);
  set_memory_limit(0);
  CHECK_FALSE(ran);
  evaluate_all({y});
}

TEST_CASE("sizes whose product has no 64 bits are refused before anything runs") {
  static bool ran = false;
  for (const int64_t columns : {int64_t{1} << 32, int64_t{1} << 19, int64_t{0}}) {
    ran = false;
    const Shape shape{Dim(int64_t{1} << 32), Dim(columns)};
    const Value x = constant(Type(DType::Float32, shape), Buffer::allocate(0));
    const Value y = sum({x}, 1, [] { ran = true; });
    if (columns == 0) {
      evaluate_all({y});
    } else {
      CHECK(code_of({y}) == ErrorCode::Memory);
    }
    CHECK(ran == (columns == 0));
  }
}

TEST_CASE("intermediates are given back: live memory returns to what the roots hold") {
  const int64_t before = memory_stats().live;
  {
    Value x = tensor(Floats(4096), {Dim(4096)});
    for (int i = 0; i < 10; ++i) x = sum({x, x}, 1);
    evaluate_all({x});
    CHECK(memory_stats().live == before + 2 * 4096 * 4);
  }
  CHECK(memory_stats().live == before);
}

TEST_CASE("gradients accumulate over uses and stop where nothing was asked") {
  const Value a = tensor({1}, {Dim(1)}), b = tensor({2}, {Dim(1)});
  const Value y = sum({a, sum({a, b})});
  const Value seed = tensor({1}, {Dim(1)});
  const auto accumulate = [](const Value& p, const Value& q) { return sum({p, q}); };
  const auto grads = gradients(y, seed, std::vector<Value>{a, b, tensor({0}, {Dim(1)})}, accumulate);
  evaluate_all({grads[0], grads[1]});
  CHECK(floats(grads[0]) == Floats{2});
  CHECK(floats(grads[1]) == Floats{1});
  CHECK_FALSE(grads[2]);
}

}  // namespace tiny
