#include "tools/common/Encoder.h"

#include <ctime>
#include <filesystem>

#include "runtime/text/OpenTokenizer.h"

namespace jinx::tools {

std::string modelNameOf(const std::string& path) {
  std::filesystem::path name(path);
  if (!name.has_filename()) name = name.parent_path();
  std::error_code error;
  return (std::filesystem::is_directory(path, error) ? name.filename() : name.stem()).string();
}

Expected<OpenEncoder> openEncoder(const PlanSource& source, const EncoderOptions& options, const PlanRequest& request) {
  std::error_code error;
  if (options.tokenizer.empty() && !std::filesystem::is_directory(options.path, error))
    return invalidArgument(options.path + " is no folder with a tokenizer, expected --embedding-tokenizer FILE");
  JINX_TRY_ASSIGN(text::Tokenizer tokenizer, text::openTokenizer(options.tokenizer.empty() ? options.path : options.tokenizer), "tokenizer of embeddings");
  PlanRequest own = request;
  own.path = options.path;
  own.device.parallelWork = SessionOptions().parallelWork;
  JINX_TRY_ASSIGN(LoadedPlan plan, source(own));
  JINX_TRY_ASSIGN(auto device, openDevice(own.device));
  JINX_TRY_ASSIGN(auto model, llm::EmbeddingModel::create(plan.file, std::move(device)), options.path);
  if (tokenizer.vocabularySize() > static_cast<size_t>(model->vocabulary()))
    return invalidArgument("the tokenizer of embeddings has " + std::to_string(tokenizer.vocabularySize()) + " tokens, and " + options.path + " knows " + std::to_string(model->vocabulary()));
  serve::ServedEncoder served{{options.name.empty() ? modelNameOf(options.path) : options.name, std::time(nullptr), tokenizer, model->vocabulary(), model->contextLength()}, model->width(), {}};
  served.embed = [encoder = model.get()](std::span<const std::vector<text::TokenId>> texts) { return encoder->embed(texts); };
  return OpenEncoder{std::move(plan), std::move(model), std::move(served)};
}

} // namespace jinx::tools
