#include "frontends/huggingface/RopeScaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "frontends/llm/Rope.h"

namespace jinx::frontends::huggingface {
namespace {

constexpr double kTurn = 2 * std::numbers::pi; // radians

Expected<std::vector<double>> scaleAsLlama3(const Fields& scaling, std::vector<double> frequencies) {
  JINX_TRY_ASSIGN(double factor, scaling.positive("factor"));
  JINX_TRY_ASSIGN(double low, scaling.positive("low_freq_factor"));
  JINX_TRY_ASSIGN(double high, scaling.positive("high_freq_factor"));
  JINX_TRY_ASSIGN(double original, scaling.positive("original_max_position_embeddings"));
  if (high <= low) return invalidArgument("field \"high_freq_factor\" is " + std::to_string(high) + ", expected more than \"low_freq_factor\", " + std::to_string(low));
  for (double& f : frequencies) {
    const double turns = original * f / kTurn;
    const double share = std::clamp((turns - low) / (high - low), 0.0, 1.0); // of what stays as it is
    f = (1 - share) * f / factor + share * f;
  }
  return frequencies;
}

/// Of a pair of elements that turns so many times within the original context: its number, between two where need be.
double pairThatTurns(double turns, int64_t depth, double base, double original) { return double(depth) * std::log(original / (turns * kTurn)) / (2 * std::log(base)); }

Expected<llm::RopeShape> scaleAsYarn(const Fields& scaling, double base, int64_t depth, int64_t context) {
  JINX_TRY_ASSIGN(double factor, scaling.positive("factor"));
  JINX_TRY_ASSIGN(double original, scaling.positive("original_max_position_embeddings", double(context)));
  JINX_TRY_ASSIGN(double fast, scaling.positive("beta_fast", 32));
  JINX_TRY_ASSIGN(double slow, scaling.positive("beta_slow", 1));
  JINX_TRY_ASSIGN(bool truncates, scaling.flag("truncate", true));
  double first = pairThatTurns(fast, depth, base, original), last = pairThatTurns(slow, depth, base, original);
  if (truncates) first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0), last = std::min(last, double(depth - 1));
  if (first == last) last += 0.001;
  llm::RopeShape rope{llm::ropeFrequencies(depth, base, 1, {})};
  for (size_t i = 0; i < rope.frequencies.size(); ++i) {
    const double share = std::clamp((double(i) - first) / (last - first), 0.0, 1.0); // of what is divided
    rope.frequencies[i] = rope.frequencies[i] * (1 - share) + rope.frequencies[i] / factor * share;
  }
  auto magnitude = [&](double times) { return factor <= 1 ? 1 : 0.1 * times * std::log(factor) + 1; };
  JINX_TRY_ASSIGN(double own, scaling.positive("mscale", 0));
  JINX_TRY_ASSIGN(double all, scaling.positive("mscale_all_dim", 0));
  JINX_TRY_ASSIGN(rope.magnitude, scaling.positive("attention_factor", own && all ? magnitude(own) / magnitude(all) : magnitude(1)));
  return rope;
}

/// \param scaling  the object that says how; may be empty
Expected<llm::RopeShape> ropeOf(const Fields& scaling, double base, const llm::ModelShape& shape) {
  JINX_TRY_ASSIGN(double rotated, scaling.positive("partial_rotary_factor", 1));
  if (rotated != 1) return unimplemented("field \"partial_rotary_factor\" is " + std::to_string(rotated) + ", expected 1");
  JINX_TRY_ASSIGN(std::string older, scaling.text("type", "default"));
  JINX_TRY_ASSIGN(std::string kind, scaling.text("rope_type", older.c_str()));
  std::vector<double> frequencies = llm::ropeFrequencies(shape.depth, base, 1, {});
  if (kind == "default") return llm::RopeShape{std::move(frequencies)};
  if (kind == "linear") {
    JINX_TRY_ASSIGN(double factor, scaling.positive("factor"));
    return llm::RopeShape{llm::ropeFrequencies(shape.depth, base, factor, {})};
  }
  if (kind == "llama3") {
    JINX_TRY_ASSIGN(frequencies, scaleAsLlama3(scaling, std::move(frequencies)));
    return llm::RopeShape{std::move(frequencies)};
  }
  if (kind == "yarn") return scaleAsYarn(scaling, base, shape.depth, shape.context);
  return unimplemented("rope is scaled by \"" + kind.substr(0, 80) + "\", expected default, linear, llama3 or yarn");
}

/// Of the object by that name, which says its base, too.
Expected<llm::RopeShape> ropeIn(const text::Json& object, double base, const llm::ModelShape& shape) {
  Fields fields(object);
  JINX_TRY_ASSIGN(double own, fields.positive("rope_theta", base));
  return ropeOf(fields, own, shape);
}

} // namespace

Status readRope(const Fields& config, bool hasTwo, llm::ModelShape& shape) {
  constexpr double kBaseOfGemma = 1e6, kUsualBase = 1e4;
  JINX_TRY_ASSIGN(double base, config.positive("rope_theta", hasTwo ? kBaseOfGemma : kUsualBase));
  JINX_TRY_ASSIGN(double windowBase, config.positive("rope_local_base_freq", kUsualBase));
  const text::Json empty = text::Json::object();
  if (!config.has("rope_parameters")) {
    const text::Json* scaling = &empty;
    if (config.has("rope_scaling")) {
      JINX_TRY_ASSIGN(scaling, text::objectField(config.object(), "rope_scaling"));
    }
    JINX_TRY_ASSIGN(shape.rope, ropeOf(Fields(*scaling), base, shape), "field \"rope_scaling\"");
    if (hasTwo) shape.windowRope.frequencies = llm::ropeFrequencies(shape.depth, windowBase, 1, {});
    return Status::ok();
  }
  JINX_TRY_ASSIGN(const text::Json* parameters, text::objectField(config.object(), "rope_parameters"));
  if (!hasTwo) {
    JINX_TRY_ASSIGN(shape.rope, ropeIn(*parameters, base, shape), "field \"rope_parameters\"");
    return Status::ok();
  }
  JINX_TRY_ASSIGN(const text::Json* full, text::objectField(*parameters, "full_attention"), "field \"rope_parameters\"");
  JINX_TRY_ASSIGN(const text::Json* sliding, text::objectField(*parameters, "sliding_attention"), "field \"rope_parameters\"");
  JINX_TRY_ASSIGN(shape.rope, ropeIn(*full, base, shape), "field \"rope_parameters\"");
  JINX_TRY_ASSIGN(shape.windowRope, ropeIn(*sliding, windowBase, shape), "field \"rope_parameters\"");
  return Status::ok();
}

} // namespace jinx::frontends::huggingface
