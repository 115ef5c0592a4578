#include "base/dim.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace tiny {

TEST_CASE("dims are affine forms, equal when their forms are") {
  const Dim t = Dim::of(symbol("tokens")), s = Dim::of(symbol("sequences"));
  CHECK(t + s == s + t);
  CHECK(t - t == Dim(0));
  CHECK((t * 3 + 6) / 3 == t + 2);
  CHECK_FALSE(t == s);
  CHECK((s + 1).str() == "sequences + 1");
  CHECK(str({t * 12, Dim(768)}) == "[12*tokens, 768]");
}

TEST_CASE("dims bind to numbers, and only then are numbers") {
  Sizes sizes;
  sizes.set(symbol("tokens"), 7);
  CHECK((Dim::of(symbol("tokens")) * 2 + 1).bind(sizes) == 15);
  CHECK_THROWS_AS(Dim::of(symbol("tokens")).value(), Error);
  CHECK_THROWS_AS(Dim::of(symbol("unbound")).bind(sizes), Error);
  CHECK_THROWS_AS(Dim::of(symbol("tokens")) * Dim::of(symbol("sequences")), Error);
  CHECK_THROWS_AS((Dim::of(symbol("tokens")) + 1) / 2, Error);
}

TEST_CASE("shapes have at most eight dimensions") {
  Dims dims;
  for (int i = 0; i < 8; ++i) dims.push_back(i);
  CHECK(dims.back() == 7);
  CHECK_THROWS_AS(dims.push_back(8), Error);
}

}  // namespace tiny
