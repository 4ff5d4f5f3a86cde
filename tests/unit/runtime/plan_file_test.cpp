// Plan files: what is written is read, and what is damaged or hostile is refused with a reason.
#include "runtime/plan/PlanFile.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "tests/fuzz/Mutator.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx {
namespace {

using namespace jinx::test;

/// y = conv-like launch over x and a weight, then an If; touches most messages.
TestPlan example() {
  TestPlan t;
  t.symbol("n", 1, 64);
  t.symbol("h");
  uint32_t x = t.input("x", {"n", "h"});
  uint32_t cond = t.input("cond", {}, DType::kBool);
  uint32_t w = t.constant("w", floats({2, 2}, {1, 2, 3, 4}));
  uint32_t a = t.arena("a", {"n", "(h - 1) floordiv 2 + 1"});
  uint32_t flat = t.alias("flat", a, {"n*((h - 1) floordiv 2 + 1)"});
  uint32_t then = t.arena("then", {"n"}), otherwise = t.arena("else", {"n"});
  uint32_t y = t.output("y", {"n"});
  uint32_t k = t.kernel("k_example", 3, 2);
  t.launch(k, {x, w}, {a}, {"n", "h"}, "n").set_work("n*h*4");
  uint32_t b1 = t.block({}, {then}), b2 = t.block({}, {otherwise});
  t.hostCall("Relu", {flat}, {then}, b1);
  plan::HostCall& call = t.hostCall("Foo", {flat, kNoValue}, {otherwise}, b2);
  (*call.mutable_attributes())["axis"].set_i(1);
  (*call.mutable_attributes())["table"].set_tensor(w);
  t.control(plan::Control::IF, {cond}, {y}, {b1, b2});
  (*t.p.mutable_metadata())["author"] = "test";
  (*t.p.mutable_metadata())["b"] = "c";
  return t;
}

std::vector<std::byte> readAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(PlanFile, RoundTripsThroughAFile) {
  TempPath path("roundtrip.jxp");
  TestPlan t = example();
  t.writer.addSegment("empty", std::vector<std::byte>());
  Status written = t.writer.writeFile(path.str());
  ASSERT_TRUE(written.isOk()) << written.message();
  auto plan = PlanFile::open(path.str());
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals((*plan)->plan(), t.p));
  auto bytes = (*plan)->constantBytes(2);
  ASSERT_EQ(bytes.size(), 16u);
  EXPECT_EQ(reinterpret_cast<const float*>(bytes.data())[3], 4.0f);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);

  std::vector<std::byte> first = readAll(path.str());
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  EXPECT_EQ(readAll(path.str()), first) << "the same plan gives the same bytes";
}

TEST(PlanFile, FromMemoryAlignsSegments) {
  TestPlan t = example();
  std::vector<float> storage(5, 7.0f);
  auto unaligned = std::as_bytes(std::span(storage)).subspan(4, 16);
  t.p.mutable_values(2)->mutable_constant()->set_segment(t.writer.addSegment("weights2", unaligned));
  auto plan = t.finish();
  ASSERT_TRUE(plan);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(plan->constantBytes(2).data()) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<const float*>(plan->constantBytes(2).data())[0], 7.0f);
}

