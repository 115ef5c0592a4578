#include "kernels/matmul/product.h"
#include "ops/op_cases.h"

namespace tiny {

namespace {

// Sizes beyond two tiles of every ISA: rows of 14, columns of 32.
OpInstance product(Draw& draw, bool transpose_a, bool transpose_b, const char* activation, bool fused) {
  const int64_t m = draw.rows(3, 37), n = draw.size(3, 71), k = draw.size(4, 67);
  const double scale = draw.purpose() == Draw::Purpose::Comparison ? 0.3 : 1;
  const Value a = draw.normals(transpose_a ? Shape{k, m} : Shape{m, k}, scale);
  const Value b = draw.normals(transpose_b ? Shape{n, k} : Shape{k, n});
  std::vector<Value> inputs{a, b};
  if (fused) {
    inputs.push_back(draw.normals({n}));
    inputs.push_back(draw.normals({m, n}));
  }
  const double alpha = fused ? 0.75 : 1;
  return {inputs, [=](std::span<const Value> values) {
            return apply("matmul", values,
                         op_attributes({{"transposeA", transpose_a},
                                        {"transposeB", transpose_b},
                                        {"activation", std::string(activation)},
                                        {"alpha", alpha}}));
          }};
}

template <const char* const& activation>
OpInstance activated(Draw& draw) {
  return product(draw, false, true, activation, true);
}

constexpr const char* kGelu = "gelu";
constexpr const char* kGeluTanh = "gelu_tanh";
constexpr const char* kRelu = "relu";
constexpr const char* kSilu = "silu";
constexpr const char* kTanh = "tanh";

OpInstance nn(Draw& draw) { return product(draw, false, false, "none", false); }
OpInstance nt(Draw& draw) { return product(draw, false, true, "none", false); }
OpInstance tn(Draw& draw) { return product(draw, true, false, "none", false); }
OpInstance tt(Draw& draw) { return product(draw, true, true, "none", false); }
OpInstance linear(Draw& draw) { return product(draw, false, true, "none", true); }

// a of rank 3.
OpInstance batched(Draw& draw) {
  const int64_t s = draw.size(2, 5), m = draw.size(2, 7), n = draw.size(3, 35), k = draw.size(3, 33);
  return {{draw.normals({s, m, k}), draw.normals({k, n}), draw.normals({n}), draw.normals({s, m, n})},
          [](std::span<const Value> values) { return apply("matmul", values, {}); }};
}

OpInstance head_products(Draw& draw, bool transpose_a, bool transpose_b) {
  const int64_t heads = 3, rows = draw.rows(3, 37), n = draw.size(3, 35), k = draw.size(3, 33);
  const Value a = draw.normals({Dim(rows), Dim(heads * k)});
  const Value b = draw.normals(transpose_a   ? Shape{rows, heads * n}
                               : transpose_b ? Shape{n, heads * k}
                                             : Shape{k, heads * n});
  return {{a, b}, [=](std::span<const Value> values) {
            return apply("headProducts", values,
                         op_attributes({{"heads", static_cast<double>(heads)},
                                        {"transposeA", transpose_a},
                                        {"transposeB", transpose_b},
                                        {"scale", 0.75}}));
          }};
}
OpInstance heads_nn(Draw& draw) { return head_products(draw, false, false); }
OpInstance heads_nt(Draw& draw) { return head_products(draw, false, true); }
OpInstance heads_tn(Draw& draw) { return head_products(draw, true, false); }

}  // namespace

std::span<const OpCase> matmul_cases() {
  static const std::vector<OpCase> cases{
      {"matmul NN", nn, {0, 1}, {0}, {0, 1}},
      {"matmul NT", nt, {0, 1}, {0}, {0, 1}},
      {"matmul TN", tn, {0, 1}, {}, {0, 1}},
      {"matmul TT", tt, {0, 1}, {}, {0, 1}},
      {"headProducts NN", heads_nn, {0, 1}, {0}, {0, 1}},
      {"headProducts NT", heads_nt, {0, 1}, {0}, {0, 1}},
      {"headProducts TN", heads_tn, {0, 1}, {}, {0, 1}},
      {"matmul with bias and residual", linear, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul gelu", activated<kGelu>, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul gelu_tanh", activated<kGeluTanh>, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul relu", activated<kRelu>, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul silu", activated<kSilu>, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul tanh", activated<kTanh>, {0, 1, 2, 3}, {0, 3}, {0, 1, 3}},
      {"matmul of rank 3", batched, {0, 1, 2, 3}, {}, {}},
  };
  return cases;
}

}  // namespace tiny
