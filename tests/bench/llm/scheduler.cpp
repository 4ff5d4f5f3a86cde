// What does the host spend on a step of many decoding requests, beside the model?
//
//     jinx_bench_llm_scheduler [--requests 256] [--context 1000] [--steps 200] [--vocabulary 128256] [--undecided 100] [--tokenizer FILE] [--json FILE]
//
// The model takes no time: its logits lie there once and for all, drawn from a normal distribution of which 64 tokens stand out, as those of language models do, and so do its most
// probable tokens, and those that it draws. One in `--undecided` of these it cannot say. Medians over steps in which every request
// decodes one token, in microseconds of the thread's own time, by part:
//
//   schedule   the next step is planned: who runs, pages, slots, the table
//   prepare    its arrays are copied into the stream, and placeholders become tokens
//   sample     rows become tokens; what a token ends, and what is published, follows
//   deliver    events come to the queues of the server's connections (EngineThread); nobody reads them here
//   text       tokens become text, which is the work of the server's other threads
#include <algorithm>
#include <cmath>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "runtime/engine/Engine.h"
#include "runtime/serve/ChoiceText.h"
#include "runtime/serve/EngineThread.h"
#include "runtime/text/OpenTokenizer.h"

namespace jinx {
namespace {

struct Options {
  int32_t requests = 256, context = 1000, steps = 200, vocabulary = 128256;
  int32_t undecided = 100; ///< of so many rows that are drawn one is undecided; 0: none
  std::string tokenizer, json;
};

/// Of the thread's own time: what else runs on the machine does not count.
double microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

double medianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Gives what it gave before.
class StillModel : public engine::StepModel {
 public:
  StillModel(const Options& options, int32_t pages, bool picksTokens)
      : vocabulary_(options.vocabulary), pages_(pages), undecided_(options.undecided), picksTokens_(picksTokens) {}
  int32_t vocabulary() const override { return vocabulary_; }
  int32_t pages() const override { return pages_; }
  bool picksTokens() const override { return picksTokens_; }
  Status run(const engine::StepInput& input, engine::StepRows rows) override {
    const double begin = microseconds();
    // The rows of a stream stay where they are as long as their number does not grow.
    if (rows.logits.size() > drawn_) draw(rows.logits.subspan(drawn_));
    drawn_ = std::max(drawn_, rows.logits.size());
    for (size_t row = 0; row < rows.tokens.size(); ++row) {
      const size_t number = static_cast<size_t>(input.position[input.wanted[row]]) * 7919 + row;
      const bool isUndecided = undecided_ > 0 && !input.draws[row].isGreedy() && number % static_cast<size_t>(undecided_) == 0;
      rows.tokens[row] = isUndecided ? engine::kUndecided : static_cast<int32_t>(number % static_cast<size_t>(vocabulary_));
    }
    spent = microseconds() - begin;
    return Status::ok();
  }
  Status copyPage(int32_t, int32_t) override { return Status::ok(); }

  double spent = 0; ///< by the last step

 private:
  /// Tokens that stand out have 99 hundredths of the probability, each three quarters of the one before it.
  void draw(std::span<float> logits) {
    std::normal_distribution<float> normal(0, 2.5f);
    for (float& logit : logits)
      logit = normal(random_);
    for (size_t row = 0; row + static_cast<size_t>(vocabulary_) <= logits.size(); row += static_cast<size_t>(vocabulary_))
      for (int32_t rank = 0; rank < 64; ++rank)
        logits[row + random_() % static_cast<size_t>(vocabulary_)] = 18 - 0.25f * static_cast<float>(rank);
  }

  const int32_t vocabulary_, pages_, undecided_;
  const bool picksTokens_;
  size_t drawn_ = 0;
  std::mt19937 random_{7};
};

/// Times of the calls of a stream.
class TimedStream : public engine::StepStream {
 public:
  TimedStream(StillModel& model, int32_t requests) : model_(model), steps_(model), requests_(requests) {}
  int32_t vocabulary() const override { return model_.vocabulary(); }
  int32_t pages() const override { return model_.pages(); }
  bool picksTokens() const override { return model_.picksTokens(); }
  Expected<std::span<const float>> logitsOf(size_t wanted) override { return steps_.logitsOf(wanted); }
  Status copyPage(int32_t from, int32_t to) override { return steps_.copyPage(from, to); }
  Status launch(const engine::StepInput& input) override {
    launched = microseconds();
    if (resolved > 0 && isWhole(input)) gaps.push_back(launched - resolved);
    Status status = steps_.launch(input);
    prepared = microseconds() - launched;
    wasWhole = isWhole(input);
    return status;
  }
  Expected<engine::StepRows> settle() override {
    const double begin = microseconds();
    auto rows = steps_.settle();
    settled = microseconds();
    prepared += settled - begin - model_.spent;
    return rows;
  }
  Status resolve(std::span<const int32_t> tokens) override {
    sampled = microseconds() - settled;
    Status status = steps_.resolve(tokens);
    resolved = microseconds();
    return status;
  }

