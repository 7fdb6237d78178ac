#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"
#include "frontend/static_math.h"

namespace gradus::frontend {
namespace {

#ifdef GRADUS_MAX_EVALUATIONS  // fuzzers, in a sanitized build, take a smaller one
constexpr int64_t kMostEvaluations = GRADUS_MAX_EVALUATIONS;
#else
constexpr int64_t kMostEvaluations = kMaxEvaluations;
#endif

ir::Op OpOf(ast::BinaryOperator op) {
  using enum ast::BinaryOperator;
  switch (op) {
    case kAdd:
      return ir::Op::kAdd;
    case kSubtract:
      return ir::Op::kSub;
    case kMultiply:
      return ir::Op::kMul;
    case kDivide:
      return ir::Op::kDiv;
    case kFloorDivide:
      return ir::Op::kFloorDiv;
    case kModulo:
      return ir::Op::kMod;
    case kPower:
      return ir::Op::kPow;
    case kEqual:
      return ir::Op::kEqual;
    case kNotEqual:
      return ir::Op::kNotEqual;
    case kLess:
      return ir::Op::kLess;
    case kLessEqual:
      return ir::Op::kLessEqual;
    case kGreater:
      return ir::Op::kGreater;
    case kGreaterEqual:
      return ir::Op::kGreaterEqual;
    case kAnd:
      return ir::Op::kAnd;
    case kOr:
      return ir::Op::kOr;
    case kMatrixMultiply:
      break;
  }
  return ir::Op::kDot;
}

// Joins the elements of nested lists in row-major order; false where they are ragged or no numbers.
bool Flatten(const Item& item, size_t depth, ir::Shape& shape, std::vector<Item>& elements) {
  if (const ListItem* list = item.As<ListItem>()) {
    const auto extent = static_cast<int64_t>(list->items->size());
    if (depth == shape.size()) {
      if (!elements.empty()) return false;
      shape.push_back(extent);
    } else if (shape[depth] != extent) {
      return false;
    }
    for (const Item& inner : *list->items) {
      if (!Flatten(inner, depth + 1, shape, elements)) return false;
    }
    return true;
  }
  if (depth != shape.size() || (item.As<Number>() == nullptr && item.As<bool>() == nullptr)) return false;
  elements.push_back(item);
  return true;
}

}  // namespace

Item Lowering::Evaluate(const ast::Expression& e) {
  if (evaluations_ > kMostEvaluations) return Poison();
  Restore place(place_, e.range);
  Restore depth(depth_, depth_ + 1);
  if (depth_ > kMaxDepth) {
    evaluations_ = kMostEvaluations + 1;  // what comes after would say the same
    return Fail(ErrorKind::kDepthLimit, e.range,
                absl::StrCat("calls and expressions nest more than ", kMaxDepth, " deep (depth limit)"));
  }
  if (++evaluations_ > kMostEvaluations) {
    return Fail(ErrorKind::kEvaluationLimit, e.range,
                absl::StrCat("the program evaluates more than ", kMostEvaluations,
                             " expressions once functions and loops are unrolled (evaluation limit)"));
  }
  return EvaluateNode(e);
}

Item Lowering::EvaluateNode(const ast::Expression& e) {
  struct Visitor {
    Lowering& self;
    SourceRange range;
    Item operator()(const ast::Number& n) const {
      auto number = ReadNumber(n);
      return number.ok() ? Item(*std::move(number)) : self.Fail(range, number.status());
    }
    Item operator()(const ast::String& s) const {
      if (self.sources_ == nullptr) return s.value;
      return TensorItem{self.AddSource({s.value, absl::nullopt, ToString(range)})};
    }
    Item operator()(const ast::Bool& b) const { return b.value; }
    Item operator()(const ast::None&) const { return None(); }
    Item operator()(const ast::Ellipsis&) const {
      return self.Fail(ErrorKind::kEllipsisPlace, range, "`...` belongs into an index: x[..., 0]");
    }
    Item operator()(const ast::Name& n) const { return self.LookUp(n.text, range); }
    Item operator()(const ast::Unary& u) const { return self.EvaluateUnary(u, range); }
    Item operator()(const ast::Binary& b) const { return self.EvaluateBinary(b, range); }
    Item operator()(const ast::Call& c) const { return self.EvaluateCall(c, range); }
    Item operator()(const ast::Index& i) const { return self.EvaluateIndex(i, range); }
    Item operator()(const ast::Member& m) const { return self.EvaluateMember(m, range); }
    Item operator()(const ast::List& l) const { return Elements(l.items); }
    Item operator()(const ast::Tuple& t) const { return Elements(t.items); }
    Item operator()(const ast::Comprehension& c) const { return self.EvaluateComprehension(c, range); }
    Item operator()(const ast::Repeat& r) const { return self.EvaluateRepeat(r, range); }
    Item operator()(const ast::Region& r) const {
      return self.Fail(ErrorKind::kGraphInProgram, r.kind.range,
                       absl::StrCat(r.kind.text, " { … } belongs to printed graphs"));
    }
    Item operator()(const ast::Scan& s) const { return self.EvaluateScan(s, range); }
    Item operator()(const ast::Cond& c) const { return self.EvaluateCond(c, range); }
    Item operator()(const ast::While& w) const { return self.EvaluateWhile(w, range); }

    Item Elements(const std::vector<ast::ExpressionPtr>& items) const {
      std::vector<Item> list;
      bool poisoned = false;
      for (const ast::ExpressionPtr& item : items) {
        list.push_back(self.Evaluate(*item));
        poisoned |= list.back().poisoned();
      }
      return poisoned ? Item(Poison()) : MakeList(std::move(list));
    }
  };
  return std::visit(Visitor{*this, e.range}, e.node);
}

Item Lowering::EvaluateMember(const ast::Member& member, SourceRange range) {
  const Item object = Evaluate(*member.object);
  if (object.poisoned()) return object;
  const std::string& name = member.member.text;
  if (name != "T" && name != "shape") return MemberOf(object, name, member.member.range);
  if (object.As<std::shared_ptr<Instance>>() != nullptr) return MemberOf(object, name, member.member.range);
  ir::Value* value = AsTensor(object, range);
  if (value == nullptr) return Poison();
  if (name == "T") {
    builder_.SetNote(NoteAt(range));
    return Made(expressions_.Transpose(range, AsOperand(value, member.object->range)));
  }
  std::vector<Item> shape;
  for (int64_t extent : value->type.shape) shape.push_back(Number::Integer(extent));
  return MakeList(std::move(shape));
}

Item Lowering::EvaluateUnary(const ast::Unary& unary, SourceRange range) {
  const Item operand = Evaluate(*unary.operand);
  if (operand.poisoned()) return operand;
  if (unary.op == ast::UnaryOperator::kNot) {
    if (const bool* b = operand.As<bool>()) return !*b;
    return Elementwise(Op::kNot, {operand}, range);
  }
  if (const Number* number = operand.As<Number>(); number != nullptr && !number->text.empty()) return number->Negated();
  const Item source = AsSource(operand, unary.operand->range);
  return source.poisoned() ? source : Elementwise(Op::kNeg, {source}, range);
}

Item Lowering::EvaluateLogic(const ast::Binary& binary, SourceRange range) {
  const Item a = Evaluate(*binary.left);
  if (a.poisoned()) return a;
  const bool is_and = binary.op == ast::BinaryOperator::kAnd;
  // Static operands decide without the other one, so that `bias and stride > 1` can guard.
  if (const bool* left = a.As<bool>()) return *left == is_and ? Evaluate(*binary.right) : Item(*left);
  const Item b = Evaluate(*binary.right);
  if (b.poisoned()) return b;
  if (const bool* right = b.As<bool>(); right != nullptr && *right == is_and) return a;
  return Elementwise(is_and ? Op::kAnd : Op::kOr, {a, b}, range);
}

absl::optional<Item> Lowering::CompareStatic(const ast::Binary& binary, const Item& a, const Item& b) {
  const bool equal = binary.op == ast::BinaryOperator::kEqual;
  if (!equal && binary.op != ast::BinaryOperator::kNotEqual) return absl::nullopt;
  if (a.none() || b.none()) return Item((a.none() && b.none()) == equal);
  const auto same = [&](auto tag) -> absl::optional<Item> {
    using T = decltype(tag);
    const T *x = a.As<T>(), *y = b.As<T>();
    if (x == nullptr || y == nullptr) return absl::nullopt;
    return Item((*x == *y) == equal);
  };
  if (auto result = same(bool())) return result;
  if (auto result = same(std::string())) return result;
  return same(ir::DType());
}

Item Lowering::EvaluateBinary(const ast::Binary& binary, SourceRange range) {
  if (binary.op == ast::BinaryOperator::kMatrixMultiply) return EvaluateMatmul(binary);
  if (binary.op == ast::BinaryOperator::kAnd || binary.op == ast::BinaryOperator::kOr) {
    return EvaluateLogic(binary, range);
  }
  const Item a = Evaluate(*binary.left);
  const Item b = Evaluate(*binary.right);
  if (a.poisoned() || b.poisoned()) return Poison();
  const Op op = OpOf(binary.op);
  if (auto result = CompareStatic(binary, a, b)) return *result;
  const ListItem *x = a.As<ListItem>(), *y = b.As<ListItem>();
  if (op == Op::kAdd && x != nullptr && y != nullptr) {
    if (x->items->size() + y->items->size() > kMaxListItems) {
      return Fail(ErrorKind::kListLimit, range,
                  absl::StrCat("a list has at most ", kMaxListItems, " items (list limit)"));
    }
    std::vector<Item> joined = *x->items;
    joined.insert(joined.end(), y->items->begin(), y->items->end());
    return MakeList(std::move(joined));
  }
  const Item left = AsSource(a, binary.left->range), right = AsSource(b, binary.right->range);
  if (left.poisoned() || right.poisoned()) return Poison();
  if (op == Op::kPow) return Power(left, right, binary.op_range);
  return Elementwise(op, {left, right}, binary.op_range);
}

Item Lowering::EvaluateComprehension(const ast::Comprehension& c, SourceRange) {
  auto list = AsItems(Evaluate(*c.list), c.list->range, "a comprehension runs over a list");
  if (!list) return Poison();
  // The variable lives in the comprehension alone.
  const auto old = scope_->names.find(c.variable.text);
  absl::optional<Binding> shadowed;
  if (old != scope_->names.end()) shadowed = old->second;
  std::vector<Item> values;
  bool poisoned = false;
  for (Item& item : *list) {
    scope_->names[c.variable.text] = {std::move(item), c.variable.range, false};
    values.push_back(Evaluate(*c.value));
    poisoned |= values.back().poisoned();
    if (poisoned) break;
  }
  scope_->names.erase(c.variable.text);
  if (shadowed) scope_->names[c.variable.text] = *shadowed;
  return poisoned ? Item(Poison()) : MakeList(std::move(values));
}

Item Lowering::EvaluateRepeat(const ast::Repeat& repeat, SourceRange) {
  auto count = AsInteger(Evaluate(*repeat.count), repeat.count->range, "the count of repeat");
  if (!count) return Poison();
  if (*count < 0 || *count > kMaxListItems) {
    return Fail(ErrorKind::kListLimit, repeat.count->range,
                absl::StrCat("repeat takes 0 to ", kMaxListItems, " items (list limit), found ", *count));
  }
  std::vector<Item> items;
  for (int64_t i = 0; i < *count; ++i) {
    items.push_back(Evaluate(*repeat.item));
    if (items.back().poisoned()) return Poison();
  }
  return MakeList(std::move(items));
}

absl::optional<ir::DType> Lowering::NaturalType(const Item& item) const {
  if (const TensorItem* tensor = item.As<TensorItem>()) return tensor->value->type.element;
  if (item.As<bool>() != nullptr) return ir::DType::kBool;
  const auto real = [this] {
    const auto set = options_.set.find("float");
    return set == options_.set.end() ? ir::DType::kF32 : ir::ParseDType(set->second).value_or(ir::DType::kF32);
  };
  if (const Number* number = item.As<Number>())
    return number->kind == Number::Kind::kInteger ? ir::DType::kI32 : real();
  if (item.As<ListItem>() == nullptr) return absl::nullopt;
  ir::Shape shape;
  std::vector<Item> elements;
  if (!Flatten(item, 0, shape, elements)) return absl::nullopt;
  ir::DType type = ir::DType::kI32;
  for (const Item& element : elements) {
    if (element.As<bool>() != nullptr) return ir::DType::kBool;
    if (element.As<Number>()->kind == Number::Kind::kFloat) type = real();
  }
  return type;
}

ir::Value* Lowering::Literal(const Item& item, ir::DType type, SourceRange where) {
  auto tensor = LiteralTensor(item, type, where);
  return tensor ? Constant(*std::move(tensor)) : nullptr;
}

absl::optional<ir::Tensor> Lowering::LiteralTensor(const Item& item, ir::DType type, SourceRange where) {
  ir::Shape shape;
  std::vector<Item> elements;
  if (!Flatten(item, 0, shape, elements)) {
    Error(ErrorKind::kRaggedLiteral, where, "a list that is a tensor has numbers alone, in rows of equal length")
        .Help("stack([a, b]) and concat([a, b]) join tensors");
    return absl::nullopt;
  }
  if (elements.empty()) {
    Error(ErrorKind::kEmptyList, where, "an empty list is no tensor: every extent is at least 1");
    return absl::nullopt;
  }
  ir::Tensor tensor(ir::Type{type, shape});
  const int64_t width = ir::ByteWidth(type);
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool* boolean = elements[i].As<bool>();
    auto scalar = RoundTo(boolean != nullptr ? Number::Bool(*boolean) : *elements[i].As<Number>(), type);
    if (!scalar.ok()) {
      Diagnostic& error = Error(where, scalar.status());
      if (ir::IsInteger(type) && boolean == nullptr && elements[i].As<Number>()->kind == Number::Kind::kFloat) {
        error.Help("float(…) makes numbers that have fractions of integers");
      }
      return absl::nullopt;
    }
    std::copy_n(scalar->bytes(), width, tensor.bytes() + static_cast<int64_t>(i) * width);
  }
  return tensor;
}

