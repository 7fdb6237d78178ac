// gradus sample: text, written by a model of characters.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/math.h"
#include "ir/philox.h"
#include "ir/scalar.h"
#include "runtime/text.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Text, written by a trained model of characters.\n"
    "\n"
    "Write text with a model that was trained on text(…): character after character, each drawn with the "
    "probabilities\n"
    "that the model gives after those before it. The model has one input of characters, i32[B,T], and one output of\n"
    "logits, [B,T,V]; more than T characters of context are forgotten from the front. The same seed writes the same "
    "text.\n"
    "\n"
    "  gradus train examples/char_mlp.gr --save weights.safetensors\n"
    "  gradus sample examples/char_mlp.gr --load weights.safetensors --prompt \"The \" --length 200\n"
    "  gradus sample examples/char_mlp.gr --load weights.safetensors --temperature 0.5 --top-k 5 --seed 7";

struct SampleOptions {
  ModelOptions model;
  std::string load, prompt = "\n";
  int64_t length = 400, top_k = 0;
  double temperature = 1;
};

absl::Status NotALanguageModel(const std::string& file, const std::string& what) {
  return ir::ErrorStatus(ir::ErrorKind::kNotALanguageModel, file, ": ", what);
}

// The prediction of a model of characters, for one text at a time.
class LanguageModel {
 public:
  static absl::StatusOr<LanguageModel> Create(const std::string& file, const runtime::Compiled& compiled) {
    const int entry = compiled.entries.predict.begin()->second;
    const auto inputs = compiled.executable->inputs(entry), outputs = compiled.executable->outputs(entry);
    const auto is_tokens = [](const ir::Type& type) { return type.element == ir::DType::kI32 && type.rank() == 2; };
    if (inputs.size() != 1 || !is_tokens(inputs[0].type)) {
      return NotALanguageModel(file, absl::StrCat("writing text takes a model with one input of characters, i32[B,T]; "
                                                  "the output of this one reads ",
                                                  inputs.empty() ? "nothing" : ToText(inputs)));
    }
    const ir::Shape& tokens = inputs[0].type.shape;
    const auto is_logits = [&](const ir::Type& type) {
      return ir::IsFloat(type.element) && type.rank() == 3 && type.shape[0] == tokens[0] && type.shape[1] == tokens[1];
    };
    const auto logits = std::find_if(outputs.begin(), outputs.end(), [&](const auto& o) { return is_logits(o.type); });
    if (logits == outputs.end()) {
      return NotALanguageModel(file, absl::StrCat("writing text takes an output of logits, float[", tokens[0], ",",
                                                  tokens[1], ",V]; the outputs of this one are ", ToText(outputs)));
    }
    LanguageModel model;
    model.executable_ = compiled.executable.get();
    model.entry_ = entry;
    model.input_ = inputs[0].name;
    model.output_ = logits->name;
    model.tokens_ = ir::Tensor(inputs[0].type);
    model.logits_ = ir::Tensor(logits->type);
    return model;
  }

  int64_t window() const { return tokens_.type().shape[1]; }
  int64_t classes() const { return logits_.type().shape[2]; }

  // The logits of what follows the last of `context`, which has at most `window` tokens.
  absl::StatusOr<std::vector<double>> Next(absl::Span<const int32_t> context) {
    RETURN_IF_ERROR(Run(context, 0));
    std::vector<double> result(classes());
    const int64_t first = (static_cast<int64_t>(context.size()) - 1) * classes();
    ir::Dispatch(logits_.type().element, [&](auto tag) {
      for (size_t i = 0; i < result.size(); ++i) {
        result[i] = static_cast<double>(logits_.data<decltype(tag)>()[first + static_cast<int64_t>(i)]);
      }
    });
    return result;
  }

  // Whether what a position says depends on the characters behind it: a change of the last one changes nothing before
  // it.
  absl::StatusOr<bool> LooksAhead(absl::Span<const int32_t> context) {
    if (window() == 1) return false;
    const int64_t bytes = (window() - 1) * classes() * ir::ByteWidth(logits_.type().element);
    RETURN_IF_ERROR(Run(context.first(std::min<size_t>(context.size(), window() - 1)), 0));
    const std::vector<std::byte> before(logits_.bytes(), logits_.bytes() + bytes);
    RETURN_IF_ERROR(Run(context.first(std::min<size_t>(context.size(), window() - 1)), 1));
    return !std::equal(before.begin(), before.end(), logits_.bytes());
  }

 private:
  static std::string ToText(absl::Span<const runtime::NamedType> values) {
    std::string text;
    for (const auto& [name, type] : values)
      absl::StrAppend(&text, text.empty() ? "" : ", ", name, " : ", ir::ToString(type));
    return text;
  }

  // The context, then zeros, and `last` in the last place.
  absl::Status Run(absl::Span<const int32_t> context, int32_t last) {
    const auto tokens = tokens_.data<int32_t>();
    std::fill(tokens.begin(), tokens.end(), 0);
    if (static_cast<int64_t>(context.size()) < window()) tokens[window() - 1] = last;
    std::copy(context.begin(), context.end(), tokens.begin());
    const runtime::Feed feed{input_, tokens_.bytes()};
    const runtime::Fetch fetch{output_, logits_.bytes()};
    return executable_->Run(entry_, {&feed, 1}, {&fetch, 1}, 1).status();
  }

  runtime::Executable* executable_ = nullptr;
  int entry_ = 0;
  std::string input_, output_;
  ir::Tensor tokens_, logits_;
};