TEST(PlanFile, ErrorsForWhatIsNoPlan) {
  EXPECT_EQ(PlanFile::open("/nonexistent/x.jxp").status().code(), Code::kNotFound);
  TempPath path("garbage.jxp");
  std::ofstream(path.str()) << std::string(500, 'x');
  EXPECT_EQ(PlanFile::open(path.str()).status().message(),
            "opening plan " + path.str() + ": not a plan file: wrong magic");
  std::ofstream(path.str()) << "";
  EXPECT_EQ(PlanFile::open(path.str()).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(PlanFile::open("/tmp").status().code(), Code::kInvalidArgument);
}

TEST(PlanFile, EveryFlippedBitAndEveryTruncationIsFound) {
  TempPath path("flip.jxp");
  ASSERT_TRUE(example().writer.writeFile(path.str()).isOk());
  std::vector<std::byte> good = readAll(path.str());
  ASSERT_TRUE(PlanFile::fromBytes(good).isOk());
  PlanFileHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  auto segments = PlanFile::fromBytes(good).value()->plan().segments();
  for (size_t i = 0; i < good.size(); ++i) {
    bool padding = i >= 64 + header.messageSize && i < segments.Get(0).offset();
    std::vector<std::byte> bad = good;
    bad[i] ^= std::byte(1 << (i % 8));
    Expected<std::shared_ptr<const PlanFile>> plan = PlanFile::fromBytes(bad);
    EXPECT_EQ(plan.isOk(), padding) << "byte " << i;
    if (!plan) EXPECT_EQ(plan.status().code(), Code::kInvalidArgument);
    std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_FALSE(PlanFile::fromBytes(cut).isOk()) << "cut at " << i;
  }
}

/// Expects that `change` makes the example plan refused with a message that holds `reason`.
void expectRefused(const std::function<void(plan::Plan&)>& change, const std::string& reason) {
  TestPlan t = example();
  change(t.p);
  Expected<std::shared_ptr<const PlanFile>> plan = std::move(t.writer).toMemory();
  ASSERT_FALSE(plan.isOk()) << "expected: " << reason;
  EXPECT_EQ(plan.status().code(), Code::kInvalidArgument);
  EXPECT_NE(plan.status().message().find(reason), std::string::npos) << plan.status().message();
}

TEST(PlanCheck, SaysWhatIsWrong) {
  using P = plan::Plan;
  expectRefused([](P& p) { p.mutable_values(3)->set_dims(0, "q"); }, "formula \"q\" uses the undeclared symbol \"q\"");
  expectRefused([](P& p) { p.mutable_values(3)->set_dims(0, "n +"); }, "expected at column 4");
  expectRefused([](P& p) { p.mutable_values(3)->set_dtype(99); }, "unknown element type 99");
  expectRefused([](P& p) { p.mutable_values(4)->set_alias_of(4); }, "alias of itself");
  expectRefused([](P& p) { p.mutable_values(4)->set_alias_of(1 << 20); }, "alias of no value");
  expectRefused(
      [](P& p) {
        p.mutable_values(3)->set_where(plan::Value::ALIAS);
        p.mutable_values(3)->set_alias_of(4);
      },
      "alias of itself");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_size(20); },
                "constant has 20 bytes, its dimensions need 16");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_offset(4); }, "does not lie in its segment");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_offset(UINT64_MAX - 3); },
                "does not lie in its segment");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_segment(9); }, "constant in no segment");
  expectRefused([](P& p) { p.mutable_values(2)->set_dims(0, "4611686018427387904"); }, "constant is too large");
  expectRefused([](P& p) { p.mutable_values(2)->set_dims(0, "n"); }, "of a constant is not a number");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_external_file("../secret"); },
                "outside the plan's folder");
  expectRefused([](P& p) { p.mutable_values(2)->mutable_constant()->set_external_file("/etc/passwd"); },
                "outside the plan's folder");
  expectRefused([](P& p) { p.mutable_symbols(0)->set_name("h"); }, "symbol \"h\" is declared twice");
  expectRefused([](P& p) { p.mutable_symbols(0)->set_max(-1); }, "empty range");
  expectRefused([](P& p) { p.add_symbols()->set_name("z"); }, "symbol \"z\" is the dimension of no input");
  expectRefused([](P& p) { p.add_inputs(3); }, "stored as neither INPUT nor HOST");
  expectRefused([](P& p) { p.add_outputs(77); }, "plan output is no value");
  expectRefused([](P& p) { p.add_values()->set_where(plan::Value::INPUT); }, "tensor without an element type");
  expectRefused([](P& p) { p.mutable_kernels(0)->set_symbol("a b"); }, "not an identifier");
  expectRefused([](P& p) { p.mutable_kernels(0)->add_grid("a7"); }, "which is no size of the launch");
  expectRefused([](P& p) { *p.add_kernels() = p.kernels(0); }, "two kernels have this name");
  auto main = [](P& p) { return p.mutable_blocks(0); };
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->set_inputs(0, 55); }, "operand is no value");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->set_inputs(0, kNoValue); }, "launch with an omitted operand");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->set_inputs(0, 7); }, "reads \"y\" before it is written");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->set_outputs(0, 0); },
                "writes \"x\", which is an input or a constant");
  expectRefused(
      [&](P& p) { // an alias of an input that the launch does not take
        plan::Value* alias = p.add_values();
        *alias = p.values(1);
        alias->set_name("in place");
        alias->set_where(plan::Value::ALIAS);
        alias->set_alias_of(1);
        main(p)->mutable_steps(0)->set_outputs(0, static_cast<uint32_t>(p.values_size() - 1));
      },
      "writes \"in place\", which is an input or a constant");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->add_outputs(5); },
                "has 4 operands, kernel \"k_example\" takes 3");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->mutable_launch()->set_kernel(3); }, "launches no kernel");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->mutable_launch()->add_sizes("1"); }, "gives 3 sizes");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->mutable_launch()->set_programs(""); }, "a number, a name");
  expectRefused([&](P& p) { main(p)->mutable_steps(0)->clear_what(); }, "does nothing");
  expectRefused(
      [&](P& p) {
        p.mutable_blocks(2)->mutable_steps(0)->clear_outputs();
        p.mutable_blocks(2)->mutable_steps(0)->mutable_host();
      },
      "host call without a result");
  expectRefused([&](P& p) { main(p)->mutable_steps(1)->mutable_control()->set_blocks(0, 0); }, "block 0 has two users");
  expectRefused([&](P& p) { main(p)->mutable_steps(1)->mutable_control()->set_blocks(0, 2); }, "block 2 has two users");
  expectRefused([&](P& p) { main(p)->mutable_steps(1)->mutable_control()->set_blocks(0, 9); }, "runs no block");
  expectRefused([&](P& p) { main(p)->mutable_steps(1)->mutable_control()->set_kind(plan::Control::LOOP); },
                "has 2 blocks, expected 1");
  expectRefused([&](P& p) { p.mutable_blocks(1)->add_results(3); }, "has 2 block results, expected 1");
  expectRefused([&](P& p) { p.mutable_blocks(1)->set_results(0, 6); }, "reads \"else\" before it is written");
  expectRefused([&](P& p) { p.add_blocks(); }, "block 3 is used by no step");
  expectRefused([&](P& p) { p.clear_blocks(); }, "no main block");
  expectRefused(
      [&](P& p) {
        (*p.mutable_blocks(2)->mutable_steps(0)->mutable_host()->mutable_attributes())["table"].set_tensor(0);
      },
      "attribute \"table\" is no constant");
}