  double launched = 0, prepared = 0, settled = 0, sampled = 0, resolved = 0;
  bool wasWhole = false;
  std::vector<double> gaps; ///< from the end of a step to the launch of the next one

 private:
  bool isWhole(const engine::StepInput& input) const { return static_cast<int32_t>(input.tokens.size()) == requests_ && input.sequences == requests_; }

  StillModel& model_;
  engine::QueuedSteps steps_;
  const int32_t requests_;
};

struct Variant {
  std::string name;
  bool picksTokens = false, overlaps = false;
  engine::SamplingOptions sampling;
};

struct Figures {
  double schedule = 0, prepare = 0, sample = 0;
  double deliver = 0; ///< 0: not measured, because it does not depend on how tokens are sampled
};

engine::EngineOptions engineOptions(const Options& options, bool overlaps) {
  engine::EngineOptions engine;
  engine.key = {1, 2};
  engine.overlaps = overlaps;
  engine.scheduler = {.tokenBudget = 8192, .maxRunning = options.requests, .prefillWhileDecoding = 8192, .contextLength = 1 << 20};
  engine.maxWaitingTokens = int64_t{1} << 40;
  engine.maxWaiting = engine.maxWaitingOfTenant = options.requests;
  return engine;
}

engine::RequestOptions requestOf(const Options& options, const engine::SamplingOptions& sampling, int32_t i, int32_t steps) {
  engine::RequestOptions request;
  for (int32_t token = 0; token < options.context; ++token)
    request.prompt.push_back((i * 31337 + token * 17) % options.vocabulary);
  request.maxTokens = steps + 64;
  request.sampling = sampling;
  request.sampling.seed = static_cast<uint64_t>(i);
  return request;
}

int32_t pagesFor(const Options& options) { return options.requests * ((options.context + options.steps + 80) / engine::kPageTokens + 2); }

/// The engine alone.
Figures timeEngine(const Options& options, const Variant& variant) {
  StillModel model(options, pagesFor(options), variant.picksTokens);
  TimedStream stream(model, options.requests);
  auto engine = std::move(*engine::Engine::create(engineOptions(options, variant.overlaps), stream));
  for (int32_t i = 0; i < options.requests; ++i)
    engine->submit(requestOf(options, variant.sampling, i, options.steps));
  std::vector<double> schedule, prepare, sample;
  while (!engine->isIdle() && static_cast<int32_t>(sample.size()) < options.steps) {
    stream.wasWhole = false;
    stream.prepared = 0;
    const double begin = microseconds();
    engine->step();
    if (!stream.wasWhole) continue;
    schedule.push_back(stream.launched - begin);
    prepare.push_back(stream.prepared);
    sample.push_back(stream.sampled);
  }
  return {medianOf(schedule), medianOf(prepare), medianOf(sample)};
}

/// The engine's thread of the server: from the end of a step to the launch of the next one events are delivered, and it is scheduled.
double timeGap(const Options& options, const Variant& variant) {
  StillModel model(options, pagesFor(options), variant.picksTokens);
  TimedStream stream(model, options.requests);
  serve::Metrics metrics;
  auto thread = std::move(*serve::EngineThread::start({engineOptions(options, false), {}}, stream, metrics));
  const int32_t steps = std::min(options.steps, 64);
  for (int32_t i = 0; i < options.requests; ++i) {
    serve::Job job;
    job.choices = {requestOf(options, variant.sampling, i, steps)};
    job.events = std::make_shared<serve::EventQueue>(1 << 16, std::function<void()>());
    thread->submit(std::move(job));
  }
  while (thread->jobs() > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  thread->end();
  return medianOf(stream.gaps);
}

/// One token of each request becomes text.
double timeText(const Options& options, const text::Tokenizer& tokenizer) {
  std::vector<serve::ChoiceText> texts;
  for (int32_t i = 0; i < options.requests; ++i)
    texts.emplace_back(tokenizer, text::DecodeOptions(), std::vector<std::string>{"\n\nUser:"});
  std::mt19937 random(3);
  std::vector<double> times;
  for (int step = 0; step < 50; ++step) {
    std::vector<serve::Event> events(texts.size());
    for (serve::Event& event : events)
      event.token = static_cast<int32_t>(random() % tokenizer.vocabularySize());
    const double begin = microseconds();
    for (size_t i = 0; i < texts.size(); ++i)
      texts[i].push(events[i]);
    times.push_back(microseconds() - begin);
  }
  return medianOf(times);
}

std::vector<Variant> variants() {
  const auto drawn = [](float temperature, int32_t topK, float topP) {
    engine::SamplingOptions sampling;
    sampling.temperature = temperature;
    sampling.topK = topK;
    sampling.topP = topP;
    return sampling;
  };
  return {{"greedy, picked by the device", true, false, drawn(0, 0, 1)},
          {"greedy, picked by the device, overlapped", true, true, drawn(0, 0, 1)},
          {"temperature 1, picked by the device", true, false, drawn(1, 0, 1)},
          {"temperature 1, picked by the device, overlapped", true, true, drawn(1, 0, 1)},
          {"top-p 0.9, top-k 50, picked by the device", true, false, drawn(1, 50, 0.9f)},
          {"greedy, by logits", false, false, drawn(0, 0, 1)},
          {"temperature 1, by logits", false, false, drawn(1, 0, 1)},
          {"temperature 0.8, top-p 0.95, by logits", false, false, drawn(0.8f, 0, 0.95f)},
          {"temperature 0.8, top-k 40, by logits", false, false, drawn(0.8f, 40, 1)},
          {"top-p 0.9, top-k 50, by logits", false, false, drawn(1, 50, 0.9f)}};
}

int run(const Options& options) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  std::printf("%d requests of %d tokens, vocabulary %d, %d steps: medians in us a step\n\n", options.requests, options.context, options.vocabulary, options.steps);
  std::printf("| %-48s | schedule | prepare | sample | deliver |\n|---|---|---|---|---|\n", "");
  for (const Variant& variant : variants()) {
    Figures figures = timeEngine(options, variant);
    if (variant.picksTokens && variant.sampling.temperature == 0 && !variant.overlaps) figures.deliver = std::max(timeGap(options, variant) - figures.schedule, 0.0);
    const std::string deliver = figures.deliver > 0 ? std::to_string(std::lround(figures.deliver)) : "as above";
    std::printf("| %-48s | %8.0f | %7.0f | %6.0f | %s |\n", variant.name.c_str(), figures.schedule, figures.prepare, figures.sample, deliver.c_str());
    std::fflush(stdout);
    rows.push_back({{"name", variant.name}, {"schedule_us", figures.schedule}, {"prepare_us", figures.prepare}, {"sample_us", figures.sample}, {"deliver_us", figures.deliver}});
  }
  if (!options.tokenizer.empty()) {
    const auto tokenizer = text::openTokenizer(options.tokenizer);
    if (!tokenizer) return std::fprintf(stderr, "%s\n", tokenizer.status().message().c_str()), 1;
    const double text = timeText(options, *tokenizer);
    std::printf("\ntext of a token of each request, on other threads: %.0f us\n", text);
    rows.push_back({{"name", "text"}, {"text_us", text}});
  }
  if (!options.json.empty()) std::ofstream(options.json) << rows.dump(1) << "\n";
  return 0;
}

} // namespace
} // namespace jinx

int main(int argc, char** argv) {
  jinx::Options options;
  CLI::App app("What the host spends on a step of many decoding requests");
  app.add_option("--requests", options.requests)->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--context", options.context, "Tokens of each prompt")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--steps", options.steps)->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--vocabulary", options.vocabulary)->check(CLI::Range(2, 1 << 20))->capture_default_str();
  app.add_option("--undecided", options.undecided, "Of so many tokens that the device draws it cannot say one; 0: it can say all")->check(CLI::Range(0, 1 << 20))->capture_default_str();
  app.add_option("--tokenizer", options.tokenizer, "Whose tokens become text");
  app.add_option("--json", options.json, "File for the figures");
  CLI11_PARSE(app, argc, argv);
  return jinx::run(options);
}
