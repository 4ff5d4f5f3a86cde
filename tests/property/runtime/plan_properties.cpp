// Plan files: what is written is opened, byte for byte; what is damaged is refused, or the damage touched nothing that counts.
#include <google/protobuf/util/message_differencer.h>

#include <fstream>

#include "tests/property/runtime/RandomPlan.h"

namespace jinx::test {
namespace {

using google::protobuf::util::MessageDifferencer;

std::string readAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Written {
  plan::Plan message;
  std::vector<std::vector<std::byte>> segments;
  std::string file;
};

/// A random plan with random segments, written; TempPath gives the file its name.
Written write(const TempPath& path) {
  Written w;
  RandomPlan r = drawPlan(6);
  int segments = *rc::gen::inRange(0, 5);
  for (int i = 0; i < segments; ++i) {
    Tensor bytes = randomBits(DType::kU8, {*extents(0, 300)}, *seeds());
    auto span = std::as_bytes(std::span(bytes.as<uint8_t>(), static_cast<size_t>(bytes.size())));
    w.segments.emplace_back(span.begin(), span.end());
    r.plan.writer.addSegment(*rc::gen::element<std::string>("weights", "packed.a", "code.x86-64", "other"), w.segments.back());
  }
  (*r.plan.p.mutable_metadata())["key"] = *rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~'));
  expectOk(r.plan.writer.writeFile(path.str()), "writing");
  w.message = r.plan.p;
  w.file = readAll(path.str());
  expectOk(r.plan.writer.writeFile(path.str()), "writing again");
  if (readAll(path.str()) != w.file) RC_FAIL("the same plan gives the same bytes");
  return w;
}

bool sameSegments(const PlanFile& plan, const Written& w) {
  if (plan.numSegments() != w.segments.size()) return false;
  for (size_t i = 0; i < w.segments.size(); ++i) {
    auto bytes = plan.segment(static_cast<uint32_t>(i));
    if (!std::equal(bytes.begin(), bytes.end(), w.segments[i].begin(), w.segments[i].end())) return false;
    if (reinterpret_cast<uintptr_t>(bytes.data()) % 64 != 0 && !bytes.empty()) return false;
  }
  return true;
}

JINX_PROPERTY(PlanFileLaws, WhatIsWrittenIsOpened, 200) {
  TempPath path("property.jxp");
  Written w = write(path);
  auto plan = must(PlanFile::open(path.str()), "opening");
  RC_ASSERT(MessageDifferencer::Equals(plan->plan(), w.message));
  RC_ASSERT(sameSegments(*plan, w));
  // From memory, at an address that suits nobody.
  std::string shifted = "?" + w.file;
  auto again = must(PlanFile::fromBytes(std::as_bytes(std::span(shifted)).subspan(1)), "opening from memory");
  RC_ASSERT(MessageDifferencer::Equals(again->plan(), w.message));
  RC_ASSERT(sameSegments(*again, w));
}

JINX_PROPERTY(PlanFileLaws, DamageIsRefusedOrTouchesNothing, 600) {
  TempPath path("damaged.jxp");
  Written w = write(path);
  std::string bad = w.file;
  int changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes && !bad.empty(); ++i) {
    auto anywhere = [&] { return static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(bad.size()))); };
    size_t at = anywhere();
    switch (*rc::gen::inRange(0, 5)) {
    case 0:
      bad[at] = static_cast<char>(bad[at] ^ 1 << *rc::gen::inRange(0, 8));
      break;
    case 1:
      bad.resize(at);
      break;
    case 2:
      bad.erase(at, static_cast<size_t>(*rc::gen::inRange(1, 65)));
      break;
    case 3:
      bad.insert(at, bad, anywhere(), 64);
      break;
    default:
      for (size_t k = at; k < std::min(bad.size(), at + 8); ++k)
        bad[k] = static_cast<char>(*rc::gen::element(0, 0xFF));
    }
  }
  auto plan = PlanFile::fromBytes(std::as_bytes(std::span(bad)));
  RC_CLASSIFY(!plan.isOk(), "refused");
  if (!plan) {
    RC_ASSERT(plan.status().code() == Code::kInvalidArgument);
    RC_ASSERT(!plan.status().message().empty());
    return;
  }
  RC_ASSERT(MessageDifferencer::Equals((*plan)->plan(), w.message));
  RC_ASSERT(sameSegments(**plan, w));
}

JINX_PROPERTY(PlanFileLaws, AnyBytesAreRefused, 500) {
  Tensor bytes = randomBits(DType::kU8, {*extents(0, 400)}, *seeds());
  std::string text(bytes.as<char>(), static_cast<size_t>(bytes.size()));
  if (*rc::gen::arbitrary<bool>()) text.replace(0, std::min<size_t>(text.size(), 8), "JINXPLAN");
  auto plan = PlanFile::fromBytes(std::as_bytes(std::span(text)));
  RC_ASSERT(!plan.isOk());
  RC_ASSERT(plan.status().code() == Code::kInvalidArgument);
}

} // namespace
} // namespace jinx::test