TEST(PlanCheck, DeepBlocksAreRefused) {
  TestPlan t;
  uint32_t cond = t.input("c", {}, DType::kBool);
  uint32_t at = 0;
  for (int i = 0; i < 80; ++i) {
    uint32_t b1 = t.block({}, {}), b2 = t.block({}, {});
    t.control(plan::Control::IF, {cond}, {}, {b1, b2}, at);
    at = b1;
  }
  auto plan = std::move(t.writer).toMemory();
  ASSERT_FALSE(plan.isOk());
  EXPECT_NE(plan.status().message().find("blocks nest deeper than 64"), std::string::npos);
}

TEST(PlanCheck, LongAliasChainIsLinear) {
  TestPlan t;
  uint32_t at = t.input("x", {"4"});
  for (int i = 0; i < 200000; ++i)
    at = t.alias("a", at, {"4"});
  uint32_t y = t.output("y", {"4"});
  t.hostCall("Relu", {at}, {y});
  EXPECT_TRUE(t.finish());
}

/// Hostile plans with right checksums must not crash; run under ASan in CI.
TEST(PlanCheck, SurvivesMutations) {
  int accepted = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    TestPlan t = example();
    Mutator mutator(seed);
    for (unsigned i = 0; i <= seed % 4; ++i)
      mutator.mutate(t.p);
    auto plan = std::move(t.writer).toMemory();
    accepted += plan.isOk();
    if (plan) continue;
    // A mutated path of external weights is well formed and names a file that is not there.
    bool missingWeights = plan.status().code() == Code::kNotFound && plan.status().message().find("external weights") != std::string::npos;
    EXPECT_TRUE(missingWeights || plan.status().code() == Code::kInvalidArgument) << "seed " << seed << ": " << plan.status().message();
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 3900);
}

