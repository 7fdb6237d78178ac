// Convolutions and their weights as native code against the plainest loops: bits, on every target and number of
// threads, with nothing read or written beside the tensors.
#include "codegen/convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "codegen/jit.h"
#include "codegen/target_machine.h"
#include "ir/convolution_scratch.h"
#include "llvm/IR/Module.h"
#include "tests/codegen/contraction_harness.h"

namespace gradus::codegen {
namespace {

using ir::Isa;
using ir::WindowAxis;

enum class Product { kForward, kWeights, kSums };

int64_t ScratchBytes(const ConvolutionSpec& spec, Product product, const ir::Target& target) {
  if (product == Product::kSums) return 0;
  return product == Product::kForward ? ir::ConvolutionScratchBytes(spec.type, spec.shape, target)
                                      : ir::ConvolutionWeightsScratchBytes(spec.type, spec.shape, spec.slices);
}

// void(a, b, c, scratch, thread, threads)
class CompiledConvolution {
 public:
  CompiledConvolution(const ConvolutionSpec& spec, Product product, const ir::Target& target)
      : scratch_bytes_(ScratchBytes(spec, product, target)) {
    llvm::LLVMContext context;
    llvm::Module module("test", context);
    llvm::IRBuilder<> builder(context);
    llvm::SmallVector<llvm::Type*, 6> parameters(4, builder.getPtrTy());
    parameters.append(2, builder.getInt64Ty());
    auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                            llvm::Function::ExternalLinkage, "run", &module);
    SetTargetAttributes(target, *function);
    builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
    const ContractionContext emit{builder, target, function->getArg(4), function->getArg(5), function->getArg(3)};
    if (product == Product::kSums) {
      EmitWindowSums(emit, spec, function->getArg(0), function->getArg(2));
    } else {
      const auto call = product == Product::kForward ? EmitConvolution : EmitConvolutionWeights;
      call(emit, spec, function->getArg(0), function->getArg(1), function->getArg(2));
    }
    builder.CreateRetVoid();
    auto object = CompileModule(module, target, CodegenLevel::kDefault);
    CHECK(object.ok()) << object.status();
    CHECK(CheckNoUndefinedSymbols(*object).ok()) << CheckNoUndefinedSymbols(*object);
    auto code = Link({*object}, {"run"});
    CHECK(code.ok()) << code.status();
    code_ = *std::move(code);
  }

  void Run(const void* a, const void* b, void* c, int64_t threads) const {
    using Function = void (*)(const void*, const void*, void*, void*, int64_t, int64_t);
    const auto run = reinterpret_cast<Function>(code_.Find("run"));
    const GuardedBytes scratch(static_cast<size_t>(scratch_bytes_));
    for (int64_t thread = 0; thread < threads; ++thread) {
      std::memset(scratch.data(), 0xff, static_cast<size_t>(scratch_bytes_));
      run(a, b, c, scratch.data(), thread, threads);
    }
  }

