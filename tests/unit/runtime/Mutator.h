// Random changes of protobuf messages: what hostile plans are made of.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <random>
#include <string>
#include <vector>

namespace jinx::test {

class Mutator {
 public:
  explicit Mutator(unsigned seed) : rng_(seed) {}

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
  std::string text() {
    static const char* texts[] = {"",   "n", "h",  "n*h",           "n floordiv h", "1 floordiv 0",
                                  "-n", "4", "x",  "9999999999999", "max(n, h)",    "((",
                                  "m",  "2", "0*n"};
    return texts[below(std::size(texts))];
  }

  void mutateRepeated(google::protobuf::Message& m, const Field* f) {
    const auto* r = m.GetReflection();
    int size = r->FieldSize(m, f);
    int index = size ? static_cast<int>(below(static_cast<size_t>(size))) : 0;
    if (f->cpp_type() == Field::CPPTYPE_MESSAGE && size > 0 && below(8))
      return mutate(*r->MutableRepeatedMessage(&m, f, index));
    if (size > 0 && below(4) == 0) return r->RemoveLast(&m, f);
    if (size > 1 && below(4) == 0) return r->SwapElements(&m, f, 0, index);
    if (f->cpp_type() == Field::CPPTYPE_UINT32 && size > 0) return r->SetRepeatedUInt32(&m, f, index, number());
    if (f->cpp_type() == Field::CPPTYPE_UINT32) return r->AddUInt32(&m, f, number());
    if (f->cpp_type() == Field::CPPTYPE_STRING && size > 0) return r->SetRepeatedString(&m, f, index, text());
    if (f->cpp_type() == Field::CPPTYPE_STRING) return r->AddString(&m, f, text());
  }

  void mutateSingle(google::protobuf::Message& m, const Field* f) {
    const auto* r = m.GetReflection();
    switch (f->cpp_type()) {
    case Field::CPPTYPE_MESSAGE:
      return mutate(*r->MutableMessage(&m, f));
    case Field::CPPTYPE_UINT32:
      return r->SetUInt32(&m, f, number());
    case Field::CPPTYPE_UINT64:
      return r->SetUInt64(&m, f, below(2) ? rng_() : number());
    case Field::CPPTYPE_INT64:
      return r->SetInt64(&m, f, static_cast<int64_t>(number()) - 3);
    case Field::CPPTYPE_STRING:
      return r->SetString(&m, f, text());
    case Field::CPPTYPE_BOOL:
      return r->SetBool(&m, f, below(2));
    case Field::CPPTYPE_ENUM:
      return r->SetEnumValue(&m, f, static_cast<int>(below(8)));
    default:
      return;
    }
  }

  std::mt19937_64 rng_;
};

} // namespace jinx::test
