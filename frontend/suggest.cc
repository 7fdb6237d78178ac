#include "frontend/suggest.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace gradus::frontend {
namespace {

bool SameLetter(char a, char b) { return absl::ascii_tolower(a) == absl::ascii_tolower(b); }

// Optimal string alignment distance; case counts nothing.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !SameLetter(a[i - 1], b[j - 1])});
      if (i > 1 && j > 1 && SameLetter(a[i - 1], b[j - 2]) && SameLetter(a[i - 2], b[j - 1]))
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

struct ForeignName {
  absl::string_view name;
  absl::string_view help;
};

constexpr absl::string_view kInScope =
    "what a library would have is in scope under its own name: relu(x), exp(x), adam(lr=1e-3)";

constexpr ForeignName kForeignNames[] = {
    {"None", "none is written small"},
    {"True", "true is written small"},
    {"False", "false is written small"},
    {"null", "nothing is written none"},
    {"torch", kInScope},
    {"np", kInScope},
    {"numpy", kInScope},
    {"jnp", kInScope},
    {"jax", kInScope},
    {"tf", kInScope},
    {"F", kInScope},
    {"self", "what a layer owns is called by its name alone"},
    {"int", "the integers are i32 and i64"},
    {"long", "the integers are i32 and i64"},
    {"double", "double precision is f64; --set float=f64 makes a whole model of it"},
    {"half", "the floating-point types are f32 and f64"},
    {"Dense", "a layer of weights and a bias is linear(n, m)"},
    {"CrossEntropyLoss", "mean(cross_entropy(logits, labels)) is that number"},
    {"MSELoss", "mse(y, t) is that number"},
    {"BCELoss", "mean(binary_cross_entropy(p, t)) is that number"},
    {"BCEWithLogitsLoss", "mean(binary_cross_entropy_with_logits(z, t)) is that number"},
    {"nll_loss", "mean(cross_entropy(logits, labels)) takes the logits and does the logarithm of the softmax itself"},
    {"matmul", "a matrix product is a @ b"},
    {"mm", "a matrix product is a @ b"},
    {"dot", "a matrix product is a @ b"},
    {"view", "reshape(x, [n, m]) does that"},
    {"flatten", "reshape(x, [x.shape[0], n]) does that"},
    {"permute", "transpose(x, axes=[1, 0]) does that; x.T swaps the last two axes"},
    {"unsqueeze", "x[:, none] adds an axis"},
    {"squeeze", "x[:, 0] removes an axis"},
    {"cat", "concat([a, b], axis=0) does that"},
    {"clip", "clamp(x, lo, hi) does that"},
    {"prod", "cumprod(x)[..., -1] is the product along the last axis"},
    {"var", "variance(x, axis=-1) does that; correction=1 divides by n - 1"},
    {"std", "sqrt(variance(x, axis=-1)) does that; correction=1 divides by n - 1"},
    {"norm", "sqrt(sum(x ** 2)) does that"},
    {"masked_fill", "where(mask, value, x) does that"},
    {"chunk", "split(x, 3, axis=-1) cuts into three parts"},
    {"interpolate", "resize_nearest(x, size) and resize_bilinear(x, size) do that"},
    {"upsample", "resize_nearest(x, size) and resize_bilinear(x, size) do that"},
    {"scaled_dot_product_attention", "attention(q, k, v, heads) does that"},
    {"pack_padded_sequence", "a recurrent layer takes mask=arange(T) < lengths[:, none] instead"},
    {"TransformerEncoderLayer", "encoder_block(d, heads) is that layer"},
    {"TransformerDecoderLayer", "decoder_block(d, heads) is that layer"},
    {"detach", "stop_gradient(x) does that"},
    {"randn", "normal(std=1) initialises so; random_normal([n, m]) is such a value"},
    {"rand", "uniform(0, 1) initialises so; random_uniform([n, m]) is such a value"},
    {"backward", "minimize in the recipe takes every gradient; grad(loss, w) is one as a value"},
};

}  // namespace

std::string HelpForForeignName(absl::string_view name) {
  for (const ForeignName& foreign : kForeignNames) {
    if (foreign.name == name) return std::string(foreign.help);
  }
  return "";
}

std::string Nearest(absl::string_view name, absl::Span<const std::string> candidates) {
  constexpr size_t kLongestName = 64;
  std::string nearest;
  size_t least = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    if (absl::EqualsIgnoreCase(candidate, name)) return candidate;
  }
  if (name.size() < 2 || name.size() > kLongestName) return nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const size_t distance = Distance(name, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace gradus::frontend
