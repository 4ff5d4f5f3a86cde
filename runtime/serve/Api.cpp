#include "runtime/serve/Api.h"

#include <algorithm>
#include <array>
#include <exception>

#include "runtime/serve/ChatApi.h"
#include "runtime/serve/StatusPage.h"
#include "runtime/serve/TokenApi.h"

namespace jinx::serve {
namespace {

/// Nothing of other sites goes into it, and it goes to none.
HttpReply statusPage() {
  return {.contentType = "text/html; charset=utf-8",
          .body = std::string(kStatusPage),
          .headers = {{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'"},
                      {"X-Content-Type-Options", "nosniff"}}};
}

constexpr std::array<std::string_view, 2> kRunningPaths = {"/v1/completions/", "/v1/chat/completions/"}; ///< behind it an id
constexpr std::string_view kModelPath = "/v1/models/";
constexpr std::array<std::string_view, 4> kGetPaths = {"/health", "/v1/models", "/metrics", "/"};
constexpr std::array<std::string_view, 6> kPostPaths = {"/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/cancel", "/tokenize", "/detokenize"};

template <size_t count> bool isAmong(const std::array<std::string_view, count>& paths, std::string_view path) {
  return std::ranges::find(paths, path) != paths.end();
}

ApiError notThere(const std::string& path) { return {.status = 404, .message = "there is no " + path.substr(0, 100) + " here", .code = "not_found"}; }
ApiError wrongMethod(const HttpRequest& request, const char* expected) {
  return {.status = 405, .message = request.path + " takes " + expected + ", not " + request.method.substr(0, 20), .code = "method_not_allowed"};
}
ApiError noKey() {
  return {.status = 401, .type = "authentication_error", .message = "no valid key: expected \"Authorization: Bearer KEY\"", .code = "invalid_api_key"};
}

} // namespace

Answer Api::answer(const HttpRequest& request) {
  const std::optional<TenantId> tenant = auth_.tenantOf(request.authorization);
  // Whoever watches over the server need not have a key to see that it is there.
  // The page holds no figures: it asks for them, with the key that its reader types.
  const bool isPublic = request.path == "/health" || (request.path == "/" && request.method == "GET");
  if (!tenant && !isPublic) return {0, replyOf(noKey())};
  Result result = ApiError{};
  try {
    result = route(request, tenant.value_or(0));
  } catch (const std::exception& error) { // memory that ran out
    result = ApiError{.status = 500, .type = "server_error", .message = error.what()};
  }
  if (auto* error = std::get_if<ApiError>(&result)) return {tenant.value_or(0), replyOf(*error)};
  if (auto* reply = std::get_if<HttpReply>(&result)) return {tenant.value_or(0), std::move(*reply)};
  if (auto* job = std::get_if<std::shared_ptr<EmbeddingJob>>(&result)) return {*tenant, std::move(*job)};
  return {*tenant, std::move(std::get<std::unique_ptr<Generation>>(result))};
}

Api::Result Api::route(const HttpRequest& request, TenantId tenant) {
  const std::string& path = request.path;
  if (isAmong(kGetPaths, path) || path.starts_with(kModelPath)) return request.method == "GET" ? get(path) : wrongMethod(request, "GET");
  if (isAmong(kPostPaths, path)) return request.method == "POST" ? post(request, tenant) : wrongMethod(request, "POST");
  for (std::string_view running : kRunningPaths)
    if (path.starts_with(running)) return request.method == "DELETE" ? cancel(path.substr(running.size()), tenant) : wrongMethod(request, "DELETE");
  return notThere(path);
}

Api::Result Api::get(const std::string& path) {
  if (path == "/health") return health();
  if (path == "/") return statusPage();
  if (path == "/metrics") return HttpReply{.contentType = "text/plain; version=0.0.4; charset=utf-8", .body = exposition(metrics_)};
  const Json models = describeModels();
  if (path == "/v1/models") return replyOf(models);
  const std::string name = path.substr(kModelPath.size());
  for (const Json& model : models["data"])
    if (model["id"] == name) return replyOf(model);
  return ApiError{.status = 404, .message = "there is no model \"" + name.substr(0, 100) + "\" here", .param = "model", .code = "model_not_found"};
}

Api::Result Api::post(const HttpRequest& request, TenantId tenant) {
  // A page of another site can send a form or plain text with its reader's browser, but no JSON.
  if (!request.contentType.starts_with("application/json"))
    return ApiError{.status = 415, .message = "the body is \"" + request.contentType.substr(0, 60) + "\", expected \"Content-Type: application/json\""};
  Expected<Json> json = parseJson(request.body);
  if (!json) return errorOf(json.status());
  if (request.path == "/v1/cancel") {
    Fields fields(*json);
    const std::string id = fields.text("id", "");
    if (fields.error()) return *fields.error();
    return cancel(id, tenant);
  }
  if (request.path == "/tokenize" || request.path == "/detokenize") return postTokens(request.path, *json);
  if (isDraining_) return ApiError{.status = 503, .type = "server_error", .message = "the server is about to end", .code = "shutting_down", .retryAfter_s = 5};
  if (request.path == "/v1/embeddings") return embed(request, *json, tenant);
  return generate(request.path, *json);
}

/// Of the language model, but for requests that name the encoder.
Api::Result Api::postTokens(const std::string& path, const Json& json) const {
  const TextModel* model = served_.language;
  const auto named = json.is_object() ? json.find("model") : json.end();
  const bool namesEncoder = served_.encoder && named != json.end() && *named == served_.encoder->name;
  if (!model || (namesEncoder && served_.encoder->name != model->name)) model = served_.encoder;
  ReplyOrError reply = path == "/tokenize" ? tokenize(json, *model) : detokenize(json, *model);
  if (auto* error = std::get_if<ApiError>(&reply)) return std::move(*error);
  return std::get<HttpReply>(std::move(reply));
}

Api::Result Api::generate(const std::string& path, const Json& json) const {
  if (!served_.language) return ApiError{.status = 404, .message = "no language model is served here, only an encoder: ask /v1/embeddings", .code = "model_not_found"};
  GenerationOrError read = path == "/v1/completions" ? readCompletion(json, *served_.language, limits_) : readChat(json, *served_.language, limits_);
  if (auto* error = std::get_if<ApiError>(&read)) return std::move(*error);
  return std::move(std::get<std::unique_ptr<Generation>>(read));
}

Api::Result Api::embed(const HttpRequest& request, const Json& json, TenantId tenant) const {
  if (!served_.encoder) return ApiError{.status = 404, .message = "no model for embeddings is served here", .code = "model_not_found"};
  EmbeddingRequestOrError read = readEmbeddings(json, *served_.encoder, limits_);
  if (auto* error = std::get_if<ApiError>(&read)) return std::move(*error);
  return std::make_shared<EmbeddingJob>(std::move(std::get<EmbeddingRequest>(read)), tenant, request.arrived_s);
}

Api::Result Api::cancel(const std::string& id, TenantId tenant) {
  const std::optional<JobId> job = open_.find(id, tenant);
  if (!job) return ApiError{.status = 404, .message = "there is no request \"" + id.substr(0, 60) + "\", or no longer", .param = "id", .code = "not_found"};
  served_.engine->cancel(*job);
  return replyOf(Json{{"id", id}, {"object", "cancellation"}, {"cancelled", true}});
}

HttpReply Api::health() const {
  HttpReply reply = replyOf(Json{{"status", isDraining_ ? "draining" : "ok"}});
  if (isDraining_) reply.status = 503;
  return reply;
}

Json Api::describeModels() const {
  Json data = Json::array();
  for (const TextModel* model : {static_cast<const TextModel*>(served_.language), static_cast<const TextModel*>(served_.encoder)})
    if (model) data.push_back({{"id", model->name}, {"object", "model"}, {"created", model->created}, {"owned_by", "jinx"}, {"max_model_len", model->contextLength}});
  return {{"object", "list"}, {"data", std::move(data)}};
}

} // namespace jinx::serve