// A number of [0, 1): the `draw`-th of a seed.
double Uniform(int64_t seed, int64_t draw) {
  using Word = ir::I<ir::Scalar<int64_t>>;
  constexpr int64_t kSampleKey = 0x73616d706c652031;  // "sample 1"
  const auto words = ir::Philox(ir::RandomKey(Word(seed), Word(kSampleKey)), Word(0), Word(draw));
  const uint64_t bits = static_cast<uint64_t>(words[0].raw) | static_cast<uint64_t>(words[1].raw) << 32;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// A token of softmax(logits / temperature), restricted to the `top_k` most likely where that is not 0; the most likely
// one at temperature 0. Our own exponential: every machine writes the same text.
int32_t Draw(const std::vector<double>& logits, const SampleOptions& options, double uniform) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (options.temperature == 0) return order[0];
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(order.size())) order.resize(options.top_k);
  using Real = ir::F<ir::Scalar<double>>;
  std::vector<double> up_to;  // sums of the probabilities, times a constant
  double total = 0;
  for (const int32_t token : order) {
    total += ir::Exp(Real((logits[token] - logits[order[0]]) / options.temperature)).raw;
    up_to.push_back(total);
  }
  const auto chosen = std::upper_bound(up_to.begin(), up_to.end(), uniform * total);
  return order[std::min<int64_t>(chosen - up_to.begin(), static_cast<int64_t>(order.size()) - 1)];
}

absl::Status Run(const SampleOptions& options) {
  ASSIGN_OR_RETURN(const Model model, LoadProgramModel(options.model, "writing text"));
  ASSIGN_OR_RETURN(const runtime::SavedTensors saved, LoadSaved(options.load));
  const auto known = saved.metadata.find(kVocabulary);
  if (known == saved.metadata.end()) {
    return NotALanguageModel(options.load,
                             "holds no vocabulary: `gradus train --save` keeps that of the text(…) of its "
                             "data beside the parameters");
  }
  ASSIGN_OR_RETURN(const runtime::Vocabulary vocabulary, runtime::Vocabulary::Load(options.load, known->second));
  ASSIGN_OR_RETURN(std::vector<int32_t> tokens, vocabulary.Encode("--prompt", options.prompt));
  if (tokens.empty())
    return ir::ErrorStatus(ir::ErrorKind::kCommandLine, "--prompt: a text begins with at least one character");

  const runtime::EntryRequest request{frontend::Entry::kPredict, model.program.batch_dim.empty() ? 0 : 1};
  ASSIGN_OR_RETURN(const runtime::Compiled compiled, CompileModel(options.model, model, {&request, 1}));
  ASSIGN_OR_RETURN(LanguageModel writer, LanguageModel::Create(options.model.file, compiled));
  if (writer.classes() < vocabulary.size()) {
    return NotALanguageModel(options.model.file, absl::StrCat("the model has ", writer.classes(), " characters, and ",
                                                              options.load, " ", vocabulary.size()));
  }
  const int64_t seed = SeedOf(options.model, model);
  RETURN_IF_ERROR(
      runtime::InitializeState(compiled.initialize, seed, saved.tensors, options.load, *compiled.executable));
  const auto context = [&] {
    const auto all = absl::MakeConstSpan(tokens);
    return all.last(std::min<size_t>(all.size(), writer.window()));
  };
  ASSIGN_OR_RETURN(const bool looks_ahead, writer.LooksAhead(context()));
  if (looks_ahead) {
    return NotALanguageModel(options.model.file,
                             "what the model says of a position depends on the characters behind it, "
                             "which are not written yet");
  }

  std::string text = options.prompt;
  if (!options.model.json) std::fputs(text.c_str(), stdout);
  for (int64_t i = 0; i < options.length; ++i) {
    ASSIGN_OR_RETURN(std::vector<double> logits, writer.Next(context()));
    logits.resize(vocabulary.size());
    if (!std::all_of(logits.begin(), logits.end(), [](double x) { return std::isfinite(x); })) {
      return ir::ErrorStatus(ir::ErrorKind::kNotFinite, options.load, ": the logits of this model are not finite");
    }
    tokens.push_back(Draw(logits, options, Uniform(seed, i)));
    text += vocabulary.Character(tokens.back());
    if (!options.model.json) {
      std::fputs(vocabulary.Character(tokens.back()).c_str(), stdout);
      std::fflush(stdout);
    }
  }
  if (!options.model.json) {
    std::fputs("\n", stdout);
    return absl::OkStatus();
  }
  const nlohmann::json result = {{"prompt", options.prompt}, {"text", text}};
  std::printf("%s\n", result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return absl::OkStatus();
}

}  // namespace

void AddSample(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* verb = gradus.add_subcommand("sample", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--load,--checkpoint", options->load, "The parameters, as `gradus train --save` wrote them")
      ->required()
      ->type_name("FILE.safetensors");
  verb->add_option("--prompt", options->prompt, "How the text begins; a new line where it is absent")
      ->type_name("TEXT");
  verb->add_option("--length", options->length, "How many characters follow (400)")
      ->check(WholeNumber(1))
      ->type_name("N");
  verb->add_option("--temperature", options->temperature,
                   "Below 1 likely characters become likelier, above 1 less so; 0 takes the likeliest (1)")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("T");
  verb->add_option("--top-k", options->top_k, "Draw among the K likeliest characters alone")
      ->check(WholeNumber(1))
      ->type_name("K");
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  AddJson(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
