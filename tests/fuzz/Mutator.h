// Random changes of protobuf messages: what hostile plans and models are made of.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

namespace jinx::test {

/// Texts that plans are checked for: sizes and formulas, good and bad.
inline const std::vector<std::string>& planTexts() {
  static const std::vector<std::string> texts = {"",   "n", "h",  "n*h",           "n floordiv h", "1 floordiv 0",
                                                 "-n", "4", "x",  "9999999999999", "max(n, h)",    "((",
                                                 "m",  "2", "0*n"};
  return texts;
}

class Mutator {
 public:
  explicit Mutator(unsigned seed, const std::vector<std::string>& texts = planTexts()) : rng_(seed), texts_(texts) {}

  /// Changes one field, chosen at random, of the message or of one inside it.
  void mutate(google::protobuf::Message& m) {
    const auto* descriptor = m.GetDescriptor();
    if (descriptor->field_count() == 0) return;
    const auto* field = descriptor->field(static_cast<int>(below(static_cast<size_t>(descriptor->field_count()))));
    field->is_repeated() ? mutateRepeated(m, field) : mutateSingle(m, field);
  }

 private:
  using Field = google::protobuf::FieldDescriptor;

  size_t below(size_t n) { return static_cast<size_t>(rng_() % n); }
  uint32_t number() { return static_cast<uint32_t>(below(16) ? below(10) : rng_()); }
  const std::string& text() { return texts_[below(texts_.size())]; }

  /// Mostly small, some negative, and the ends of every width.
  int64_t integer() {
    constexpr int64_t kEdges[] = {0,         1,          -1,         INT8_MAX, UINT8_MAX,     INT16_MAX,     UINT16_MAX,
                                  INT32_MAX, INT32_MIN,  UINT32_MAX, 1 << 24,  INT64_MAX,     INT64_MIN,     INT64_MAX / 2,
                                  1ll << 40, 1ll << 60, -2};
    return below(4) ? static_cast<int64_t>(below(12)) - 3 : kEdges[below(std::size(kEdges))];
  }
  double real() {
    constexpr double kEdges[] = {0, -1, 1, 1e-40, 1e30, -1e30, 1e300};
    size_t i = below(std::size(kEdges) + 2);
    if (i == std::size(kEdges)) return std::numeric_limits<double>::quiet_NaN();
    return i > std::size(kEdges) ? std::numeric_limits<double>::infinity() : kEdges[i];
  }

  void mutateRepeated(google::protobuf::Message& m, const Field* f) {
    const auto* r = m.GetReflection();
    int size = r->FieldSize(m, f);
    int index = size ? static_cast<int>(below(static_cast<size_t>(size))) : 0;
    if (f->cpp_type() == Field::CPPTYPE_MESSAGE && size > 0 && below(8))
      return mutate(*r->MutableRepeatedMessage(&m, f, index));
    if (size > 0 && below(4) == 0) return r->RemoveLast(&m, f);
    if (size > 1 && below(4) == 0) return r->SwapElements(&m, f, 0, index);
    bool add = size == 0 || below(8) == 0;
    switch (f->cpp_type()) {
    case Field::CPPTYPE_UINT32:
      return add ? r->AddUInt32(&m, f, number()) : r->SetRepeatedUInt32(&m, f, index, number());
    case Field::CPPTYPE_UINT64:
      return add ? r->AddUInt64(&m, f, rng_()) : r->SetRepeatedUInt64(&m, f, index, rng_());
    case Field::CPPTYPE_INT32:
      return add ? r->AddInt32(&m, f, static_cast<int32_t>(integer()))
                 : r->SetRepeatedInt32(&m, f, index, static_cast<int32_t>(integer()));
    case Field::CPPTYPE_INT64:
      return add ? r->AddInt64(&m, f, integer()) : r->SetRepeatedInt64(&m, f, index, integer());
    case Field::CPPTYPE_FLOAT:
      return add ? r->AddFloat(&m, f, static_cast<float>(real()))
                 : r->SetRepeatedFloat(&m, f, index, static_cast<float>(real()));
    case Field::CPPTYPE_DOUBLE:
      return add ? r->AddDouble(&m, f, real()) : r->SetRepeatedDouble(&m, f, index, real());
    case Field::CPPTYPE_STRING:
      return add ? r->AddString(&m, f, text()) : r->SetRepeatedString(&m, f, index, text());
    case Field::CPPTYPE_MESSAGE: // one more of what is there
      if (size == 0) return (void)r->AddMessage(&m, f);
      return r->AddMessage(&m, f)->CopyFrom(r->GetRepeatedMessage(m, f, index));
    default:
      return;
    }
  }

  void mutateSingle(google::protobuf::Message& m, const Field* f) {
    const auto* r = m.GetReflection();
    if (f->has_presence() && r->HasField(m, f) && below(8) == 0) return r->ClearField(&m, f);
    switch (f->cpp_type()) {
    case Field::CPPTYPE_MESSAGE:
      return mutate(*r->MutableMessage(&m, f));
    case Field::CPPTYPE_UINT32:
      return r->SetUInt32(&m, f, number());
    case Field::CPPTYPE_UINT64:
      return r->SetUInt64(&m, f, below(2) ? rng_() : number());
    case Field::CPPTYPE_INT32:
      return r->SetInt32(&m, f, static_cast<int32_t>(integer()));
    case Field::CPPTYPE_INT64:
      return r->SetInt64(&m, f, integer());
    case Field::CPPTYPE_FLOAT:
      return r->SetFloat(&m, f, static_cast<float>(real()));
    case Field::CPPTYPE_DOUBLE:
      return r->SetDouble(&m, f, real());
    case Field::CPPTYPE_STRING:
      return r->SetString(&m, f, text());
    case Field::CPPTYPE_BOOL:
      return r->SetBool(&m, f, below(2));
    case Field::CPPTYPE_ENUM:
      return setEnum(m, f);
    default:
      return;
    }
  }

  /// One of the type's values, or in proto3, whose enums are open, any number.
  void setEnum(google::protobuf::Message& m, const Field* f) {
    const auto* type = f->enum_type();
    bool open = f->file()->syntax() == google::protobuf::FileDescriptor::SYNTAX_PROTO3;
    int any = static_cast<int>(below(32));
    int known = type->value(any % type->value_count())->number();
    m.GetReflection()->SetEnumValue(&m, f, open && below(4) == 0 ? any : known);
  }

  std::mt19937_64 rng_;
  const std::vector<std::string>& texts_;
};

} // namespace jinx::test