ir::Value* Lowering::AsTensor(const Item& item, SourceRange where, absl::optional<ir::DType> type) {
  if (item.poisoned()) return nullptr;
  if (const TensorItem* tensor = item.As<TensorItem>()) {
    return tensor->weak && type && ir::IsFloat(tensor->value->type.element) ? ConvertTo(tensor->value, *type)
                                                                            : tensor->value;
  }
  if (!type) type = NaturalType(item);
  const bool literal = item.As<Number>() != nullptr || item.As<bool>() != nullptr || item.As<ListItem>() != nullptr;
  if (literal) return Literal(item, type.value_or(ir::DType::kF32), where);
  Diagnostic& diagnostic =
      Error(ErrorKind::kNotATensor, where, absl::StrCat("expected a tensor, found ", Describe(item)));
  if (item.As<std::shared_ptr<Instance>>() != nullptr) diagnostic.Help("a layer is called: layer(x)");
  return nullptr;
}

Item Lowering::Cast(ir::DType type, const Item& item, SourceRange where) {
  if (item.poisoned()) return item;
  if (const bool* b = item.As<bool>(); b != nullptr && type != ir::DType::kBool) {
    return Cast(type, Number::Integer(*b ? 1 : 0), where);
  }
  if (const Number* number = item.As<Number>(); number != nullptr && type == ir::DType::kBool) {
    return TensorItem{Literal(number->AsDouble() != 0, type, where)};
  }
  if (const TensorItem* tensor = item.As<TensorItem>()) return TensorItem{ConvertTo(tensor->value, type)};
  ir::Value* value = AsTensor(item, where, type);
  return value == nullptr ? Item(Poison()) : Item(TensorItem{value});
}

