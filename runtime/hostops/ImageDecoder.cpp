// ImageDecoder: the bytes of an image file to [height, width, channels]. The formats are in Image{BmpPnm,Png,Tiff}.cpp.
#include <algorithm>

#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/ImageFormats.h"

namespace jinx {

std::span<const HostOpEntry> imageDecoderHostOps();

namespace {

/// The names of formats that ONNX lists and Jinx does not read; null for others.
const char* knownFormat(image::Bytes file) {
  const auto starts = [&](std::initializer_list<uint8_t> magic, size_t at = 0) {
    return file.size() >= at + magic.size() &&
           std::equal(magic.begin(), magic.end(), file.begin() + static_cast<int64_t>(at));
  };
  if (starts({0xFF, 0xD8, 0xFF})) return "JPEG";
  if (starts({0xFF, 0x4F, 0xFF, 0x51}) || starts({'j', 'P', ' ', ' '}, 4)) return "JPEG 2000";
  if (starts({'R', 'I', 'F', 'F'}) && starts({'W', 'E', 'B', 'P'}, 8)) return "WebP";
  return nullptr;
}

Expected<image::Picture> decode(image::Bytes file) {
  if (image::isBmp(file)) return image::decodeBmp(file);
  if (image::isPnm(file)) return image::decodePnm(file);
  if (image::isPng(file)) return image::decodePng(file);
  if (image::isTiff(file)) return image::decodeTiff(file);
  if (const char* format = knownFormat(file))
    return unimplemented("the image is " + std::string(format) + ", expected BMP, PNM, PNG or TIFF; convert it first");
  return invalidArgument("the image has no known format");
}

Status imageDecoder(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor stream, call.tensor(0));
  if (stream.dtype() != DType::kU8) return call.error("'encoded_stream' is " + stream.describe() + ", expected u8");
  const std::string format = call.attributes->getString("pixel_format", "RGB");
  if (format != "RGB" && format != "BGR" && format != "Grayscale")
    return call.error("'pixel_format' is '" + format + "', expected 'RGB', 'BGR' or 'Grayscale'");
  const int64_t channels = format == "Grayscale" ? 1 : 3;

  Expected<image::Picture> decoded = decode({stream.as<uint8_t>(), static_cast<size_t>(stream.size())});
  if (!decoded.isOk()) {
    if (decoded.status().code() == Code::kUnimplemented) return decoded.status().withContext(std::string(call.op));
    call.outputs[0] =
        Tensor::make(DType::kU8, {0, 0, channels}); // the specification: what cannot be decoded is an empty matrix
    return Status::ok();
  }
  image::Picture& picture = *decoded;
  Tensor y = Tensor::make(DType::kU8, {picture.height, picture.width, channels});
  uint8_t* to = y.as<uint8_t>();
  for (size_t i = 0; i < picture.rgb.size(); i += 3) {
    const uint8_t r = picture.rgb[i], g = picture.rgb[i + 1], b = picture.rgb[i + 2];
    if (channels == 1) { // ITU-R 601-2 luma in 16-bit fixed point
      *to++ = static_cast<uint8_t>((19595u * r + 38470u * g + 7471u * b + 0x8000u) >> 16);
    } else {
      *to++ = format == "RGB" ? r : b;
      *to++ = g;
      *to++ = format == "RGB" ? b : r;
    }
  }
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {{"", "ImageDecoder", 20, imageDecoder}};

} // namespace

std::span<const HostOpEntry> imageDecoderHostOps() { return kRows; }

} // namespace jinx