 private:
  NativeCode code_;
  int64_t scratch_bytes_;
};

float MultiplyAdd(float a, float b, float c) { return std::fma(a, b, c); }
double MultiplyAdd(double a, double b, double c) { return std::fma(a, b, c); }

// The next index of row-major nested loops; false behind the last.
bool Next(std::vector<int64_t>& index, const std::vector<int64_t>& extents) {
  for (size_t i = index.size(); i-- > 0;) {
    if (++index[i] < extents[i]) return true;
    index[i] = 0;
  }
  return false;
}

int64_t Flat(const std::vector<int64_t>& index, const std::vector<int64_t>& extents) {
  int64_t flat = 0;
  for (size_t i = 0; i < index.size(); ++i) flat = flat * extents[i] + index[i];
  return flat;
}

// Calls f(window, tap, element, tap exists) over all pairs; the window is the outer loop.
struct Geometry {
  explicit Geometry(const ir::Convolution& shape) {
    for (const WindowAxis& axis : shape.axes) {
      inputs.push_back(axis.input);
      outputs.push_back(axis.output);
      taps.push_back(axis.taps);
    }
  }
  // The element under a tap of a window, or -1.
  int64_t Source(const ir::Convolution& shape, const std::vector<int64_t>& window,
                 const std::vector<int64_t>& tap) const {
    std::vector<int64_t> element(window.size());
    for (size_t i = 0; i < window.size(); ++i) {
      element[i] = shape.axes[i].Source(window[i], tap[i]);
      if (element[i] < 0) return -1;
    }
    return Flat(element, inputs);
  }
  std::vector<int64_t> inputs, outputs, taps;
};

// Without windows: sums of x.
template <typename T>
void Forward(const ir::Convolution& s, const T* x, const T* w, T* y) {
  const Geometry geometry(s);
  const int64_t in = s.groups * s.in, out = s.groups * s.out;
  for (int64_t n = 0; n < s.batch; ++n) {
    std::vector<int64_t> window(s.axes.size(), 0);
    do {
      for (int64_t o = 0; o < out; ++o) {
        T sum = 0;
        std::vector<int64_t> tap(s.axes.size(), 0);
        do {
          const int64_t element = geometry.Source(s, window, tap);
          if (element < 0) continue;
          for (int64_t i = 0; i < s.in; ++i) {
            const T left = x[(n * s.inputs() + element) * in + o / s.out * s.in + i];
            sum =
                w == nullptr ? sum + left : MultiplyAdd(left, w[(Flat(tap, geometry.taps) * s.in + i) * out + o], sum);
          }
        } while (Next(tap, geometry.taps));
        y[(n * s.outputs() + Flat(window, geometry.outputs)) * out + o] = sum;
      }
    } while (Next(window, geometry.outputs));
  }
}

template <typename T>
void Weights(const ConvolutionSpec& spec, const T* x, const T* g, T* w) {
  const ir::Convolution& s = spec.shape;
  const Geometry geometry(s);
  const int64_t in = s.groups * s.in, out = s.groups * s.out;
  const int64_t terms = s.batch * s.outputs(), length = (terms + spec.slices - 1) / spec.slices;
  std::vector<int64_t> tap(s.axes.size(), 0);
  do {
    for (int64_t i = 0; i < s.in; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        T sum = 0;
        for (int64_t slice = 0; slice < spec.slices; ++slice) {
          T chain = 0;
          for (int64_t k = slice * length; k < std::min(terms, (slice + 1) * length); ++k) {
            std::vector<int64_t> window(s.axes.size());
            int64_t rest = k % s.outputs();
            for (size_t a = window.size(); a-- > 0;) {
              window[a] = rest % s.axes[a].output;
              rest /= s.axes[a].output;
            }
            const int64_t element = geometry.Source(s, window, tap);
            if (element < 0) continue;
            const T left = x[(k / s.outputs() * s.inputs() + element) * in + o / s.out * s.in + i];
            chain = MultiplyAdd(left, g[k * out + o], chain);
          }
          if (slice * length < terms) sum = slice == 0 ? chain : sum + chain;
        }
        w[(Flat(tap, geometry.taps) * s.in + i) * out + o] = sum;
      }
    }
  } while (Next(tap, geometry.taps));
}

template <typename T>
void Check(const ConvolutionSpec& spec, Isa isa, absl::Span<const int64_t> threads) {
  const ir::Convolution& s = spec.shape;
  const int64_t x_size = s.batch * s.inputs() * s.groups * s.in, y_size = s.batch * s.outputs() * s.groups * s.out,
                w_size = s.taps() * s.in * s.groups * s.out;
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  const auto filled = [&](int64_t elements) {
    auto bytes = std::make_unique<GuardedBytes>(elements * sizeof(T));
    for (int64_t i = 0; i < elements; ++i) {
      // Negative zeros show whether a term that does not exist was added.
      static_cast<T*>(bytes->data())[i] = random() % 8 == 0 ? T(-0.0) : static_cast<T>(normal(random));
    }
    return bytes;
  };
  const auto x = filled(x_size), w = filled(w_size), g = filled(y_size);
  ir::Target target;
  target.isa = isa;
  std::vector<Product> products = {Product::kForward, Product::kWeights};
  if (s.in == 1 && s.out == 1) products.push_back(Product::kSums);
  for (const Product product : products) {
    const auto& b = product == Product::kForward ? w : g;
    const int64_t size = product == Product::kWeights ? w_size : y_size;
    std::vector<T> expected(size);
    if (product == Product::kSums) {
      Forward<T>(s, static_cast<T*>(x->data()), nullptr, expected.data());
    } else if (product == Product::kForward) {
      Forward<T>(s, static_cast<T*>(x->data()), static_cast<T*>(w->data()), expected.data());
    } else {
      Weights<T>(spec, static_cast<T*>(x->data()), static_cast<T*>(g->data()), expected.data());
    }
    const CompiledConvolution compiled(spec, product, target);
    for (const int64_t count : threads) {
      GuardedBytes c(size * sizeof(T));
      std::fill_n(static_cast<T*>(c.data()), size, T(77));
      compiled.Run(x->data(), b->data(), c.data(), count);
      for (int64_t i = 0; i < size; ++i) {
        ASSERT_EQ(std::memcmp(&static_cast<T*>(c.data())[i], &expected[i], sizeof(T)), 0)
            << "product " << static_cast<int>(product) << " threads " << count << " " << ir::Name(isa) << " element "
            << i << " of " << size << ": " << static_cast<T*>(c.data())[i] << " expected " << expected[i];
      }
    }
  }
}

