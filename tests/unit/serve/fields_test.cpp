// What requests say: each field that is wrong is named, and nothing is dropped in silence.
#include "gtest/gtest.h"
#include "runtime/serve/Fields.h"

namespace jinx::serve {
namespace {

template <typename Read> std::string faultOf(const char* json, Read read) {
  const Json parsed = *parseJson(json);
  Fields fields(parsed);
  read(fields);
  fields.refuseOthers({});
  return fields.error() ? fields.error()->param + ": " + fields.error()->message : "";
}

TEST(Fields, NameWhatIsWrong) {
  const auto integer = [](Fields& fields) { fields.integer("n", 1, {1, 64}); };
  EXPECT_EQ(faultOf("{\"n\": 3}", integer), "");
  EXPECT_EQ(faultOf("{\"n\": null}", integer), "");
  EXPECT_EQ(faultOf("{\"n\": -1}", integer), "n: n is -1, expected an integer from 1 to 64");
  EXPECT_EQ(faultOf("{\"n\": 18446744073709551615}", integer), "n: n is 18446744073709551615, expected an integer from 1 to 64");
  EXPECT_EQ(faultOf("{\"n\": 1.5}", integer), "n: n is 1.5, expected an integer from 1 to 64");
  EXPECT_EQ(faultOf("{\"n\": \"3\"}", integer), "n: n is \"3\", expected an integer from 1 to 64");
  EXPECT_EQ(faultOf("{\"m\": 3}", integer), "m: there is no field \"m\" here that we know");
  EXPECT_EQ(faultOf("[1]", integer), ": the body is an array, expected an object");
  const auto number = [](Fields& fields) { fields.number("t", 1, {0, 2}); };
  EXPECT_EQ(faultOf("{\"t\": 2}", number), "");
  EXPECT_EQ(faultOf("{\"t\": 2.01}", number), "t: t is 2.01, expected a number from 0.0 to 2.0");
  const auto texts = [](Fields& fields) { fields.texts("stop", 2, 4); };
  EXPECT_EQ(faultOf("{\"stop\": \"a\"}", texts), "");
  EXPECT_EQ(faultOf("{\"stop\": [\"a\", \"b\"]}", texts), "");
  EXPECT_EQ(faultOf("{\"stop\": [\"a\", \"b\", \"c\"]}", texts), "stop: stop has 3 texts, expected at most 2");
  EXPECT_EQ(faultOf("{\"stop\": [\"a\", 1]}", texts), "stop: stop has 1, expected text of 1 to 4 bytes");
  EXPECT_EQ(faultOf("{\"stop\": \"\"}", texts), "stop: stop has \"\", expected text of 1 to 4 bytes");
}

} // namespace
} // namespace jinx::serve
