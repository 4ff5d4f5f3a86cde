#include "tools/common/loadgen/Load.h"

#include <algorithm>
#include <deque>

#include "runtime/serve/Json.h"
#include "tools/common/loadgen/Arrivals.h"
#include "tools/common/loadgen/Client.h"

#include <boost/asio/io_context.hpp>

namespace jinx::loadgen {
namespace {

namespace asio = boost::asio;
using serve::asTuple;
using serve::awaitable;
using serve::Json;

/// One thread does all: coroutines share what is here.
class Load {
 public:
  Load(const LoadOptions& options, const std::function<void(size_t)>& progress)
      : options_(options), progress_(progress), workload_(options.workload), most_(workload_.trace().empty() ? options.requests : std::min(options.requests, workload_.trace().size())) {}

  Expected<LoadResult> run();

 private:
  awaitable<void> all();
  awaitable<Status> findModel();
  awaitable<void> openLoop();
  awaitable<void> closedLoop();
  awaitable<void> one(Record& record, std::string body, double due_s);

  Record& newRecord();
  std::string bodyOf(size_t index) const;
  double now_s() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  bool isOver(double at_s) const { return options_.seconds > 0 && at_s >= options_.seconds; }

  const LoadOptions& options_;
  const std::function<void(size_t)>& progress_;
  const Workload workload_;
  const size_t most_;

  asio::io_context context_{1};
  Target target_;
  std::string model_;
  Status status_;
  Clock::time_point begin_{};
  std::deque<Record> records_; ///< requests that run hold references
  size_t ended_ = 0;
};

Expected<LoadResult> Load::run() {
  target_ = {options_.url, {}, options_.key, options_.timeout_s};
  asio::ip::tcp::resolver resolver(context_);
  boost::system::error_code error;
  for (const auto& found : resolver.resolve(options_.url.host, options_.url.port, error))
    target_.endpoints.push_back(found.endpoint());
  if (error || target_.endpoints.empty()) return notFound("there is no host " + options_.url.host + ": " + error.message());
  asio::co_spawn(context_, all(), asio::detached);
  context_.run();
  if (!status_.isOk()) return status_;
  return LoadResult{model_, {std::make_move_iterator(records_.begin()), std::make_move_iterator(records_.end())}};
}

awaitable<void> Load::all() {
  status_ = co_await findModel();
  if (!status_.isOk()) co_return;
  begin_ = Clock::now();
  if (options_.rate_per_s > 0 || !workload_.trace().empty()) {
    asio::co_spawn(context_, openLoop(), asio::detached);
    co_return;
  }
  for (size_t i = 0; i < std::min(options_.concurrency, most_); ++i)
    asio::co_spawn(context_, closedLoop(), asio::detached);
}

/// Also where the model is given: a server that is not there is told before anything is measured.
awaitable<Status> Load::findModel() {
  Expected<PlainAnswer> answer = co_await get(target_, "/v1/models");
  if (!answer) co_return answer.status();
  if (answer->status == 401 || answer->status == 403) co_return invalidArgument("the server wants " + std::string(options_.key.empty() ? "a key" : "another key") + ", expected --api-key-file FILE");
  model_ = options_.model;
  if (!model_.empty()) co_return Status::ok();
  const Expected<Json> json = serve::parseJson(answer->body);
  const auto isNamed = [&] {
    return answer->status == 200 && json && json->is_object() && json->contains("data") && (*json)["data"].is_array() && !(*json)["data"].empty() && (*json)["data"][0].is_object() &&
           (*json)["data"][0].contains("id") && (*json)["data"][0]["id"].is_string();
  };
  if (!isNamed()) co_return invalidArgument("the server names no model at /v1/models (status " + std::to_string(answer->status) + "), expected --model NAME");
  model_ = (*json)["data"][0]["id"].get<std::string>();
  co_return Status::ok();
}

awaitable<void> Load::openLoop() {
  Arrivals arrivals(options_.rate_per_s, options_.workload.seed);
  asio::steady_timer timer(context_);
  for (size_t index = 0; index < most_; ++index) {
    const double at_s = workload_.trace().empty() ? arrivals.next_s() : workload_.trace()[index].at_s;
    if (isOver(at_s)) co_return;
    std::string body = bodyOf(index); // made before its time has come
    timer.expires_at(begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at_s)));
    co_await timer.async_wait(asTuple);
    asio::co_spawn(context_, one(newRecord(), std::move(body), at_s), asio::detached);
  }
}

awaitable<void> Load::closedLoop() {
  while (records_.size() < most_ && !isOver(now_s())) {
    Record& record = newRecord();
    std::string body = bodyOf(record.index);
    co_await one(record, std::move(body), now_s());
  }
}

awaitable<void> Load::one(Record& record, std::string body, double due_s) {
  record.at_s = now_s();
  record.late_s = std::max(0.0, record.at_s - due_s);
  co_await askStream(target_, options_.isChat ? "/v1/chat/completions" : "/v1/completions", std::move(body), record);
  progress_(++ended_);
}

Record& Load::newRecord() {
  records_.emplace_back();
  records_.back().index = records_.size() - 1;
  return records_.back();
}

std::string Load::bodyOf(size_t index) const {
  const PlannedRequest planned = workload_.request(index);
  Json body = {{"model", model_}};
  if (options_.isChat) body["messages"] = Json::array({{{"role", "user"}, {"content", planned.prompt}}});
  else body["prompt"] = planned.prompt;
  body["max_tokens"] = planned.outputTokens;
  body["temperature"] = options_.temperature;
  if (options_.temperature > 0) body["seed"] = (options_.workload.seed + index) & INT64_MAX;
  if (options_.ignoresEos) body["ignore_eos"] = true;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  return serve::dump(body);
}

} // namespace

Expected<LoadResult> runLoad(const LoadOptions& options, const std::function<void(size_t)>& progress) { return Load(options, progress).run(); }

} // namespace jinx::loadgen