absl::optional<int64_t> Lowering::AsInteger(const Item& item, SourceRange where, absl::string_view what) {
  if (item.poisoned()) return absl::nullopt;
  const Number* number = item.As<Number>();
  if (number != nullptr && number->kind == Number::Kind::kInteger) return number->integer;
  Error(ErrorKind::kNotStatic, where, absl::StrCat(what, " must be a static integer, found ", Describe(item)));
  return absl::nullopt;
}

absl::optional<double> Lowering::AsReal(const Item& item, SourceRange where, absl::string_view what) {
  if (item.poisoned()) return absl::nullopt;
  if (const Number* number = item.As<Number>()) return number->AsDouble();
  Error(ErrorKind::kNotStatic, where, absl::StrCat(what, " must be a static number, found ", Describe(item)));
  return absl::nullopt;
}

absl::optional<bool> Lowering::AsBool(const Item& item, SourceRange where, absl::string_view what) {
  if (item.poisoned()) return absl::nullopt;
  if (const bool* b = item.As<bool>()) return *b;
  Diagnostic& diagnostic =
      Error(ErrorKind::kNotStatic, where, absl::StrCat(what, " must be a static bool, found ", Describe(item)));
  if (item.As<TensorItem>() != nullptr) diagnostic.Help("where(condition, a, b) chooses between values at run time");
  return absl::nullopt;
}

