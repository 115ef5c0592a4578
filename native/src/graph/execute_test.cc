#include "graph/execute.h"

#include <doctest/doctest.h>

#include "graph/test_ops.h"

namespace tiny {

using namespace test;

namespace {

using Floats = std::vector<float>;

std::shared_ptr<Buffer> buffer_of(const Floats& data) {
  auto buffer = Buffer::allocate(data.size() * sizeof(float));
  std::copy(data.begin(), data.end(), static_cast<float*>(buffer->data()));
  return buffer;
}

Call call_with(Symbol size, int64_t count, std::vector<Argument> arguments, size_t results) {
  Call call;
  call.sizes.set(size, count);
  call.arguments = std::move(arguments);
  for (size_t i = 0; i < results; ++i) {
    call.results.push_back({Buffer::allocate(static_cast<size_t>(count) * sizeof(float)), {}});
  }
  return call;
}

}  // namespace

TEST_CASE("a compiled plan runs at many sizes") {
  const Symbol tokens = symbol("tokens");
  const Value x = placeholder(Type(DType::Float32, {Dim::of(tokens)}), 0);
  const auto plan = Plan::compile({sum({sum({x, x}, 1), x})});
  ThreadPool pool(2);
  for (const int64_t n : {0, 1, 7, 1000, 7, 3}) {
    const Call call = call_with(tokens, n, {{buffer_of(Floats(n, 2)), {}, {}}}, 1);
    execute(*plan, call, pool, nullptr);
    CHECK(floats(call.results[0].buffer) == Floats(n, 7));
  }
}

TEST_CASE("an argument of another size than the call says is refused") {
  const Symbol tokens = symbol("tokens");
  const auto plan = Plan::compile({sum({placeholder(Type(DType::Float32, {Dim::of(tokens)}), 0)}, 1)});
  ThreadPool pool(1);
  CHECK_THROWS_AS(execute(*plan, call_with(tokens, 8, {{buffer_of(Floats(7)), {}, {}}}, 1), pool, nullptr),
                  Error);
  CHECK_THROWS_AS(execute(*plan, call_with(tokens, 8, {}, 1), pool, nullptr), Error);
}

TEST_CASE("a compiled update reads the newest version each time, and commits what it claimed") {
  const auto v = variable({1});
  std::shared_ptr<const Plan> plan;
  {
    Trace trace;
    const Value seen = v->read();
    store(v, sum({seen}, 1));
    const Value after = sum({v->read()}, 100);
    plan = Plan::compile({after}, trace.updates());
  }
  REQUIRE(plan->updated.size() == 1);
  ThreadPool pool(1);
  for (int i = 1; i <= 3; ++i) {
    Call call = call_with(symbol("tokens"), 1, {}, 1);
    call.versions = {v->claim()};
    execute(*plan, call, pool, nullptr);
    CHECK(floats(call.results[0].buffer) == Floats{101.0f + static_cast<float>(i)});
  }
  CHECK(floats(v->contents()) == Floats{4});
}

TEST_CASE("a failing compiled call leaves the variable, and what follows reads the old contents") {
  static bool failing = true;
  const auto v = variable({1});
  std::shared_ptr<const Plan> plan;
  {
    Trace trace;
    store(v, sum({v->read()}, 1));
    plan = Plan::compile({sum({v->read()}, 0,
                              [] {
                                if (failing) throw Error(ErrorCode::Index, "", "made to fail");
                              })},
                         trace.updates());
  }
  ThreadPool pool(1);
  Call call = call_with(symbol("tokens"), 1, {}, 1);
  call.versions = {v->claim()};
  CHECK_THROWS_AS(execute(*plan, call, pool, nullptr), Error);
  CHECK(floats(v->contents()) == Floats{1});
  failing = false;
  call.versions = {v->claim()};
  execute(*plan, call, pool, nullptr);
  CHECK(floats(v->contents()) == Floats{2});
}

TEST_CASE("results stay native: a later call reads what an earlier one made") {
  const Type type(DType::Float32, {Dim(2)});
  const auto plan = Plan::compile({sum({placeholder(type, 0)}, 1)});
  const Value made = constant(type, nullptr);
  ThreadPool pool(1);
  Call call;
  call.arguments = {{buffer_of({1, 2}), {}, {}}};
  call.results = {{nullptr, made}};
  Call next;
  next.arguments = {{nullptr, made, {}}};
  next.results = {{Buffer::allocate(8), {}}};
  CHECK_THROWS_AS(execute(*plan, next, pool, nullptr), Error);
  execute(*plan, call, pool, nullptr);
  execute(*plan, next, pool, nullptr);
  CHECK(floats(next.results[0].buffer) == Floats{3, 4});
}

TEST_CASE("a window of a file is copied before an update writes it") {
  static const float file[2] = {1, 2};
  auto window = Buffer::view(const_cast<float*>(file), sizeof file, std::make_shared<int>(0));
  const auto v = Variable::create(Type(DType::Float32, {Dim(2)}), window, "mapped");
  std::shared_ptr<const Plan> plan;
  {
    Trace trace;
    store(v, sum({v->read()}, 1));
    plan = Plan::compile({}, trace.updates());
  }
  Call call;
  call.versions = {v->claim()};
  ThreadPool pool(1);
  execute(*plan, call, pool, nullptr);
  CHECK(floats(v->contents()) == Floats{2, 3});
  CHECK(file[0] == 1);
}

TEST_CASE("a function that captures a pending update from outside is refused") {
  const auto v = variable({1});
  const Value outside = store(v, sum({v->read()}, 1));
  Trace trace;
  const Value inside = sum({outside, placeholder(Type(DType::Float32, {Dim(1)}), 0)});
  CHECK_THROWS_AS(Plan::compile({inside}), Error);
}

}  // namespace tiny
