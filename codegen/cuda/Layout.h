// Which element does a register of a lane of a warp hold? And in which bank does it lie? Layouts as linear maps over F2.
//
// Extents on a GPU are powers of two, and what a layout does to a number it does bit by bit: a lane's low bits choose a column, the others a row;
// a swizzle XORs some bits of the row into the chunk. So a layout is a linear map between vectors of bits: for each bit of each input the
// place where it leads, all other bits being 0, and the place of a number is the XOR of the places of its bits. (Zhou et al. 2025, Linear
// Layouts.)
//
//   the C fragment of m16n8      register 0 -> column 1      lane 0 -> column 2      lane 2 -> row 1      lane 4 -> row 4
//   (lane % 4 * 2 is a column)   register 1 -> row 8         lane 1 -> column 4      lane 3 -> row 2
//
//   register 3 of lane 6:  column 1 ^ row 8  ^  column 4 ^ row 1  =  row 9, column 5
//
// That it misses nothing and holds nothing twice is a question of rank; what a kernel's text computes, and how many wavefronts an access of
// shared memory takes, follows from the map and is written nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace jinx::cuda {

class Layout {
 public:
  /// A number for each output.
  using Place = std::vector<int64_t>;
  /// A value for some inputs, by name; the others are 0.
  using Numbers = std::vector<std::pair<std::string, int64_t>>;
  /// What stands for some inputs in a text, by name.
  using Texts = std::vector<std::pair<std::string, std::string>>;

  /// \param outputs  names and numbers of bits
  explicit Layout(std::vector<std::pair<std::string, int>> outputs) : outputs_(std::move(outputs)) {}
  /// One more input: where each of its bits leads, the lowest first.
  Layout &input(std::string name, std::vector<Place> bits);

  Place at(const Numbers &numbers) const;
  int64_t at(const std::string &output, const Numbers &numbers) const { return at(numbers)[outputNumber(output)]; }
  int64_t extentOf(const std::string &input) const;

  /// Every place once.
  bool isBijective() const;
  /// Outputs go on as inputs of `next`, by name; every one of them must be an input there.
  Layout then(const Layout &next) const;
  /// One input as several: each takes some of its bits, its lowest first. Bits that nobody takes must lead nowhere.
  Layout split(const std::string &input, const std::vector<std::pair<std::string, std::vector<int>>> &parts) const;

  /// An output as a C++ expression over what stands for the inputs; inputs that are not named are 0. "lane / 4 + i * 16"; "0". Runs of bits that
  /// stay together are one term, and no two of the inputs' bits may lead to the same bit.
  std::string text(const std::string &output, const Texts &inputs) const;

 private:
  struct Input {
    std::string name;
    std::vector<Place> bits;
  };
  size_t outputNumber(const std::string &name) const;
  const Input &find(const std::string &name) const;

  std::vector<std::pair<std::string, int>> outputs_;
  std::vector<Input> inputs_;
};

/// Wavefronts that a warp's access of shared memory takes: lanes that are served together (of 16 bytes eight, of 8 sixteen) take one for each of
/// the different words that they want of the bank that most is wanted of.
/// \param addresses  of the lanes, in bytes, multiples of `bytes`
int wavefronts(const std::vector<int64_t> &addresses, int bytes);

}  // namespace jinx::cuda
