// How fast is a rank's device, at its best? Times by peaks order alternatives; no kernel reaches one.
#pragma once

#include <string>
#include <string_view>

namespace jinx::comm::model {

struct Peaks {
  std::string device;
  double flops = 0, halfFlops = 0; ///< a second; of 16-bit floats with tensor cores
  double bytesPerSecond = 0;       ///< of its memory
  double memoryBytes = 0;

  double usableBytes() const { return 0.9 * memoryBytes; } ///< the rest is the runtime's
  /// As long as the arithmetic or the memory takes, whichever is longer.
  double secondsOf(double ofFlops, double ofBytes, bool isHalf) const {
    const double computing = ofFlops / (isHalf ? halfFlops : flops), moving = ofBytes / bytesPerSecond;
    return computing > moving ? computing : moving;
  }
};

/// Of a network's ranks ("h100-8", …); those of h100-8 for a network of another name. Dense peaks of the data sheets,
/// f32 as TF32; the host's are guesses.
Peaks peaksOf(std::string_view network);

} // namespace jinx::comm::model