TEST(PlanFile, AFullDiskLeavesTheOldPlan) {
  TempPath path("full.jxp");
  ASSERT_TRUE(example().writer.writeFile(path.str()).isOk());
  std::vector<std::byte> old = readAll(path.str());
  TestPlan t = example();
  t.writer.addSegment("big", std::vector<std::byte>(1 << 20));

  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {1 << 16, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  Status status = t.writer.writeFile(path.str());
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  EXPECT_EQ(status.code(), Code::kResource);
  EXPECT_NE(status.message().find("writing plan " + path.str()), std::string::npos) << status.message();
  EXPECT_EQ(readAll(path.str()), old);
  EXPECT_EQ(example().writer.writeFile("/nonexistent/dir/p.jxp").code(), Code::kNotFound);
}

TEST(PlanFile, ExternalWeights) {
  TempPath weights("weights.bin"), path("external.jxp");
  std::vector<float> values = {9, 8, 7, 6, 5};
  std::ofstream(weights.str(), std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 20);
  TestPlan t = example();
  plan::ConstantData& c = *t.p.mutable_values(2)->mutable_constant();
  c.set_external_file(weights.str().substr(weights.str().rfind('/') + 1));
  c.set_external_offset(4);
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  auto plan = PlanFile::open(path.str());
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  EXPECT_EQ(reinterpret_cast<const float*>((*plan)->constantBytes(2).data())[0], 8.0f);
  c.set_external_offset(8);
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  EXPECT_NE(PlanFile::open(path.str()).status().message().find("which has 20 bytes"), std::string::npos);
}

/// The constant of the example, [2, 2], whose second row comes before its first in a file of its own.
plan::ConstantData& inPieces(TestPlan& t, const std::string& file) {
  plan::ConstantData& c = *t.p.mutable_values(2)->mutable_constant();
  plan::ConstantPiece* own = c.add_pieces();
  own->set_segment(c.segment());
  own->set_offset(c.offset());
  own->set_size(8);
  plan::ConstantPiece* other = c.add_pieces();
  other->set_external_file(file);
  other->set_external_offset(4);
  other->set_size(8);
  return c;
}

TEST(PlanFile, AConstantInPiecesIsPutTogether) {
  TempPath weights("pieces.bin"), path("pieces.jxp");
  const std::vector<float> values = {9, 8, 7};
  std::ofstream(weights.str(), std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 12);
  TestPlan t = example();
  plan::ConstantData& c = inPieces(t, weights.str().substr(weights.str().rfind('/') + 1));
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  auto plan = PlanFile::open(path.str());
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  const std::vector<StridedBytes> pieces = (*plan)->constantPieces(2);
  ASSERT_EQ(pieces.size(), 2u);
  ASSERT_EQ(pieces[1].whole().size(), 8u);
  EXPECT_EQ(reinterpret_cast<const float*>(pieces[1].first)[0], 8.0f);
  const std::span<const std::byte> whole = (*plan)->constantBytes(2);
  ASSERT_EQ(whole.size(), 16u);
  const auto* numbers = reinterpret_cast<const float*>(whole.data());
  EXPECT_EQ(std::vector<float>(numbers, numbers + 4), (std::vector<float>{1, 2, 8, 7}));
  EXPECT_EQ((*plan)->constantBytes(2).data(), whole.data()) << "put together once";
  c.mutable_pieces(1)->set_external_offset(8);
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  EXPECT_NE(PlanFile::open(path.str()).status().message().find("which has 12 bytes"), std::string::npos);
}

/// The constant of the example as the second column of a file's [2, 3], each row with a zero behind it.
plan::ConstantPiece& inRows(TestPlan& t, const std::string& file) {
  plan::ConstantPiece* column = t.p.mutable_values(2)->mutable_constant()->add_pieces();
  column->set_external_file(file);
  column->set_external_offset(4);
  column->set_size(16);
  column->set_rows(2);
  column->set_stride(12);
  column->set_zeros(4);
  return *column;
}

TEST(PlanFile, RowsOfAPieceArePutTogether) {
  TempPath weights("rows.bin"), path("rows.jxp");
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string name = weights.str().substr(weights.str().rfind('/') + 1);
  auto write = [&](int count) { std::ofstream(weights.str(), std::ios::binary).write(reinterpret_cast<const char*>(values.data()), count * 4); };
  write(5); // the second row ends with the file
  TestPlan t = example();
  plan::ConstantPiece& column = inRows(t, name);
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  auto plan = PlanFile::open(path.str());
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  const auto* numbers = reinterpret_cast<const float*>((*plan)->constantBytes(2).data());
  EXPECT_EQ(std::vector<float>(numbers, numbers + 4), (std::vector<float>{2, 0, 5, 0}));
  EXPECT_TRUE((*plan)->constantPieces(2)[0].whole().empty());
  write(4);
  EXPECT_NE(PlanFile::open(path.str()).status().message().find("which has 16 bytes"), std::string::npos);
  column.set_zeros(8); // nothing but zeros: no byte of the file is read
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  plan = PlanFile::open(path.str());
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  EXPECT_EQ(reinterpret_cast<const float*>((*plan)->constantBytes(2).data())[3], 0.0f);
}

TEST(PlanFile, ReadersThatKnowNoRowsRefuseThem) {
  TempPath path("flags.jxp");
  auto flagsOf = [&](TestPlan& t) {
    EXPECT_TRUE(t.writer.writeFile(path.str()).isOk());
    PlanFileHeader header;
    std::memcpy(&header, readAll(path.str()).data(), sizeof header);
    return header.flags;
  };
  TestPlan plain = example(), pieces = example(), rows = example();
  inPieces(pieces, "file");
  inRows(rows, "file");
  EXPECT_EQ(flagsOf(plain), 0u);
  EXPECT_EQ(flagsOf(pieces), 0u);
  EXPECT_EQ(flagsOf(rows), kPlanHasRows);
}

/// A rank's plan is in a folder of ranks, and its weights are beside that.
TEST(PlanFile, ARankNamesFilesFromTheFolderAbove) {
  TempPath weights("above.bin"), folder("ranks");
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  std::ofstream(weights.str(), std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 24);
  std::filesystem::create_directory(folder.str());
  const std::string path = folder.str() + "/rank-0000.jxp";
  TestPlan t = example();
  inRows(t, weights.str().substr(weights.str().rfind('/') + 1));
  t.p.set_external_above(true);
  EXPECT_NE(t.writer.writeFile(path).message().find("only a rank's plan may"), std::string::npos);
  plan::MeshAxis* axis = t.p.mutable_mesh()->add_axes();
  axis->set_name("tp");
  axis->set_size(2);
  ASSERT_TRUE(t.writer.writeFile(path).isOk());
  auto plan = PlanFile::open(path);
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  EXPECT_EQ(reinterpret_cast<const float*>((*plan)->constantBytes(2).data())[2], 5.0f);
  EXPECT_EQ(PlanFile::open(path, {.externalDirectory = folder.str()}).status().code(), Code::kNotFound) << "a folder that is given is taken as it is";
  std::filesystem::remove_all(folder.str());
}

TEST(PlanCheck, SaysWhatIsWrongWithRows) {
  auto refused = [](auto change, const std::string& reason) {
    TestPlan t = example();
    change(inRows(t, "file"));
    const Status status = std::move(t.writer).toMemory().status();
    EXPECT_NE(status.message().find(reason), std::string::npos) << status.message();
  };
  using Piece = plan::ConstantPiece;
  refused([](Piece& p) { p.set_rows(3); }, "piece of 16 bytes is no 3 rows of as many bytes each");
  refused([](Piece& p) { p.set_zeros(12); }, "piece has rows of 8 bytes, of which 12 are zeros");
  refused([](Piece& p) { p.set_stride(2); }, "piece has rows of 4 bytes, 2 apart");
  refused([](Piece& p) { p.set_stride(6); }, "piece has rows at an unaligned offset");
  refused([](Piece& p) { p.set_zeros(3), p.set_stride(8); }, "piece has rows at an unaligned offset");
  refused([](Piece& p) { p.set_rows(4), p.set_zeros(0), p.set_stride(UINT64_MAX / 2); }, "piece reaches beyond 2^64 bytes");
  refused([](Piece& p) { p.set_size(8), p.set_zeros(0); }, "constant has fewer bytes in its pieces than in all");
  refused([](Piece& p) { p.clear_external_file(), p.set_stride(64); }, "constant does not lie in its segment");
}

TEST(PlanCheck, SaysWhatIsWrongWithPieces) {
  auto refused = [](auto change, const std::string& reason) {
    TestPlan t = example();
    change(inPieces(t, "file"));
    const Status status = std::move(t.writer).toMemory().status();
    EXPECT_NE(status.message().find(reason), std::string::npos) << status.message();
  };
  using C = plan::ConstantData;
  refused([](C& c) { c.mutable_pieces(1)->set_size(4); }, "constant has fewer bytes in its pieces than in all");
  refused([](C& c) { c.mutable_pieces(1)->set_size(12); }, "constant has more bytes in its pieces than in all");
  refused([](C& c) { c.mutable_pieces(0)->set_size(UINT64_MAX); }, "constant does not lie in its segment");
  refused([](C& c) { c.mutable_pieces(0)->set_offset(2); }, "constant at an unaligned offset");
  refused([](C& c) { c.mutable_pieces(0)->set_segment(9); }, "constant in no segment");
  refused([](C& c) { c.mutable_pieces(1)->set_external_file("../file"); }, "outside the plan's folder");
}

TEST(PlanFile, ALargeSegmentIsChecksummedInParts) {
  constexpr size_t kPart = size_t{16} << 20;
  std::vector<std::byte> bytes(2 * kPart + 5, std::byte{3});
  std::span<const std::byte> all(bytes);
  const uint64_t parts[] = {planChecksum(all.first(kPart)), planChecksum(all.subspan(kPart, kPart)), planChecksum(all.last(5))};
  EXPECT_EQ(segmentChecksum(all), planChecksum(std::as_bytes(std::span(parts))));
  EXPECT_EQ(segmentChecksum(all.first(kPart)), planChecksum(all.first(kPart)));
  for (size_t at : {size_t{0}, kPart, bytes.size() - 1}) {
    const uint64_t before = segmentChecksum(all);
    bytes[at] ^= std::byte{1};
    EXPECT_NE(segmentChecksum(all), before) << at;
  }
}

TEST(PlanFile, LoadsSeventyMegabytesFast) {
  TempPath path("large.jxp");
  TestPlan t = example();
  t.writer.addSegment("weights", std::vector<std::byte>(70 << 20, std::byte{1}));
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(PlanFile::open(path.str()).isOk());
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  RecordProperty("load_ms", std::to_string(best));
  std::printf("70 MB plan loaded and checksummed in %.2f ms\n", best);
}

} // namespace
} // namespace jinx