WindowAxis Axis(int64_t input, int64_t taps, int64_t stride, int64_t low, int64_t high, int64_t dilation = 1,
                int64_t interior = 0) {
  WindowAxis axis{input, taps, stride, low, high, dilation, interior, 0};
  axis.output = (axis.places() + low + high - axis.reach()) / stride + 1;
  return axis;
}

std::string Text(const ConvolutionSpec& spec) {
  std::ostringstream text;
  const ir::Convolution& s = spec.shape;
  text << "batch " << s.batch << " groups " << s.groups << " in " << s.in << " out " << s.out << " slices "
       << spec.slices;
  for (const WindowAxis& a : s.axes) {
    text << "; " << a.input << " under " << a.taps << " stride " << a.stride << " low " << a.low << " high " << a.high
         << " dilation " << a.dilation << " interior " << a.interior << ": " << a.output;
  }
  return text.str();
}

ConvolutionSpec RandomConvolution(std::mt19937& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  ConvolutionSpec spec;
  spec.shape.batch = 1 + below(5);
  const int64_t axes = 1 + below(3);
  while (static_cast<int64_t>(spec.shape.axes.size()) < axes) {
    const bool plain = below(2) == 0;
    const int64_t taps = 1 + below(5);
    const WindowAxis axis = plain ? Axis(1 + below(axes == 1   ? 60
                                                   : axes == 2 ? 20
                                                               : 6),
                                         taps, 1, taps / 2, taps / 2)
                                  : Axis(1 + below(axes == 3 ? 5 : 12), taps, 1 + below(3), below(5) - 1, below(5) - 1,
                                         1 + below(3), below(3));
    if (axis.places() + axis.low + axis.high >= axis.reach()) spec.shape.axes.push_back(axis);
  }
  spec.shape.groups = below(3) == 0 ? 1 + below(4) : 1;
  const bool depthwise = below(8) == 0;
  if (depthwise) spec.shape.groups = 1 + below(80);
  spec.shape.in = depthwise ? 1 : 1 + below(below(2) == 0 ? 4 : 20);
  spec.shape.out = depthwise ? 1 + below(2) : 1 + below(below(3) == 0 ? 90 : 20);
  const int64_t terms = spec.shape.batch * spec.shape.outputs();
  spec.slices = below(2) == 0 ? 1 : 1 + below(std::min<int64_t>(terms, 16));
  return spec;
}

constexpr Isa kIsas[] = {Isa::kAvx512, Isa::kAvx2, Isa::kBaseline};
constexpr int64_t kThreads[] = {1, 2, 3, 7};

void CheckHere(const ConvolutionSpec& spec, Isa isa, bool is_double) {
  if (!HostSupports(isa)) return;
  SCOPED_TRACE(Text(spec));
  if (is_double) {
    ConvolutionSpec wide = spec;
    wide.type = ir::DType::kF64;
    Check<double>(wide, isa, kThreads);
  } else {
    Check<float>(spec, isa, kThreads);
  }
}

TEST(Convolution, AnyGeometryHasTheBitsOfTheDefinition) {
  std::mt19937 random(11);
  for (int turn = 0; turn < 160; ++turn) {
    const ConvolutionSpec spec = RandomConvolution(random);
    ASSERT_NO_FATAL_FAILURE(CheckHere(spec, kIsas[turn % 8 == 7 ? 2 : turn % 2], turn % 5 == 4)) << turn;
  }
}

TEST(Convolution, LayersOfKnownNetworksHaveTheBitsOfTheDefinition) {
  const auto layer = [](int64_t size, int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad) {
    ConvolutionSpec spec;
    spec.shape.batch = 3;
    spec.shape.axes.assign(2, Axis(size, taps, stride, pad, pad));
    spec.shape.in = in;
    spec.shape.out = out;
    spec.slices = 2;
    return spec;
  };
  std::vector<ConvolutionSpec> layers = {
      layer(28, 1, 6, 5, 1, 2),   layer(14, 6, 16, 5, 1, 0),  layer(16, 16, 16, 3, 1, 1), layer(16, 3, 16, 3, 1, 1),
      layer(16, 16, 32, 3, 2, 1), layer(16, 16, 32, 1, 2, 0), layer(8, 64, 64, 3, 1, 1),  layer(4, 20, 150, 3, 1, 1),
      layer(9, 5, 40, 1, 1, 0),   layer(9, 7, 150, 3, 1, 1)};
  for (const ConvolutionSpec& spec : std::vector(layers)) {  // and their gradients
    layers.push_back(spec);
    for (WindowAxis& axis : layers.back().shape.axes) axis = Transposed(axis);
    std::swap(layers.back().shape.in, layers.back().shape.out);
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(CheckHere(layers[i], kIsas[i % 2], false)) << i;
    ASSERT_NO_FATAL_FAILURE(CheckHere(layers[i], kIsas[1 - i % 2], false)) << i;
  }
}

}  // namespace
}  // namespace gradus::codegen