absl::optional<ir::DType> Lowering::AsType(const Item& item, SourceRange where) {
  if (item.poisoned()) return absl::nullopt;
  if (const ir::DType* type = item.As<ir::DType>()) return *type;
  Error(ErrorKind::kNotStatic, where, absl::StrCat("expected a type such as f32, found ", Describe(item)));
  return absl::nullopt;
}

absl::optional<std::vector<Item>> Lowering::AsItems(const Item& item, SourceRange where, absl::string_view what) {
  if (item.poisoned()) return absl::nullopt;
  if (const ListItem* list = item.As<ListItem>()) return *list->items;
  Error(ErrorKind::kNotATensor, where, absl::StrCat(what, ", found ", Describe(item)));
  return absl::nullopt;
}

absl::optional<ir::Shape> Lowering::AsShape(const Item& item, SourceRange where) {
  if (item.As<Number>() != nullptr) {
    auto extent = AsInteger(item, where, "an extent");
    if (!extent) return absl::nullopt;
    return ir::Shape{*extent};
  }
  auto items = AsItems(item, where, "expected a shape such as [2, 3]");
  if (!items) return absl::nullopt;
  ir::Shape shape;
  for (const Item& extent : *items) {
    auto number = AsInteger(extent, where, "an extent");
    if (!number) return absl::nullopt;
    shape.push_back(*number);
  }
  return shape;
}

