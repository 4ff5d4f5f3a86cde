#include <filesystem>

#include "runtime/chat/ChatTemplate.h"
#include "runtime/formats/Gguf.h"
#include "runtime/text/Json.h"

namespace jinx::chat {
namespace {

Expected<std::string> ofGguf(const std::string& path) {
  JINX_TRY_ASSIGN(GgufFile file, GgufFile::open(path));
  if (!file.findEntry("tokenizer.chat_template")) return notFound("has no chat template (key tokenizer.chat_template)");
  JINX_TRY_ASSIGN(std::string_view source, file.text("tokenizer.chat_template"));
  return std::string(source);
}

std::string textOf(const MappedFile& file) { return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()); }

/// "chat_template" of tokenizer_config.json: text, or [{"name": "default", "template": text}, …].
Expected<std::string> ofConfig(const nlohmann::json& config) {
  const nlohmann::json* given = text::findField(config, "chat_template");
  if (!given) return notFound("has no \"chat_template\"");
  if (given->is_string()) return given->get<std::string>();
  if (!given->is_array()) return text::isOther(*given, "text, or a list of templates").withContext("\"chat_template\"");
  for (const nlohmann::json& one : *given) {
    JINX_TRY_ASSIGN(std::string name, text::textField(one, "name"), "\"chat_template\"");
    if (name == "default") return text::textField(one, "template");
  }
  return notFound("has no chat template named \"default\"");
}

} // namespace

Expected<std::string> templateOf(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path given(path), folder = fs::is_directory(given, error) ? given : given.parent_path();
  if (!fs::exists(given, error)) return notFound("cannot open " + path + ": no such file");
  if (given.extension() == ".jinja") {
    JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
    return textOf(file);
  }
  if (!fs::is_directory(given, error)) {
    JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(path));
    if (textOf(file).starts_with("GGUF")) return ofGguf(path);
  }
  if (const fs::path jinja = folder / "chat_template.jinja"; fs::exists(jinja, error)) {
    JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(jinja.string()));
    return textOf(file);
  }
  const fs::path config = folder / "tokenizer_config.json";
  if (!fs::exists(config, error)) return notFound("no chat template belongs to " + path + ": beside it is neither chat_template.jinja nor tokenizer_config.json");
  JINX_TRY_ASSIGN(MappedFile file, MappedFile::open(config.string()));
  JINX_TRY_ASSIGN(nlohmann::json json, text::parseJson(textOf(file)), config.string());
  auto source = ofConfig(json);
  if (!source) return source.status().withContext(config.string());
  return source;
}

} // namespace jinx::chat