absl::optional<ir::DType> Lowering::ElementType(const ast::Identifier& name) {
  if (name.text == "float") {
    const auto set = options_.set.find("float");
    if (set == options_.set.end()) return ir::DType::kF32;
    return ir::ParseDType(set->second).value_or(ir::DType::kF32);
  }
  if (auto type = ir::ParseDType(name.text)) return type;
  // A type that an initialiser or a function got as an argument.
  if (const Binding* binding = scope_ == nullptr ? nullptr : scope_->Find(name.text)) {
    if (const ir::DType* type = binding->item.As<ir::DType>()) return *type;
  }
  Diagnostic& diagnostic = Error(ErrorKind::kUnknownType, name.range, absl::StrCat("unknown type ", name.text));
  if (name.text == "bf16") {
    diagnostic.Help("bf16 is not there yet; f32 is");
  } else {
    const std::string nearest = Nearest(name.text, {"bool", "u8", "i32", "i64", "f32", "f64", "float"});
    diagnostic.Help(nearest.empty() ? "the types are bool u8 i32 i64 f32 f64 and float"
                                    : absl::StrCat("did you mean ", nearest, "?"));
  }
  return absl::nullopt;
}

absl::optional<ir::Shape> Lowering::EvaluateDim(const ast::Expression& dim) {
  const Item item = Evaluate(dim);
  if (item.As<ListItem>() != nullptr) {
    auto extents = AsShape(item, dim.range);
    if (!extents) return absl::nullopt;
    for (const int64_t extent : *extents) {
      if (!CheckExtent(extent, dim.range)) return absl::nullopt;
    }
    return extents;
  }
  const auto extent = AsInteger(item, dim.range, "an extent");
  if (!extent || !CheckExtent(*extent, dim.range)) return absl::nullopt;
  return ir::Shape{*extent};
}

bool Lowering::CheckExtent(int64_t extent, SourceRange where) {
  if (extent >= 1) return true;
  Error(ErrorKind::kExtentTooSmall, where, absl::StrCat("every extent must be at least 1, found ", extent));
  return false;
}

absl::optional<ir::Type> Lowering::EvaluateType(const ast::TypeExpression& expression) {
  if (expression.like != nullptr) {
    ir::Value* value = AsTensor(Evaluate(*expression.like), expression.like->range);
    if (value == nullptr) return absl::nullopt;
    return value->type;
  }
  const auto element = ElementType(expression.element);
  if (!element) return absl::nullopt;
  ir::Type type{*element, {}};
  for (const ast::ExpressionPtr& dim : expression.dims) {
    const auto extents = EvaluateDim(*dim);
    if (!extents) return absl::nullopt;
    type.shape.insert(type.shape.end(), extents->begin(), extents->end());
  }
  if (type.rank() > ir::kMaxRank) {
    Error(ErrorKind::kRankLimit, expression.range,
          absl::StrCat("rank ", type.rank(), " is above the limit of ", ir::kMaxRank, " (rank limit)"));
    return absl::nullopt;
  }
  if (const ir::Size bytes = type.bytes(); !bytes.ok() || bytes.value() > ir::kMaxTensorBytes) {
    Error(ErrorKind::kTensorLimit, expression.range,
          absl::StrCat(ir::ToString(type), " is above the limit of ", ir::kMaxTensorBytes,
                       " bytes a tensor (tensor limit)"));
    return absl::nullopt;
  }
  return type;
}

}  // namespace gradus::frontend
